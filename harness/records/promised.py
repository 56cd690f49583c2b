"""The files that the records promise, and which of them are gone or have changed since they were written."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Collection
from pathlib import Path

from harness.console.numbers import first_of
from harness.errors import disk
from harness.plugin.contracts.records import Lack
from harness.records import schema
from harness.records.files import checksum

SHOWN = 5  # files that are named, at the most


_OF_PROMISED = "files LEFT JOIN runs USING (run_id) WHERE files.run_id = '' OR runs.state = ?"  # with schema.DONE


def files_of(folder: Path, db: sqlite3.Connection) -> set[Path]:
    """Return the files that are promised now. The files of a run that is trained again are promised when it has ended."""
    rows = db.execute(f"SELECT files.file FROM {_OF_PROMISED}", (schema.DONE,)).fetchall()
    return {schema.inside(folder, file) for (file,) in rows}


def lacking(
    folder: Path, db: sqlite3.Connection, whole: bool = True, runs: Collection[str] | None = None
) -> list[Lack]:
    """Return the files that are gone or damaged, of these runs or of all. Without ``whole``, only sizes are compared.

    A run promises its files once it has ended well.
    """
    rows = db.execute(
        f"SELECT files.file, files.run_id, files.bytes, files.sha256 FROM {_OF_PROMISED} ORDER BY files.file",
        (schema.DONE,),
    ).fetchall()
    lacks = []
    for file, run_id, size, sha256 in rows:
        if runs is not None and run_id not in runs:
            continue
        path = schema.inside(folder, file)
        try:
            is_same = path.is_file() and path.stat().st_size == size and (not whole or checksum(path) == sha256)
        except OSError as error:
            if error.errno not in (
                errno.EIO,
                errno.ENOENT,
            ):  # then it is lost; anything else says nothing of its contents
                raise disk.refused(error, path, must="be readable") from error
            is_same = False
        if not is_same:
            lacks.append(Lack(file, run_id, path.exists()))
    return lacks


def summary(lacks: Collection[Lack]) -> str:
    """Return in one line which files are gone or damaged; "" for none."""
    if not lacks:
        return ""
    named = first_of([str(lack) for lack in lacks], SHOWN)
    count = "a file" if len(lacks) == 1 else f"{len(lacks)} files"
    return f"the records promise {count} that the run folder lacks: {named}; the same 'harness run' makes them again"
