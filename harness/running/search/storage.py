"""Optuna's tables, which stand in ``run.db`` beside ours: opened once a run folder, and made anew where they are not sound.

Our tables are the truth. So what another release of Optuna wrote, or what is damaged, is dropped, and every search
rebuilds its study from our records.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache

import optuna

from harness.errors import one_line
from harness.records import Store, database
from harness.running.search.samplers import quiet_optuna


def open_storage(store: Store) -> optuna.storages.RDBStorage:
    """Return Optuna's storage in a run folder, open until the store is closed."""
    if store.optuna is None:
        quiet_optuna()
        try:
            store.optuna = _opened(store)
        except Exception as error:  # Optuna, SQLAlchemy and alembic raise many types
            if database.is_passing(error):
                raise
            store.drop_tables(_empty_tables().names)
            store.optuna = _opened(store)
            store.warn(f"{store.folder}: Optuna's tables are made anew from the run's own, got {one_line(error)}")
    storage: optuna.storages.RDBStorage = store.optuna
    return storage


def _opened(store: Store) -> optuna.storages.RDBStorage:
    """Return the storage; raises some error where Optuna's tables are another release's, or cannot be read whole."""
    connections: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        connections.append(database.connect(store.folder))
        return connections[-1]

    def close() -> None:
        for connection in connections:
            connection.close()

    try:
        _make_tables(connect())
        # The connections are ours, and so the URL has no path: Optuna takes its braces for a template, and whether
        # SQLAlchemy escapes its question marks depends on the release.
        storage = optuna.storages.RDBStorage(
            "sqlite:///run.db",
            engine_kwargs={"creator": connect},
            skip_compatibility_check=True,
            skip_table_creation=True,
        )
        for name in optuna.get_all_study_names(storage):
            optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
        store.check_integrity()
    except BaseException:
        close()
        raise
    store.at_close(close)
    return storage


@dataclass(frozen=True)
class _Tables:
    """Optuna's tables with no study in them, as its release here makes them."""

    script: str  # SQL that makes them
    names: Sequence[str]
    version: Sequence[tuple[str]]  # the rows of alembic's table


@cache
def _empty_tables() -> _Tables:
    """Return the tables, made in memory once in a process: Optuna reads thirty files to make them in a run folder."""
    storage = optuna.storages.RDBStorage("sqlite://", skip_compatibility_check=True)
    try:
        with closing(storage.engine.raw_connection()) as pooled:
            db = pooled.driver_connection
            assert isinstance(db, sqlite3.Connection)
            return _Tables("\n".join(db.iterdump()), _table_names(db), _version_of(db))
    finally:
        storage.engine.dispose()


def _make_tables(db: sqlite3.Connection) -> None:
    """Make Optuna's tables where there are none; raises RuntimeError for another release's, or where some are gone."""
    empty = _empty_tables()
    existing = [name for name in empty.names if name in _table_names(db)]
    if not existing:
        db.executescript(empty.script)
    elif len(existing) < len(empty.names):
        raise RuntimeError(f"{len(existing)} of {len(empty.names)} tables")
    elif _version_of(db) != empty.version:
        raise RuntimeError(f"tables of another release, {_version_of(db)}")


def _table_names(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def _version_of(db: sqlite3.Connection) -> list[tuple[str]]:
    return db.execute("SELECT version_num FROM alembic_version").fetchall()
