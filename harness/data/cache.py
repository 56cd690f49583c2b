"""Files of the cache folder: what is damaged is made again, and what cannot be kept is only warned about."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from harness.console.escaping import say_lines
from harness.errors import DiskError
from harness.errors.disk import writing
from harness.records.files import checksum, replacing

T = TypeVar("T")


def say_not_kept(what: str, error: DiskError) -> None:
    """Warn that something is not in the cache, and why; the work goes on without it."""
    line = str(error).replace(", then the same command goes on", "")
    say_lines([f"warning: {what} are not kept for the next command: {line}"], sys.stderr)


def read_or_make(read: Callable[[], T], make: Callable[[], None]) -> T:
    """Return what ``read`` finds in the cache, after ``make`` where nothing is there or what is there is damaged."""
    with suppress(Exception):  # NumPy and JSON raise many types on a damaged file
        return read()
    make()
    return read()


def check_whole(file: Path, sha256: str) -> None:
    """Raise ValueError for a file of the cache whose contents have another SHA-256."""
    if checksum(file) != sha256:
        raise ValueError(f"{file} is not as it was written")


@contextmanager
def replacing_cached(file: Path) -> Iterator[BinaryIO]:
    """Give a file of the cache to be written: it is there once it is whole, and nothing is after an error or Ctrl-C.

    Raises DiskError where the cache cannot be written.
    """
    hint = "set HARNESS_CACHE to another folder"
    with writing(file.parent, hint):
        file.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(file.parent)
    with replacing(file, hint=hint) as out:
        yield out


def _remove_leftovers(folder: Path) -> None:
    """Remove what a kill left half written, once it is so old that no process can still be at it."""
    for file in folder.glob("*.tmp"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > 3600:
                file.unlink()
