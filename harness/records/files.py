"""How files are written: after a kill or a power cut, each is whole, either the old one or the new one."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any, BinaryIO
from weakref import WeakSet

from harness.errors import DataError, RunFolderError, disk
from harness.records import schema

MARK = "optimizer-harness"  # near the beginning of every page, summary and picture that a command writes
HEAD = 2048  # bytes in which it is looked for
TAIL = 65536  # bytes at the end of a PDF, whose creator stands there
RUN_FOLDER = (
    "run.db", "lock", "benchmark.toml", "environment.json",
    "solutions", "predictions", "states", "probes", "thumbnails", "tables", "listeners",
)  # fmt: skip
# what a run folder has, beside its reports


def write(file: Path, content: bytes, durable: bool = True, hint: str = "") -> None:
    """Write a file in place of what was there; see ``replacing``."""
    with replacing(file, durable, hint, len(content)) as out:
        out.write(content)


@contextmanager
def replacing(file: Path, durable: bool = True, hint: str = "", needed: int = 0) -> Iterator[BinaryIO]:
    """Give a temporary file to write. When it is whole, it replaces ``file``; after an error it is removed.

    Its content is on the disk before it has its name, and the name is on the disk at the end. What can be made again
    need not wait for the disk: then it is not ``durable``. Raises DiskError where the system refuses it; ``hint`` and
    ``needed`` are those of ``disk.writing``.
    """
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        with disk.writing(file, hint, needed):
            temporary.unlink(missing_ok=True)  # a link that somebody put there
            with temporary.open("xb") as out:
                yield out
                if durable:
                    out.flush()
                    os.fsync(out.fileno())
            temporary.replace(file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        _sync_folder(file.parent)


@contextmanager
def new_folder(folder: Path, hint: str = "", needed: int = 0, replaces: bool = False) -> Iterator[Path]:
    """Give a temporary folder to fill. When it is whole, it becomes ``folder``; after an error it is removed. See ``replacing``.

    Where it ``replaces`` a folder that is there, that one is removed when the new one is whole.
    """
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    before = folder.with_name(f"{folder.name}.{os.getpid()}.before.tmp")
    try:
        with disk.writing(folder, hint, needed):
            temporary.mkdir(parents=True)
            yield temporary
            if replaces and folder.is_dir() and any(folder.iterdir()):
                folder.rename(before)
            try:
                temporary.replace(folder)
            except OSError:
                if before.exists():
                    before.rename(folder)
                raise
    finally:
        for place in (temporary, before):
            with suppress(OSError):
                shutil.rmtree(place)


def checksum(file: Path) -> str:
    """Return the SHA-256 of a file's contents."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def copy(source: Path, target: Path, sha256: str) -> None:
    """Write a copy of a file; raises RunFolderError if its contents do not have this checksum."""
    with disk.reading(source):
        content = source.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RunFolderError(f"{source}: must be as it was written, got other contents; it is not used")
    write(target, content)


def put_aside(path: Path) -> Path:
    """Rename a file or a folder that cannot be read to a free name that ends in ``.damaged``; return the new name."""
    names = (f"{path.name}{f'.{number}' if number > 1 else ''}.damaged" for number in count(1))
    aside = next(place for name in names if not os.path.lexists(place := path.with_name(name)))
    return path.rename(aside)


def _sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, if the system can do that; Windows cannot."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is removed at the end; raises DiskError if none can be made."""
    with disk.writing("temporary files", "set TMPDIR to another folder"):
        folder = tempfile.TemporaryDirectory(prefix="harness-check-", ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)


def check_out_file(
    out: Path, option: str = "--out", new: bool = False, header: str = "", hint: str = "name another or remove it",
    force: bool = False,
) -> None:  # fmt: skip
    """Raise DataError, naming the option, for a file that cannot be written or may not be replaced.

    A file that is there is replaced where the command wrote it: a table that begins with ``header``, anything else that
    has the ``MARK`` near its beginning. With ``new`` none is, and with ``force`` any file is. ``hint`` says what to do.
    """
    _check_outside(out, option)
    if new and os.path.lexists(out) and not out.is_dir():
        raise DataError(f"{option}: must be a new file, got '{out}', which is there; {hint}")
    if os.path.lexists(out) and not out.is_dir() and not force and not _is_own(out, header):
        is_table = header and _is_own(out, header.partition(",")[0] + ",")
        kind = "a table with other columns" if is_table else "which is another"
        raise DataError(f"{option}: must be a new file, or one that this command wrote, got '{out}', {kind}; {hint}")
    folder = out.absolute().parent
    reason = "it is a folder" if out.is_dir() else "" if folder.is_dir() else "its folder is not there"
    if reason := reason or _unwritable(folder):
        raise DataError(f"{option}: must be a file that can be written, got '{out}': {reason}")


def check_out_folder(out: Path, option: str = "--out", new: bool = False) -> None:
    """Raise DataError, naming the option, for a folder that cannot be made; with ``new`` for one with anything in it too."""
    _check_outside(out, option)
    if new and os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise DataError(f"{option}: must be a new folder, got '{out}', which is there; name another or remove it")
    nearest = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    if reason := _unwritable(nearest) if nearest.is_dir() else f"'{nearest}' is a file":
        raise DataError(f"{option}: must be a folder that can be written to, got '{out}': {reason}")


def _is_own(out: Path, header: str) -> bool:
    """Return whether a file begins like one that a command of ours writes, or is a PDF that names us as its creator."""
    if not out.is_file():
        return False
    try:
        with out.open("rb") as content:
            head = content.read(HEAD)
            content.seek(max(0, out.stat().st_size - TAIL))
            tail = content.read(TAIL) if head.startswith(b"%PDF-") else b""
    except OSError:
        return False
    if header:
        return head.startswith(header.encode())
    return MARK.encode() in head or f"/Creator ({MARK})".encode() in tail


def _check_outside(out: Path, option: str) -> None:
    """Raise DataError for a place inside a run folder, through whatever links or spellings it is reached."""
    place = Path(os.path.realpath(out))
    for folder in place.parents:
        inner = place.relative_to(folder).parts[0].casefold()
        is_ours = inner in RUN_FOLDER or inner.startswith(("run.db-", "report."))
        if is_ours and schema.is_run_folder(folder):
            raise DataError(
                f"{option}: must be outside of what a run wrote, got '{out}', in {folder}; name another place"
            )


def _unwritable(folder: Path) -> str:
    """Return why nothing can be written into a folder; empty if a file can be made in it."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


_locked: WeakSet[IO[Any]] = WeakSet()


def lock(file: IO[Any]) -> bool:
    """Lock an open file against other processes, until it is closed; return False where another one holds it.

    A child process that a plugin forks does not hold it: the lock ends with this process.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    _locked.add(file)
    return True


def _let_go() -> None:
    for file in [*_locked]:
        with suppress(OSError, ValueError):  # closed already
            os.close(file.fileno())  # not file.close(), which would write what is left in its buffer


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
