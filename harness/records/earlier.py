"""Runs that ended in another run folder, read so that they can be taken over: their row, epochs and files.

Only a folder that was closed in order is read, so no run is under way in it and nothing is written beside its database.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, one_line, shown
from harness.plugin.runs import Arm, PrunerDecision, digest
from harness.records import database, promised, schema

TAKEN = (
    schema.DONE,
    schema.STOPPED,
    schema.DIVERGED,
)  # states that the recipe decides; a failure may have had any cause
PLACES = ("solutions", "predictions")  # of a run's files
_CLOSED, _OPEN = (
    b"\x01\x01",
    b"\x02\x02",
)  # of SQLite's header, from byte 18: whether a process may be writing to the database


@dataclass(frozen=True)
class EarlierRun:
    """A run that ended in another run folder."""

    folder: Path
    row: Mapping[str, Any]  # of the table ``runs``, with its metrics as a dict
    epochs: Sequence[Mapping[str, Any]]  # rows of the table ``epochs``, with their metrics as dicts
    files: Mapping[str, str]  # the SHA-256 of each file, by its place in the folder
    scale_free: Mapping[str, Any] | None = None  # which tensors of its network are, where the folder notes it
    work: Mapping[str, Any] | None = None  # of a gradient evaluation of its arm, where the folder notes it
    decision: PrunerDecision | None = None  # on its last epoch, by the pruner of the search that takes it over

    @property
    def run_id(self) -> str:
        """The digest of its recipe."""
        return str(self.row["run_id"])

    @property
    def state(self) -> str:
        """How it ended: done, stopped or diverged."""
        return str(self.row["state"])

    @property
    def origin(self) -> str:
        """The name of the folder in which it was trained, which may be another one than where it was found."""
        return str(self.row["taken_from"] or self.folder.resolve().name)

    def stopped_after(self, epoch: int, decision: PrunerDecision) -> EarlierRun:
        """Return the run as it would have been, had a pruner stopped it after this epoch."""
        last = self.epochs[epoch - 1]
        end = {"state": schema.STOPPED, "reason": "", "metrics": last["metrics"], "seconds": last["seconds"]}
        row = {**self.row, **end, "stop_after": epoch}
        return replace(self, row=row, epochs=self.epochs[:epoch], files={}, decision=decision)


@dataclass(frozen=True)
class EndedRuns:
    """The runs of a folder that can be taken over, of any environment; or the reason why none can."""

    runs: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # by id the recipe, as JSON, and the environment
    environments: Mapping[str, Any] = field(default_factory=dict)  # what is noted of each
    reason: str = ""  # in words; "" where there are runs

    def of(self, environment: str) -> dict[str, str]:
        """Return by id the recipes, as JSON, of the runs that ended in an environment."""
        return {run_id: recipe for run_id, (recipe, its_own) in self.runs.items() if its_own == environment}


def ended_runs(folder: Path, fingerprint: str, metrics: Mapping[str, str]) -> EndedRuns:
    """Return the runs of a folder that can be taken over.

    They ended on these data, and with the metric of their phase in ``metrics``, which says when a run has diverged.
    """
    try:
        if reason := _why_unread(folder):
            return EndedRuns(reason=reason)
        with database.reading(folder) as db:
            if (version := database.noted(db, "schema_version")) != schema.VERSION:
                return EndedRuns(
                    reason=f"its records have version {shown(version)}, and this release reads {schema.VERSION}"
                )
            if database.noted(db, "data")["fingerprint"] != fingerprint:
                return EndedRuns(reason="it has other data")
            noted = {"search": database.noted(db, "search_metric"), "compare": database.noted(db, "metric")}
            phases = [phase for phase, metric in metrics.items() if noted[phase] == metric]
            if not phases:
                return EndedRuns(reason="other metrics decide in it")
            changed = database.noted(db, schema.CHANGES) or {}  # runs in which a plugin changed settings of the process
            marks = [", ".join("?" * len(values)) for values in (TAKEN, phases)]
            imported = (database.noted(db, "baseline") or {}).get("names", [])  # trained on another machine
            environments = database.noted(db, "environments") or {}
            rows = db.execute(
                "SELECT run_id, recipe, arm, environment FROM runs "
                f"WHERE state IN ({marks[0]}) AND phase IN ({marks[1]}) ORDER BY run_id",
                (*TAKEN, *phases),
            ).fetchall()
    except HarnessError as error:
        return EndedRuns(reason=str(error))
    except (OSError, sqlite3.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        return EndedRuns(reason=f"its records cannot be read ({one_line(error)})")
    runs = {
        run_id: (recipe, name) for run_id, recipe, arm, name in rows if run_id not in changed and arm not in imported
    }
    return EndedRuns(runs, environments, "" if runs else "no run of it has ended that can be used")


def fault(folder: Path) -> str:
    """Return in a line why the tables of a folder cannot be read whole; "" where they can."""
    try:
        with database.reading(folder) as db:
            database.check(db, folder)
    except HarnessError as error:
        return str(error)
    except (OSError, sqlite3.Error, ValueError, KeyError, TypeError) as error:
        return f"its records cannot be read ({one_line(error)})"
    return ""


def read_run(folder: Path, run_id: str) -> EarlierRun | None:
    """Return a run of a sound folder with its files verified; None where anything of it is missing or not as it was written."""
    try:
        with database.reading(folder) as db:
            db.row_factory = sqlite3.Row
            row = database.with_metrics(db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone())
            epoch_rows = db.execute("SELECT * FROM epochs WHERE run_id = ? ORDER BY epoch", (run_id,)).fetchall()
            files = dict(db.execute("SELECT file, sha256 FROM files WHERE run_id = ?", (run_id,)).fetchall())
            lacking = promised.lacking(folder, db, runs=[run_id])
            scale_free, works = database.noted(db, schema.SCALE_FREE) or {}, database.noted(db, schema.WORK) or {}
    except (HarnessError, OSError, sqlite3.Error, ValueError, KeyError, TypeError):
        return None
    epochs = [database.with_metrics(epoch) for epoch in epoch_rows]
    recipe = json.loads(row["recipe"])
    is_whole = [epoch["epoch"] for epoch in epochs] == list(range(1, len(epochs) + 1))
    is_whole = is_whole and (row["state"] != schema.DONE or len(epochs) == recipe.get("epochs"))
    if lacking or not is_whole or digest(recipe)[:16] != run_id or (row["state"] != schema.DIVERGED and row["reason"]):
        return None
    if row["state"] != schema.DONE:
        files = {}  # none of them is promised
    if not all(_is_of(file, run_id) for file in files):
        return None
    arm = Arm(**recipe["arm"])
    return EarlierRun(folder, row, epochs, files, scale_free.get(arm.network), works.get(arm.name))


def _is_of(file: str, run_id: str) -> bool:
    """Return whether a file has a place of this run's own."""
    folder, _, name = file.partition("/")
    return folder in PLACES and name.startswith(f"{run_id}.") and "/" not in name


def _why_unread(folder: Path) -> str:
    """Return in words why the records of a folder are left alone; "" where no process has them open to write to them."""
    with schema.database(folder).open("rb") as file:
        header = file.read(20)
    if header[18:] == _OPEN:
        return "a run is under way in it, or was killed: let it end first"
    return "" if header[18:] == _CLOSED else "its records are damaged"
