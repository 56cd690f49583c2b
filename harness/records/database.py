"""``run.db``: how it is opened, for writing and for reading, and what SQLite's errors mean to the user."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from harness.errors import RunFolderError
from harness.records import schema

PATIENCE = 60.0  # seconds that a connection waits for another program's lock before it gives up

_KINDS = {"INTEGER": "'integer'", "REAL": "'real', 'integer'", "TEXT": "'text'"}  # what a column of a type may hold

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


def check(db: sqlite3.Connection, folder: Path) -> None:
    """Raise RunFolderError where our tables are not all there, are damaged, or hold what they cannot hold.

    Optuna's are left out: they are made anew from ours.
    """
    meta = "SELECT value FROM meta WHERE key = 'schema_version'"
    version = db.execute(meta).fetchone() if "meta" in _columns(db) else None
    if version and version[0] != json.dumps(schema.VERSION):
        raise RunFolderError(
            f"{folder}: must have records of version {schema.VERSION}, got {version[0]!s:.80}; use the release that wrote it"
        )
    if wrong := _wrong(db):
        raise RunFolderError(
            f"{schema.database(folder)}: must be the records of a run, got {wrong}; move the folder away"
        )


def _wrong(db: sqlite3.Connection) -> str:
    """Return what is wrong with our tables; "" for nothing."""
    tables = _columns(db)
    db.create_function("json_kind", 1, _json_kind, deterministic=True)
    db.create_function("has_precision", 1, lambda text: _json_kind(text) == "dict" and "precision" in json.loads(text))
    if not set(tables) & set(_ours()):
        return "no tables of the harness"
    for table, columns in _ours().items():
        if table not in tables:
            return f"no table '{table}'"
        if missing := [column for column in columns if column not in tables[table]]:
            return f"no column '{missing[0]}' in the table '{table}'"
        (damage,) = db.execute(f"PRAGMA integrity_check({table})").fetchone()
        if damage != "ok":
            return " ".join(str(damage).split())
        for column, (kind, needed) in columns.items():
            kinds = _KINDS[kind] if needed else f"{_KINDS[kind]}, 'null'"
            wrong = f"typeof({column}) NOT IN ({kinds})"
            if column in schema.JSON.get(table, ()):
                wrong += f" OR coalesce(json_kind({column}), 'dict') != 'dict'"
            if column == "recipe":  # which is read for this
                wrong += f" OR NOT has_precision({column})"
            if (table, column) == ("meta", "value"):
                wrong += f" OR json_kind({column}) = ''"
            if row := db.execute(f"SELECT {column} FROM {table} WHERE {wrong} LIMIT 1").fetchone():
                return f"{row[0]!r:.80} in '{column}' of the table '{table}'"
    return ""


def _json_kind(text: object) -> str | None:
    """Return of which type the JSON in a cell is, "" where it is none; None for an empty cell. It may have a NaN."""
    try:
        return None if text is None else type(json.loads(str(text))).__name__
    except (ValueError, RecursionError):
        return ""


@cache
def _ours() -> dict[str, dict[str, tuple[str, bool]]]:
    """Return our tables' columns, each with its type and whether it always has a value."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(schema.TABLES)
        return _columns(db)


def _columns(db: sqlite3.Connection) -> dict[str, dict[str, tuple[str, bool]]]:
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
    found = {name: db.execute('SELECT name, type, "notnull" FROM pragma_table_info(?)', (name,)) for name in names}
    return {name: {row[0]: (row[1], bool(row[2])) for row in rows.fetchall()} for name, rows in found.items()}


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
