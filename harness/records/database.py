"""``run.db``: how it is opened, for writing and for reading, and what SQLite's errors mean to the user."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import RunFolderError
from harness.records import schema

PATIENCE = 60.0  # seconds that a connection waits for another program's lock before it gives up

_PASSING = (
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
)  # fmt: skip


def connect(folder: Path) -> sqlite3.Connection:
    """Return a connection that writes. Optuna's connections are made here too, so all of them are equally patient."""
    return sqlite3.connect(schema.database(folder), timeout=PATIENCE, check_same_thread=False)


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that only reads; raises RunFolderError where the records cannot be read."""
    file = schema.database(folder)
    db: sqlite3.Connection | None = None
    try:
        db = _opened(file)
        yield db
    except RunFolderError:
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
    """Return a RunFolderError of one line where the user can mend what SQLite failed for; else the error itself."""
    file = schema.database(folder)
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return RunFolderError(
                f"{file}: must be free to be used, got locked by another program for {PATIENCE:g} s; "
                "close it (a database browser, a dashboard?), then the same command goes on"
            )
        case sqlite3.SQLITE_FULL:
            return RunFolderError(
                f"{file}: must have room to grow, got a full disk; make room, then the same command goes on"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return RunFolderError(f"{file}: must be a file that may be used, got {sqlites(error)}; see its permissions")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return RunFolderError(f"{file}: must be the records of a run, got {sqlites(error)}; move the folder away")
    return error


def _code(error: BaseException) -> int:
    """Return SQLite's error code, 0 for an error of something else."""
    return int(getattr(sqlites(error), "sqlite_errorcode", 0)) & 0xFF  # the rest says how, not what
