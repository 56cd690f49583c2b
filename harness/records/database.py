"""``run.db``: how it is opened, for writing and for reading, and what SQLite's errors mean to the user."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import RunFolderError
from harness.records import schema
from harness.records.links import check_no_links

STEPS, STEPS_A_BYTE = 1_000_000, 10  # of SQLite's virtual machine: what reading may take
STEPS_AT_A_TIME = 100_000
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
    check_no_links(folder)
    db: sqlite3.Connection | None = None
    try:
        db = _opened(file)
        _bound(db, file)
        check_tables(db, file)
        _check_pages(db, file)
        yield db
    except RunFolderError:
        raise
    except Exception as error:
        if (plain := explained(error, folder)) is not error:
            raise plain from error
        if isinstance(error, RecursionError):
            raise RunFolderError(f"{file}: must be the records of a run, got values nested too deep") from error
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


def _bound(db: sqlite3.Connection, file: Path) -> None:
    """Have reading end with an error where it takes far more steps than a file of that size can be worth.

    The steps are those of SQLite's virtual machine, so the bound is the same on every machine. Sound records take less
    than one for every ten bytes.
    """
    if sys.version_info >= (3, 12):
        db.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    size = sum(each.stat().st_size for each in (file, file.with_name(f"{file.name}-wal")) if each.is_file())
    left = [STEPS + STEPS_A_BYTE * size]

    def spent() -> bool:
        left[0] -= STEPS_AT_A_TIME
        return left[0] < 0

    db.set_progress_handler(spent, STEPS_AT_A_TIME)


def check_tables(db: sqlite3.Connection, file: Path) -> None:
    """Raise RunFolderError for a database with anything in it that computes, where ours has nothing but stored rows.

    A view, a trigger, a virtual table or a generated column is a program that a stranger may have written. SQLite is told
    to trust none of it: https://www.sqlite.org/security.html.
    """
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA cell_size_check = ON")
    strange = db.execute(
        "SELECT CASE WHEN type = 'table' THEN 'virtual table' ELSE type END, name FROM sqlite_master "
        "WHERE type NOT IN ('table', 'index') OR (type = 'table' AND rootpage = 0) "
        "UNION ALL SELECT 'generated column', name || '.' || extra FROM "
        "(SELECT t.name, c.name AS extra FROM sqlite_master t, pragma_table_xinfo(t.name) c "
        "WHERE t.type = 'table' AND t.rootpage > 0 AND c.hidden > 1) LIMIT 1"
    ).fetchone()
    if strange:
        kind, name = strange
        raise RunFolderError(
            f"{file}: must have only tables of rows, got the {kind} '{name}'; do not trust it, and get the folder anew"
        )


def _check_pages(db: sqlite3.Connection, file: Path) -> None:
    """Raise RunFolderError where a page of our tables is damaged, or stands for the rows of more than one place.

    Pages that are used over and over would make more rows of a small file than any memory takes.
    """
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for name in schema.NAMES:
        if name in names:
            (damage,) = db.execute(f"PRAGMA quick_check('{name}')").fetchone()
            if damage != "ok":
                raise RunFolderError(f"{file}: must be the records of a run, got {' '.join(damage.split())}")


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
        case sqlite3.SQLITE_INTERRUPT:
            return RunFolderError(
                f"{file}: must be records that reading takes as many steps for as there are rows, got many more; "
                "do not trust it, and get the folder anew"
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return RunFolderError(f"{file}: must be the records of a run, got {sqlites(error)}; move the folder away")
    return error


def _code(error: BaseException) -> int:
    """Return SQLite's error code, 0 for an error of something else."""
    return int(getattr(sqlites(error), "sqlite_errorcode", 0)) & 0xFF  # the rest says how, not what
