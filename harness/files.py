"""What a command is to write: whether it can be written, asked before anything is spent."""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness.errors import DataError


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
