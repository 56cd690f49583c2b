"""``run.db``: how it is opened, for writing and for reading, and what SQLite's errors mean to the user."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import disk
from harness.errors import HarnessError, RunFolderError
from harness.records import schema

PATIENCE = 60.0  # seconds that a connection waits for another program's lock before it gives up

LITTLE = 1_000_000  # bytes free, below which an error of the disk is taken for a full one
LONGEST = 500  # bytes of a path that SQLite opens, with its journal's name 512

_REFUSALS = {  # what the system would not do for SQLite, which keeps the system's own code to itself
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
}
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, *_REFUSALS}


def connect(folder: Path) -> sqlite3.Connection:
    """Return a connection that writes. Optuna's connections are made here too, so all of them are equally patient.

    What SQLite puts aside for a while stays in memory: no other disk than the run folder's can be full.
    """
    db = sqlite3.connect(schema.database(folder), timeout=PATIENCE, check_same_thread=False)
    db.execute("PRAGMA temp_store = MEMORY")
    return db


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that only reads; raises RunFolderError where the records cannot be read."""
    file = schema.database(folder)
    db: sqlite3.Connection | None = None
    try:
        db = _opened(file)
        yield db
    except HarnessError:
        raise
    except Exception as error:
        if (plain := explained(error, folder)) is not error:
            raise plain from error
        if (cause := sqlites(error)) is None:
            raise
        raise RunFolderError(f"{file}: must be the records of a run, got {cause}") from error
    finally:
        if db is not None:
            db.close()


def _opened(file: Path) -> sqlite3.Connection:
    """Return a connection that only reads, also where nothing can be written: an archive, a medium, another's folder.

    A database whose last process was killed is in WAL mode, and SQLite then writes beside it even to read. Where it
    cannot, the file alone is read, as one that nobody changes; if it is all there.
    """
    uri = f"{file.resolve().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True, timeout=PATIENCE)
    try:
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as error:
        db.close()
        if _code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        journal = file.with_name(f"{file.name}-wal")
        if journal.is_file() and journal.stat().st_size:
            raise RunFolderError(
                f"{file}: must be in a folder that can be written to, got one that cannot and a run that was "
                f"interrupted ({journal.name} has its last records); copy the folder"
            ) from error
        return sqlite3.connect(f"{uri}&immutable=1", uri=True)
    return db


def sqlites(error: BaseException) -> sqlite3.Error | None:
    """Return SQLite's own error: this one, or the one that caused it, for Optuna, SQLAlchemy and pandas wrap them."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__
    return cause


def is_passing(error: BaseException) -> bool:
    """Return whether an error is of the moment, a lock or a full disk for example, and says nothing about the tables."""
    return _code(error) in _PASSING


def explained(error: Exception, folder: Path) -> Exception:
    """Return a DiskError or a RunFolderError where the user can mend what SQLite failed for; else the error itself."""
    file, code = schema.database(folder), _code(error)
    if code in _REFUSALS:
        return disk.explained(file, str(sqlites(error)), _refusal(code, file), must="be usable")
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return RunFolderError(
                f"{file}: must be free to be used, got locked by another program for {PATIENCE:g} s; "
                "close it (a database browser, a dashboard?), then the same command goes on"
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return RunFolderError(f"{file}: must be the records of a run, got {sqlites(error)}; move the folder away")
    return error


def _refusal(code: int, file: Path) -> int:
    """Return the system's code behind one of SQLite's, as far as it can be told."""
    opening = code == sqlite3.SQLITE_CANTOPEN
    if opening and len(os.fsencode(file.absolute())) > LONGEST:
        return errno.ENAMETOOLONG
    if not (file.parent if opening else file).exists():  # somebody has moved it away
        return errno.ENOENT
    if code == sqlite3.SQLITE_IOERR and disk.file_limit():
        return errno.EFBIG
    if (opening or code == sqlite3.SQLITE_IOERR) and disk.free(file) in range(LITTLE):
        return errno.ENOSPC
    return _REFUSALS[code]


def _code(error: BaseException) -> int:
    """Return SQLite's error code, 0 for an error of something else."""
    return int(getattr(sqlites(error), "sqlite_errorcode", 0)) & 0xFF  # the rest says how, not what
