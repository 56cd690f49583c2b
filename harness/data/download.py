"""Getting a file over HTTP: an interrupted transfer goes on where it was left, and what has come is checked.

What has arrived lies beside the file as ``NAME.part``, with ``NAME.part.json``, which says what it is a part of.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from harness.errors import DataError, DiskError
from harness.errors.disk import size, writing

PATIENCE = 8.0  # seconds until the server must have answered
SILENCE = 30.0  # seconds without a byte, after which a transfer is taken for broken
TRIES = 5  # of a transfer that breaks off, as long as each brings something
CHUNK = 2**20  # bytes

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Remote:
    """What a server says of a file; two that are equal are the same file."""

    url: str
    size: int  # bytes; 0 where it does not say
    tag: str  # its ETag, or when it was last changed; empty where it does not say


class _Broken(Exception):
    """A transfer broke off, with the reason."""


def fetch(url: str, file: Path, sha256: str, progress: Progress, patience: float = PATIENCE) -> str:
    """Get a file, or the rest of it, and return its SHA-256.

    Raises DataError, within ``patience`` seconds where there is no network, and where the file is not the one expected;
    such a file is removed.
    """
    if not file.is_file():
        _transfer(url, file, progress, patience)
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if sha256 and found != sha256.lower():
        file.unlink()
        raise DataError(
            f"{url}: must have the SHA-256 {sha256.lower()}, got {found}; it was removed, do not trust this source, or check --sha256"
        )
    return found


def _transfer(url: str, file: Path, progress: Progress, patience: float) -> None:
    """Write the file; breaks off and goes on by itself a few times."""
    part = file.with_name(f"{file.name}.part")
    with writing(file.parent, "see --to"):
        file.parent.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(TRIES)):
            had = _size(part)
            try:
                _receive(url, part, progress, patience)
                break
            except _Broken as error:
                if not left or _size(part) <= had:
                    raise DataError(
                        f"{url}: must be sent whole, got {_size(part) / 1e6:.1f} MB and then {error}; the same command goes on from there"
                    ) from error
                time.sleep(1 if left < TRIES - 1 else 0)
        _notes(part).unlink(missing_ok=True)
        part.replace(file)


def _receive(url: str, part: Path, progress: Progress, patience: float) -> None:
    """Append to the part what is missing of the file; raises _Broken where the transfer ends before it is whole."""
    known = _known(part, url)
    have = _size(part) if known and known.tag else 0  # without a tag, it might be of another file
    if known and known.size and have == known.size:
        return
    headers = {"User-Agent": "optimizer-harness", "Accept-Encoding": "identity"}
    if have and known:
        headers |= {"Range": f"bytes={have}-", "If-Range": known.tag}
    try:
        answer = _ask(Request(url, headers=headers), patience)
    except _Broken:
        part.unlink(missing_ok=True)
        raise
    with answer:
        if answer.status != 206:  # the whole file, because it is another now or the server cannot do better
            have = 0
        remote = _remote(url, answer.headers, answer.status)
        if answer.status == 206 and (remote != known or not _continues(answer.headers, have)):
            part.unlink(missing_ok=True)
            raise _Broken("another part than was asked for")
        room = shutil.disk_usage(part.parent).free
        if remote.size - have > room:
            raise DiskError(
                f"{part.parent}: must have room for {size(remote.size - have)}, got {size(room)}; make room or see --to, "
                "then the same command goes on"
            )
        _notes(part).write_text(json.dumps(asdict(remote)), encoding="utf-8")
        with part.open("ab" if have else "wb") as out:
            have = _copy(answer, out, have, remote.size, progress)
    if remote.size and have != remote.size:
        raise _Broken(f"the end of the transfer, of {remote.size / 1e6:.1f} MB")
    progress("downloading, in MB", round(have / 1e6), round(have / 1e6))


def _copy(answer: Any, out: Any, have: int, size: int, progress: Progress) -> int:
    """Write what comes, and return how many bytes of the file there are then."""
    while True:
        try:
            chunk = answer.read(CHUNK)
        except (OSError, HTTPException) as error:
            raise _Broken(_why(error)) from error
        if not chunk:
            return have
        out.write(chunk)
        have += len(chunk)
        if size and have < size:
            progress("downloading, in MB", round(have / 1e6), round(size / 1e6))


def _ask(request: Request, patience: float) -> Any:
    """Return the answer; raises DataError where there is none in time.

    Resolving a name may hang longer than any time-out, so it is done in a thread that nobody waits for.
    """
    answers: Queue[Any] = Queue()

    def ask() -> None:
        try:
            answers.put(urlopen(request, timeout=SILENCE))
        except Exception as error:  # OSError, HTTPException, and ValueError for a strange address
            answers.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=patience)
    except Empty:
        answer = TimeoutError(f"no answer within {patience:.0f} s")
    if isinstance(answer, HTTPError) and answer.code == 416 and request.has_header("Range"):
        raise _Broken("no such part of it: the file there is another now")
    if isinstance(answer, HTTPError):
        raise DataError(
            f"{request.full_url}: must be there, got {answer.code} {answer.reason}; name another place with --from URL"
        ) from answer
    if isinstance(answer, Exception):
        raise DataError(
            f"{request.full_url}: must be reachable, got no connection: {_why(answer)}; "
            "check the network, or name another place with --from URL"
        ) from answer
    return answer


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    return " ".join(str(reason).split()) or type(error).__name__


def _remote(url: str, headers: HTTPMessage, status: int) -> Remote:
    length = headers.get("Content-Range", "").rpartition("/")[2] if status == 206 else headers.get("Content-Length", "")
    tag = headers.get("ETag", "")
    if not tag or tag.startswith("W/"):  # a weak one does not promise equal bytes
        tag = headers.get("Last-Modified", "")
    return Remote(url, int(length) if length.isdigit() else 0, tag)


def _continues(headers: HTTPMessage, have: int) -> bool:
    return headers.get("Content-Range", "").replace("bytes ", "").startswith(f"{have}-")


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _known(part: Path, url: str) -> Remote | None:
    """Return what the part is a part of; None where nobody knows, or it came from elsewhere."""
    try:
        known = Remote(**json.loads(_notes(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return known if known.url == url else None


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
