"""``run.db``: how it is opened, for writing and for reading, and what SQLite's errors mean to the user."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, RunFolderError, disk
from harness.records import schema
from harness.records.links import check_no_links

STEPS, STEPS_A_BYTE = 1_000_000, 10  # of SQLite's virtual machine: what reading may take
STEPS_AT_A_TIME = 100_000
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
_KINDS = {"INTEGER": "'integer'", "REAL": "'real', 'integer'", "TEXT": "'text'"}  # what a column of a type may hold


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
    check_no_links(folder)
    db: sqlite3.Connection | None = None
    try:
        db = _opened(file)
        _bound(db, file)
        check_tables(db, file)
        yield db
    except HarnessError:
        raise
    except Exception as error:
        if (plain := explained(error, folder)) is not error:
            raise plain from error
        if (cause := sqlites(error)) is None:
            raise
        raise RunFolderError(f"{file}: must be the records of a run, got {cause}; move the folder away") from error
    finally:
        if db is not None:
            db.close()


def _opened(file: Path) -> sqlite3.Connection:
    """Return a connection that only reads, and works where nothing can be written: in an archive, on a read-only medium.

    A database whose last process was killed is in WAL mode, and SQLite then writes beside it even to read. Where it
    cannot write, the file alone is read, as one that does not change, if nothing of it stands elsewhere.
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


def _bound(db: sqlite3.Connection, file: Path) -> None:
    """End reading with an error when it takes far more steps than a file of that size can need.

    The steps are those of SQLite's virtual machine, so the bound is the same on every machine. Sound records take about
    one for every four bytes.
    """
    if sys.version_info >= (3, 12):
        db.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    size = sum(part.stat().st_size for part in (file, file.with_name(f"{file.name}-wal")) if part.is_file())
    left = [STEPS + STEPS_A_BYTE * size]

    def spent() -> bool:
        left[0] -= STEPS_AT_A_TIME
        return left[0] < 0

    db.set_progress_handler(spent, STEPS_AT_A_TIME)


def noted(db: sqlite3.Connection, key: str) -> Any:
    """Return a value of the table ``meta``; None where there is none."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return json.loads(row[0]) if row else None


def with_metrics(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row of the tables ``runs`` or ``epochs`` as plain values, with its metrics as a dict."""
    return {**dict(row), "metrics": json.loads(row["metrics"])}


def check_tables(db: sqlite3.Connection, file: Path) -> None:
    """Raise RunFolderError for a database that holds anything which computes. Ours holds only stored rows.

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


def check(db: sqlite3.Connection, folder: Path) -> None:
    """Raise RunFolderError if a table of ours is missing, is damaged, or holds an impossible value.

    Optuna's are left out: they are made anew from ours.
    """
    meta = "SELECT value FROM meta WHERE key = 'schema_version'"
    version = db.execute(meta).fetchone() if "meta" in _columns(db) else None
    if version and version[0] != json.dumps(schema.VERSION):
        raise RunFolderError(
            f"{folder}: must have records of version {schema.VERSION}, got {version[0]!s:.80}; use the release that wrote it"
        )
    if wrong := fault(db):
        raise RunFolderError(
            f"{schema.database(folder)}: must be the records of a run, got {wrong}; move the folder away"
        )


def fault(db: sqlite3.Connection) -> str:
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
    """Return the type of the JSON in a cell, "" for text that is no JSON, None for an empty cell. NaN is allowed."""
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
    return {name: _columns_of(db, name) for name in names}


def _columns_of(db: sqlite3.Connection, table: str) -> dict[str, tuple[str, bool]]:
    """Return a table's columns, each with its type and whether it always has a value."""
    rows = db.execute('SELECT name, type, "notnull" FROM pragma_table_info(?)', (table,)).fetchall()
    return {name: (kind, bool(needed)) for name, kind, needed in rows}


def sqlites(error: BaseException) -> sqlite3.Error | None:
    """Return SQLite's own error: this one, or its cause, because Optuna, SQLAlchemy and pandas wrap it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__
    return cause


def is_passing(error: BaseException) -> bool:
    """Return whether an error passes, like a lock or a full disk, and says nothing about the tables."""
    return _code(error) in _PASSING


def explained(error: Exception, folder: Path) -> Exception:
    """Return a DiskError or a RunFolderError if the user can mend the cause of SQLite's error; else the error itself."""
    file, code = schema.database(folder), _code(error)
    if code in _REFUSALS:
        return disk.explained(file, str(sqlites(error)), _refusal(code, file), must="be usable")
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return RunFolderError(
                f"{file}: must be free to be used, got locked by another program for {PATIENCE:g} s; "
                "close it (a database browser, a dashboard?), then the same command goes on"
            )
        case sqlite3.SQLITE_INTERRUPT:
            return RunFolderError(
                f"{file}: must be records that reading takes as many steps for as there are rows, got many more; "
                "do not trust it, and get the folder anew"
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return RunFolderError(f"{file}: must be the records of a run, got {sqlites(error)}; move the folder away")
    return error


def _refusal(code: int, file: Path) -> int:
    """Return the system's error code behind one of SQLite's, as far as it is known."""
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
    """Return SQLite's error code; 0 for any other error."""
    return int(getattr(sqlites(error), "sqlite_errorcode", 0)) & 0xFF  # the rest says how, not what
