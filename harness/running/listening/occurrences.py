"""What has happened in a run folder, read from its records in order, as far as it has not been read before."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from harness.plugin.contracts import Occurrence
from harness.records import database, schema

PATIENCE = 5.0  # seconds that reading waits while the driver writes


class Reading:
    """The occurrences of a run folder. ``new()`` yields those since the last call; a new reading begins at the beginning."""

    def __init__(self, folder: Path) -> None:
        self._file = schema.database(folder)
        self._stamp: tuple[int, ...] = ()
        self._epochs: dict[str, int] = {}  # by run that has begun: the last epoch that was yielded
        self._ended: dict[str, str] = {}  # by run: the state that was yielded
        self._trials: set[tuple[str, int]] = set()
        self._looks: set[int] = set()

    def new(self) -> Iterator[Occurrence]:
        """Yield what is new. Nothing is read where the file has not changed."""
        stamp = self._stamp_now()
        if stamp == self._stamp or not self._file.is_file():
            return
        with closing(sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA query_only = ON")
            yield from self._runs(db)
            yield from self._new_trials(db)
            yield from self._new_looks(db)
        self._stamp = stamp

    def _stamp_now(self) -> tuple[int, ...]:
        """Return sizes and times of the database and of its journal, which change when it does."""
        stamp: list[int] = []
        for file in (self._file, self._file.with_name(f"{self._file.name}-wal")):
            if file.is_file():
                status = file.stat()
                stamp += [status.st_mtime_ns, status.st_size]
        return tuple(stamp)

    def _runs(self, db: sqlite3.Connection) -> Iterator[Occurrence]:
        """Yield the beginnings, epochs and ends of trainings, those that began first before the others."""
        states = db.execute(
            "SELECT run_id, state FROM runs WHERE started IS NOT NULL ORDER BY started, run_id"
        ).fetchall()
        for run_id, state in states:
            if self._ended.get(run_id) == state:
                continue
            row = db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
            if run_id not in self._epochs:
                self._epochs[run_id] = 0
                yield Occurrence("began", f"began {run_id}", run_id, row["arm"], _recipe(row))
            yield from self._new_epochs(db, run_id, row["arm"])
            if state in schema.ENDED:
                self._ended[run_id] = state
                yield Occurrence("ended", f"ended {run_id} {state}", run_id, row["arm"], _end(db, row))

    def _new_epochs(self, db: sqlite3.Connection, run_id: str, arm: str) -> Iterator[Occurrence]:
        for epoch in _epochs(db, run_id, self._epochs[run_id]):
            self._epochs[run_id] = epoch["epoch"]
            yield Occurrence("epoch", f"epoch {run_id} {epoch['epoch']}", run_id, arm, epoch)

    def _new_trials(self, db: sqlite3.Connection) -> Iterator[Occurrence]:
        arms = dict(db.execute("SELECT study, arm FROM searches").fetchall())
        places = ", ".join("?" * len(schema.ENDED))
        query = f"SELECT * FROM asks WHERE state IN ({places}) ORDER BY study, number"
        for row in db.execute(query, schema.ENDED).fetchall():
            name = (row["study"], row["number"])
            if name in self._trials:
                continue
            self._trials.add(name)
            values = {key: row[key] for key in ("study", "number", "state", "value", "reason")}
            values["params"] = json.loads(row["params"])
            key = f"trial {row['study']} {row['number']}"
            yield Occurrence("trial", key, row["run_id"], arms.get(row["study"], ""), values)

    def _new_looks(self, db: sqlite3.Connection) -> Iterator[Occurrence]:
        """Yield the looks at the verdict that are over: all before the one that the run goes to, and that one at the end."""
        noted = database.noted(db, "looks") or {}
        looks = ((database.noted(db, "benchmark") or {}).get("compare") or {}).get("looks", [])
        for number, replicates in enumerate(looks, 1):
            over = replicates < noted.get("replicates", 0) or (
                replicates == noted.get("replicates") and bool(noted.get("ended"))
            )
            if over and replicates not in self._looks:
                self._looks.add(replicates)
                ended = noted["ended"] if replicates == noted["replicates"] else ""
                values = {"replicates": replicates, "number": number, "of": len(looks), "ended": ended}
                yield Occurrence("look", f"look {replicates} {ended}".strip(), values=values)


def _recipe(row: sqlite3.Row) -> dict[str, Any]:
    return dict(json.loads(row["recipe"]))


def _end(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    """Return how a training ended, with all of its epochs."""
    values = {key: row[key] for key in ("state", "reason", "seconds", "taken_from")}
    epochs = _epochs(db, row["run_id"], 0)
    return {**values, "metrics": json.loads(row["metrics"]), "epochs": epochs, "recipe": _recipe(row)}


def _epochs(db: sqlite3.Connection, run_id: str, after: int) -> list[dict[str, Any]]:
    """Return the epochs of a training after one of them, as plain values."""
    columns = "epoch, steps, gradients, lr, seconds, metrics"
    rows = db.execute(f"SELECT {columns} FROM epochs WHERE run_id = ? AND epoch > ? ORDER BY epoch", (run_id, after))
    return [database.with_metrics(row) for row in rows.fetchall()]
