"""Files that are written: after a kill or a power cut each is the old one or the new one, whole; and whether one can be written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from harness import disk
from harness.errors import DataError


def write(file: Path, content: bytes, durable: bool = True, hint: str = "") -> None:
    """Write a file in place of what was there; see ``replacing``."""
    with replacing(file, durable, hint, len(content)) as out:
        out.write(content)


@contextmanager
def replacing(file: Path, durable: bool = True, hint: str = "", needed: int = 0) -> Iterator[BinaryIO]:
    """Give a file to be written beside ``file``, which it replaces once it is whole; after an error it is gone.

    Its content is on the disk before it has its name, and the name is on the disk at the end. What can be made again
    need not wait for the disk: then it is not ``durable``. Raises DiskError where the system refuses it; ``hint`` and
    ``needed`` are those of ``disk.writing``.
    """
    beside = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        with disk.writing(file, hint, needed):
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


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is removed at the end; raises DiskError where none can be made."""
    with disk.writing("temporary files", "set TMPDIR to another folder"):
        folder = tempfile.TemporaryDirectory(prefix="harness-check-", ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)


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
