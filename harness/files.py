"""Writing a file so that a kill or a power cut leaves the old one or the new one, whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


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
