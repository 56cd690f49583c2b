"""Optuna's tables, which stand in ``run.db`` beside ours: opened once a run folder, and made anew where they are not sound.

Our tables are the truth. So what another release of Optuna wrote, or what is damaged, is dropped, and every search
rebuilds its study from our records.
"""

from __future__ import annotations

import sqlite3

import optuna
import sqlalchemy

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
            store.drop_tables(_names())
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
        # The connections are ours, and so the URL has no path: Optuna takes its braces for a template, and whether
        # SQLAlchemy escapes its question marks depends on the release.
        storage = optuna.storages.RDBStorage("sqlite:///run.db", engine_kwargs={"creator": connect})
        for name in optuna.get_all_study_names(storage):
            optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
        store.check_integrity()
    except BaseException:
        close()
        raise
    store.at_close(close)
    return storage


def _names() -> list[str]:
    """Return the names of Optuna's tables, those of alembic among them."""
    storage = optuna.storages.RDBStorage("sqlite://")
    try:
        return list(sqlalchemy.inspect(storage.engine).get_table_names())
    finally:
        storage.engine.dispose()
