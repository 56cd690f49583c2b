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
    """A file as its server describes it; two equal descriptions mean the same file."""

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
        _transfer_file(url, file, progress, patience)
    with file.open("rb") as content:
        actual = hashlib.file_digest(content, "sha256").hexdigest()
    if sha256 and actual != sha256.lower():
        file.unlink()
        raise DataError(
            f"{url}: must have the SHA-256 {sha256.lower()}, got {actual}; it was removed, do not trust this source, or check --sha256"
        )
    return actual


def _transfer_file(url: str, file: Path, progress: Progress, patience: float) -> None:
    """Write the file; breaks off and goes on by itself a few times."""
    part = file.with_name(f"{file.name}.part")
    with writing(file.parent, "see --to"):
        file.parent.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(TRIES)):
            had = _size_of(part)
            try:
                _receive_rest(url, part, progress, patience)
                break
            except _Broken as error:
                if not left or _size_of(part) <= had:
                    raise DataError(
                        f"{url}: must be sent whole, got {_size_of(part) / 1e6:.1f} MB and then {error}; the same command goes on from there"
                    ) from error
                time.sleep(1 if left < TRIES - 1 else 0)
        _notes_file(part).unlink(missing_ok=True)
        part.replace(file)


def _receive_rest(url: str, part: Path, progress: Progress, patience: float) -> None:
    """Append to the part what is missing of the file; raises _Broken where the transfer ends before it is whole."""
    partial = _read_notes(part, url)
    received = _size_of(part) if partial and partial.tag else 0  # without a tag, it might be of another file
    if partial and partial.size and received == partial.size:
        return
    headers = {"User-Agent": "optimizer-harness", "Accept-Encoding": "identity"}
    if received and partial:
        headers |= {"Range": f"bytes={received}-", "If-Range": partial.tag}
    try:
        response = _open_response(Request(url, headers=headers), patience)
    except _Broken:
        part.unlink(missing_ok=True)
        raise
    with response:
        if response.status != 206:  # the whole file, because it is another now or the server cannot do better
            received = 0
        remote = _read_remote(url, response.headers, response.status)
        if response.status == 206 and (remote != partial or not _continues_at(response.headers, received)):
            part.unlink(missing_ok=True)
            raise _Broken("another part than was asked for")
        room = shutil.disk_usage(part.parent).free
        if remote.size - received > room:
            raise DiskError(
                f"{part.parent}: must have room for {size(remote.size - received)}, got {size(room)}; make room or see --to, "
                "then the same command goes on"
            )
        _notes_file(part).write_text(json.dumps(asdict(remote)), encoding="utf-8")
        with part.open("ab" if received else "wb") as out:
            received = _copy_bytes(response, out, received, remote.size, progress)
    if remote.size and received != remote.size:
        raise _Broken(f"the end of the transfer, of {remote.size / 1e6:.1f} MB")
    progress("downloading, in MB", round(received / 1e6), round(received / 1e6))


def _copy_bytes(response: Any, out: Any, received: int, size: int, progress: Progress) -> int:
    """Write what comes, and return how many bytes of the file there are then."""
    while True:
        try:
            chunk = response.read(CHUNK)
        except (OSError, HTTPException) as error:
            raise _Broken(_describe_error(error)) from error
        if not chunk:
            return received
        out.write(chunk)
        received += len(chunk)
        if size and received < size:
            progress("downloading, in MB", round(received / 1e6), round(size / 1e6))


def _open_response(request: Request, patience: float) -> Any:
    """Return the answer; raises DataError where there is none in time.

    Resolving a name may hang longer than any time-out, so it is done in a thread that nobody waits for.
    """
    responses: Queue[Any] = Queue()

    def request_response() -> None:
        try:
            responses.put(urlopen(request, timeout=SILENCE))
        except Exception as error:  # OSError, HTTPException, and ValueError for a strange address
            responses.put(error)

    Thread(target=request_response, daemon=True).start()
    try:
        response = responses.get(timeout=patience)
    except Empty:
        response = TimeoutError(f"no answer within {patience:.0f} s")
    if isinstance(response, HTTPError) and response.code == 416 and request.has_header("Range"):
        raise _Broken("no such part of it: the file there is another now")
    if isinstance(response, HTTPError):
        raise DataError(
            f"{request.full_url}: must be there, got {response.code} {response.reason}; name another place with --from URL"
        ) from response
    if isinstance(response, Exception):
        raise DataError(
            f"{request.full_url}: must be reachable, got no connection: {_describe_error(response)}; "
            "check the network, or name another place with --from URL"
        ) from response
    return response


def _describe_error(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    return " ".join(str(reason).split()) or type(error).__name__


def _read_remote(url: str, headers: HTTPMessage, status: int) -> Remote:
    length = headers.get("Content-Range", "").rpartition("/")[2] if status == 206 else headers.get("Content-Length", "")
    tag = headers.get("ETag", "")
    if not tag or tag.startswith("W/"):  # a weak one does not promise equal bytes
        tag = headers.get("Last-Modified", "")
    return Remote(url, int(length) if length.isdigit() else 0, tag)


def _continues_at(headers: HTTPMessage, have: int) -> bool:
    return headers.get("Content-Range", "").replace("bytes ", "").startswith(f"{have}-")


def _notes_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_notes(part: Path, url: str) -> Remote | None:
    """Return the description of the file that the part belongs to; None where it is unknown or of another address."""
    try:
        remote = Remote(**json.loads(_notes_file(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return remote if remote.url == url else None


def _size_of(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
