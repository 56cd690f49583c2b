"""Writing the run folder: one process, one connection, every event in one transaction."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.numbers import first_of
from harness.errors import RunFolderError, disk, one_line
from harness.plugin.runs import Done, Epoch, Event, Failed, PrunerDecision, Run, State
from harness.records import database, files, promised, schema
from harness.records.checked import load_tensors, save_arrays, save_tensors
from harness.records.earlier import EarlierRun
from harness.records.results import ResultTables
from harness.records.searches import SearchTables

if TYPE_CHECKING:
    import torch


class Store(SearchTables, ResultTables):
    """A run folder open for writing; ``with Store(folder):`` locks it against a second process."""

    def restore(self, runs: Collection[str] | None = None) -> list[str]:
        """Let everything be made again whose files are gone or damaged, of these runs or of all; return the runs to train.

        What is damaged is put aside, and a line says so. What another run's folder brought in waits for that.
        """
        lacks = promised.lacking(self.folder, self.db, runs=runs)
        for lack in lacks:
            if lack.exists:
                self._put_aside(self.folder / lack.file, "as it was written", "other contents", "it is made again")
        if gone := [lack.file for lack in lacks if not lack.exists]:
            named = first_of(gone, promised.SHOWN)
            self.warn(f"{self.folder}: must have {named}, got nothing there; what they come from is done again")
        imported = set((self.noted("baseline") or {}).get("names", ()))
        begun_again = []
        with self._transaction():
            for lack in lacks:
                if (measured := schema.probe_file(lack.file)) is not None:
                    self._measure_again(measured)
                if not lack.run_id:
                    self.db.execute("DELETE FROM files WHERE file = ?", (lack.file,))
            for run_id in dict.fromkeys(lack.run_id for lack in lacks if lack.run_id):
                if (self.run(run_id) or {}).get("arm") not in imported:
                    self._begin_again(run_id)
                    begun_again.append(run_id)
        return begun_again

    def _begin_again(self, run_id: str) -> None:
        """Let a run be trained from its beginning. Its files stay promised, so that different ones are noticed."""
        self.db.execute("DELETE FROM epochs WHERE run_id = ?", (run_id,))
        self.db.execute(
            "UPDATE runs SET state = ?, reason = '', traceback = '', metrics = '{}', seconds = 0, started = NULL, "
            "ended = NULL, taken_from = '' WHERE run_id = ?",
            (schema.WAITING, run_id),
        )

    def _forget_what_followed(self, run_id: str) -> None:
        """Let everything be made again that used a run's former weights: measurements, and a run that went on from them."""
        for row in self.db.execute(
            "SELECT DISTINCT probe, version, one, other, third FROM measured WHERE ? IN (one, other, third)", (run_id,)
        ).fetchall():
            probe, version, *runs = row
            self._measure_again((probe, version, tuple(run for run in runs if run)))
        done = self.db.execute("SELECT run_id, recipe FROM runs WHERE state = ?", (schema.DONE,)).fetchall()
        for follower, recipe in done:
            if json.loads(recipe).get("follows") == run_id:
                self._begin_again(follower)
        confirmed = self.noted("confirmations") or {}
        self.note("confirmations", {arm: note for arm, note in confirmed.items() if note.get("run_id") != run_id})

    def add_runs(self, runs: Iterable[Run], environment: str) -> None:
        """Enter runs that are not there yet."""
        with self._transaction():
            self.db.executemany(
                "INSERT OR IGNORE INTO runs (run_id, arm, phase, seed, recipe, state, environment, schema_version) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (run.id, run.arm.name, run.phase, run.init_seed, json.dumps(run.recipe()), schema.WAITING,
                     environment, schema.VERSION)
                    for run in runs
                ],
            )  # fmt: skip

    def epochs_trained(self) -> int:
        """Return how many epochs the runs of this run folder have, without those of imported arms."""
        imported = (self.noted("baseline") or {}).get("names", ())
        query = "SELECT arm, count(*) FROM epochs JOIN runs USING (run_id) GROUP BY arm"
        return sum(many for arm, many in self.db.execute(query).fetchall() if arm not in imported)

    def append(self, run_id: str, event: Event, decision: PrunerDecision | None = None) -> None:
        """Write one event, with what the pruner says of it.

        A final event is written after its files are, so a record never lacks them.
        """
        self.note_changes(event.changed, run_id)
        match event:
            case Epoch():
                self.note_unrepeatable(event.unrepeatable, run_id)
                if event.scale_free is not None:
                    self.note_scale_free(event.scale_free, self._recipe(run_id))
                if event.work is not None:
                    self.note_work(event.work, self._recipe(run_id))
                self._append_epoch(run_id, event, decision)
            case Done():
                written = self._write_files(run_id, event)
                state = schema.STOPPED if event.stopped else schema.DONE
                self._end(run_id, state, event.problem, "", event.metrics, written)
            case Failed():
                state = schema.DIVERGED if event.kind == "diverged" else schema.FAILED
                self._end(run_id, state, event.reason, event.traceback, {})

    def _recipe(self, run_id: str) -> dict[str, Any]:
        """Return the recipe of a run, as plain values."""
        (recipe,) = self.db.execute("SELECT recipe FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return dict(json.loads(recipe))

    def _write_files(self, run_id: str, done: Done) -> list[Path]:
        """Write a run's files, and return their places."""
        written = []
        if done.weights:
            written.append(schema.solution(self.folder, run_id))
            save_tensors(written[-1], done.weights)
        if done.predictions is not None:
            arrays = {"predictions": done.predictions, "tune": done.tune_predictions, "snapshots": done.snapshots}
            written.append(schema.prediction(self.folder, run_id))
            save_arrays(written[-1], {name: array for name, array in arrays.items() if array is not None})
        return written

    def _append_epoch(self, run_id: str, epoch: Epoch, decision: PrunerDecision | None) -> None:
        snapshot = [schema.snapshot(self.folder, run_id, epoch.number)] if epoch.snapshot else []
        if epoch.snapshot:  # before any state that is past it; after a kill before that, it is made again, bit-equal
            save_tensors(snapshot[0], epoch.snapshot())
        numbers = (epoch.number, epoch.steps, epoch.gradients, epoch.lr, epoch.seconds)
        with self._transaction():
            self.db.execute(
                "INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?)", (run_id, *numbers, _json(epoch.metrics))
            )
            self.db.execute(
                "UPDATE runs SET seconds = ?, started = coalesce(started, ?) WHERE run_id = ?",
                (epoch.seconds, _now(), run_id),
            )
            self._enter_environment(run_id, epoch)
            self._enter_files(snapshot, run_id)
            if decision is not None:
                self._append_decision(run_id, epoch.number, decision)
        if epoch.state is not None:
            state = epoch.state()
            notes = {"run": run_id, "plain": json.dumps(state.plain)}
            save_tensors(schema.saved_state(self.folder, run_id), state.tensors, notes)

    def _enter_environment(self, run_id: str, epoch: Epoch) -> None:
        """Enter where an epoch was trained, which may be elsewhere than where the run was entered or begun."""
        environment = epoch.environment or self._environment
        if not environment:
            return
        self.note_environment(environment)
        name = str(environment["hash"])
        (before,) = self.db.execute("SELECT environment FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if name not in before.split("+"):
            several = name if epoch.number == 1 else f"{before}+{name}"
            self.db.execute("UPDATE runs SET environment = ? WHERE run_id = ?", (several, run_id))

    def _append_decision(self, run_id: str, epoch: int, decision: PrunerDecision) -> None:
        for number, notes in decision.notes.items():
            self.db.execute(
                "UPDATE asks SET pruner_notes = ? WHERE run_id = ? AND number = ?", (json.dumps(notes), run_id, number)
            )
        if decision.stop:
            self.db.execute("UPDATE runs SET stop_after = ? WHERE run_id = ?", (epoch, run_id))

    def take_over(self, earlier: EarlierRun) -> None:
        """Enter a run as it ended in another run folder, with its files, which are copied and verified before its record.

        Raises RunFolderError where a file is not as it was written.
        """
        run_id, row = earlier.run_id, earlier.row
        for place, sha256 in earlier.files.items():
            files.copy(schema.inside(earlier.folder, place), schema.inside(self.folder, place), sha256)
        with self._transaction():
            self.note_scale_free(earlier.scale_free, json.loads(row["recipe"]))
            self.note_work(earlier.work, json.loads(row["recipe"]))
            self.db.execute("DELETE FROM epochs WHERE run_id = ?", (run_id,))
            numbers = itemgetter("epoch", "steps", "gradients", "lr", "seconds")
            rows = [(run_id, *numbers(epoch), json.dumps(epoch["metrics"])) for epoch in earlier.epochs]
            self.db.executemany("INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            if earlier.decision is not None:
                self._append_decision(run_id, len(earlier.epochs), earlier.decision)
            written = [schema.inside(self.folder, place) for place in earlier.files]
            self._enter_end(run_id, earlier.state, row["reason"], "", row["metrics"], written)
            self.db.execute(
                "UPDATE runs SET seconds = ?, started = ?, ended = ?, taken_from = ? WHERE run_id = ?",
                (row["seconds"], row["started"], row["ended"], earlier.origin, run_id),
            )
        self._clear_after(run_id, earlier.state)

    def taken_over(self) -> list[tuple[str, int, str, str]]:
        """Return by run folder how many runs were taken from it, and the first and the last day they were trained on."""
        rows = self.db.execute(
            "SELECT taken_from, count(*), substr(min(ended), 1, 10), substr(max(ended), 1, 10) FROM runs "
            "WHERE taken_from != '' GROUP BY taken_from ORDER BY taken_from"
        )
        return [tuple(row) for row in rows.fetchall()]

    def reopen(self, run_id: str) -> None:
        """Let a run that failed be tried again."""
        self.db.execute(
            "UPDATE runs SET state = ?, reason = '', traceback = '' WHERE run_id = ?", (schema.WAITING, run_id)
        )

    def _end(
        self, run_id: str, state: str, reason: str, traceback: str, metrics: Mapping[str, float],
        written: Sequence[Path] = (),
    ) -> None:  # fmt: skip
        with self._transaction():
            self._enter_end(run_id, state, reason, traceback, metrics, written)
        self._clear_after(run_id, state)

    def _enter_end(
        self, run_id: str, state: str, reason: str, traceback: str, metrics: Mapping[str, float | None],
        written: Iterable[Path],
    ) -> None:  # fmt: skip
        """Enter how a run ended, and its files; what was made of other weights of it is forgotten."""
        solution = schema.solution(self.folder, run_id)
        former = self._promised(solution)
        self.db.execute(
            "UPDATE runs SET state = ?, reason = ?, traceback = ?, metrics = ?, ended = ?, "
            "started = coalesce(started, ?) WHERE run_id = ?",
            (state, reason, traceback, _json(metrics), _now(), _now(), run_id),
        )
        snapshots = "/*.epoch*" if state == schema.DONE else ""  # which were entered epoch by epoch
        self.db.execute("DELETE FROM files WHERE run_id = ? AND NOT file GLOB ?", (run_id, f"solutions{snapshots}"))
        self._enter_files(written, run_id)
        if former not in (None, self._promised(solution)):
            self._forget_what_followed(run_id)

    def _clear_after(self, run_id: str, state: str) -> None:
        """Remove the files that a run no longer needs once it has ended."""
        with disk.writing(self.folder):
            for file in schema.snapshots(self.folder, run_id) if state != schema.DONE else ():
                file.unlink(missing_ok=True)
        self._drop_state(run_id)

    def run(self, run_id: str) -> dict[str, Any] | None:
        """Return a run's row, with its metrics as a dict; None where there is none."""
        row = self.db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return database.with_metrics(row) if row else None

    def epochs(self, run_id: str) -> list[dict[str, Any]]:
        """Return a run's epochs in order."""
        rows = self.db.execute("SELECT * FROM epochs WHERE run_id = ? ORDER BY epoch", (run_id,))
        return [database.with_metrics(row) for row in rows]

    def solution(self, run_id: str) -> dict[str, torch.Tensor]:
        """Return the weights a run ended with; raises RunFolderError if they are missing."""
        return load_tensors(schema.solution(self.folder, run_id))[0]

    def compared(self, without: Sequence[str] = ()) -> int:
        """Return how many runs of the comparison have ended, not counting those of some arms."""
        rows = self.db.execute(f"SELECT arm FROM runs WHERE phase = 'compare' AND state IN {schema.ENDED}")
        return sum(arm not in without for (arm,) in rows.fetchall())

    def has_work(self) -> bool:
        """Return whether a run is left to do, as far as the runs are entered already."""
        waiting = self.db.execute(f"SELECT 1 FROM runs WHERE state NOT IN {schema.ENDED} LIMIT 1").fetchone()
        return waiting is not None or self.noted("comparison") is None

    def trained(self, run_id: str) -> int:
        """Return how many epochs a run has been trained for."""
        row = self.db.execute("SELECT max(epoch) FROM epochs WHERE run_id = ?", (run_id,)).fetchone()
        return int(row[0] or 0)

    def state(self, run_id: str) -> State | None:
        """Return the state a run was last saved in; None if it never was, or if the state is damaged.

        A damaged one is put aside, and the run begins again: that costs time, and is not held against anybody.
        """
        file = schema.saved_state(self.folder, run_id)
        if not file.exists():
            return None
        try:
            tensors, notes = load_tensors(file)
            if notes["run"] != run_id:
                raise ValueError(f"the state of run {notes['run']}")
            return State(tensors, json.loads(notes["plain"]))
        except (RunFolderError, ValueError, KeyError) as error:
            damage = one_line(error.__cause__ or error)
            self._put_aside(file, "the saved state of a run", damage, "the run begins again")
            return None


def _json(metrics: Mapping[str, float | None]) -> str:
    """Return metrics as JSON; one that is not a finite number is null."""
    return json.dumps({name: _finite(value) for name, value in metrics.items()})


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
