"""Files that are written: after a kill or a power cut each is the old one or the new one, whole; and whether one can be written."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO
from weakref import WeakSet

from harness.errors import DataError


def write(file: Path, content: bytes, durable: bool = True) -> None:
    """Write a file in place of what was there; see ``replacing``."""
    with replacing(file, durable) as out:
        out.write(content)


@contextmanager
def replacing(file: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """Give a file to be written beside ``file``, which it replaces once it is whole; after an error it is gone.

    Its content is on the disk before it has its name, and the name is on the disk at the end. What can be made again
    need not wait for the disk: then it is not ``durable``.
    """
    beside = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as out:
            yield out
            if durable:
                out.flush()
                os.fsync(out.fileno())
        beside.replace(file)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    if durable:
        _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system can do that: Windows opens no folders."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_out_file(out: Path, option: str = "--out", new: bool = False) -> None:
    """Raise DataError, naming the option, for a file that cannot be written; with ``new`` for one that is there too."""
    if new and out.exists() and not out.is_dir():
        raise DataError(f"{option}: must be a new file, got '{out}', which is there; name another or remove it")
    where = out.absolute().parent
    why = "it is a folder" if out.is_dir() else "" if where.is_dir() else "its folder is not there"
    if why := why or _unwritable(where):
        raise DataError(f"{option}: must be a file that can be written, got '{out}': {why}")


def check_out_folder(out: Path, option: str = "--out", new: bool = False) -> None:
    """Raise DataError, naming the option, for a folder that cannot be made; with ``new`` for one with anything in it too."""
    if new and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise DataError(f"{option}: must be a new folder, got '{out}', which is there; name another or remove it")
    there = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    if why := _unwritable(there) if there.is_dir() else f"'{there}' is a file":
        raise DataError(f"{option}: must be a folder that can be written to, got '{out}': {why}")


def _unwritable(folder: Path) -> str:
    """Return why nothing can be written into a folder; empty where a file can be made there."""
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
    except OSError:
        return False
    _locked.add(file)
    return True


def _let_go() -> None:
    for file in [*_locked]:
        with suppress(OSError, ValueError):  # closed already
            os.close(file.fileno())  # not file.close(), which would write what is left in its buffer


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
