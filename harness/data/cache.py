"""Files of the cache folder: a damaged one is made again, and where none can be written there is only a warning."""

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
    """Warn that something could not be kept in the cache, and why; the work goes on without it."""
    line = str(error).replace(", then the same command goes on", "")
    say_lines([f"warning: {what} are not kept for the next command: {line}"], sys.stderr)


def read_or_make(read: Callable[[], T], make: Callable[[], None]) -> T:
    """Return the content that ``read`` gets from the cache; where it is missing or damaged, ``make`` writes it first."""
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
    """Remove files that a killed process left half written, once they are so old that no process can still be writing them."""
    for file in folder.glob("*.tmp"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > 3600:
                file.unlink()
