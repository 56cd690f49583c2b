"""Writing the run folder: one process, one connection, every event in one transaction."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import tomli_w

from harness.errors import DiskError, RunFolderError, disk, encodable, one_line
from harness.plugin.runs import Arm, Done, Epoch, Event, Failed, PrunerDecision, Run, State
from harness.records import database, files, promised, schema
from harness.records.attempts import Attempts
from harness.records.checked import AGAIN, load_tensors, save_arrays, save_tensors
from harness.records.earlier import EarlierRun
from harness.records.links import check_no_links

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

SAVE_EVERY = 10.0  # seconds of work that a kill may cost, where an epoch is shorter than that


class Store:
    """A run folder open for writing; ``with Store(folder):`` locks it against a second process."""

    def __init__(
        self, folder: Path, warn: Callable[[str], object] = lambda line: None, attempts: Attempts | None = None
    ) -> None:
        self.folder = folder
        self.attempts = attempts or Attempts()  # of what is under way
        whole = str(folder.absolute())
        if encodable(whole) != whole:  # the address of Optuna's database is UTF-8
            raise RunFolderError(f"{whole}: must be a path in UTF-8, got other bytes; see --out")
        self.warn = warn  # takes a line for the user, on what is wrong in the folder and was mended
        self.optuna: Any = None  # Optuna's storage in run.db, opened by the first search
        if not schema.database(folder).is_file() and (kept := next(_of_runs(folder), None)):
            raise RunFolderError(
                f"{schema.database(folder)}: must be beside '{kept.relative_to(folder)}' and what else runs have left, got "
                "nothing there; put it back, or move the folder away, and everything is trained again"
            )
        check_no_links(folder)
        with disk.writing(folder, "name another folder with --out"):
            for place in schema.own_folders(folder):
                if place.is_file():
                    self._put_aside(place, "a folder", "a file")
            for name in schema.FOLDERS:
                (folder / name).mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder / "lock")
        self._closing = ExitStack()
        self._environment = ""  # the hash of the one that work is done in; "" before any begins
        self._saved: dict[str, float] = {}  # run -> when its state was last safe
        try:
            self.db = database.connect(folder)
        except sqlite3.Error as error:
            self._lock.close()
            raise database.explained(error, folder) from error
        self.db.isolation_level = None
        self.db.row_factory = sqlite3.Row
        try:
            database.check_tables(self.db, schema.database(folder))
            self._check()
        except BaseException as error:  # what is damaged is left as it is
            self.db.close()
            self._lock.close()
            if isinstance(error, sqlite3.Error):
                raise database.explained(error, folder) from error
            raise
        try:
            self._open()
        except Exception as error:
            self.__exit__()
            if (plain := database.explained(error, folder)) is not error:
                raise plain from error
            if not isinstance(error, sqlite3.DatabaseError):
                raise
            raise RunFolderError(
                f"{schema.database(folder)}: must be the records of a run, got {error}; move the folder away"
            ) from error

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None = None, error: BaseException | None = None, *_: object) -> None:
        """Close the folder; an error of SQLite that the user can mend, Optuna's too, is raised as a HarnessError."""
        try:
            self._closing.close()
            with suppress(sqlite3.Error):  # another program is at it: then the folder is read as a killed run's is
                self.db.execute("PRAGMA busy_timeout = 0")
                self.db.execute("PRAGMA journal_mode = DELETE")  # for readers that cannot write beside the database
        finally:
            self.db.close()
            self._lock.close()
        if isinstance(error, Exception) and (plain := database.explained(error, self.folder)) is not error:
            raise plain from error

    def at_close(self, close: Callable[[], object]) -> None:
        """Have this called when the store is closed: whatever else uses the run folder ends with it."""
        self._closing.callback(close)

    def check_integrity(self) -> None:
        """Raise RunFolderError where SQLite finds a damaged page, or a row that belongs to a missing one."""
        (damage,) = self.db.execute("PRAGMA integrity_check(1)").fetchone()
        lost = self.db.execute("PRAGMA foreign_key_check").fetchone()
        if damage != "ok" or lost:
            what = f"rows of '{lost[0]}' that belong to none of '{lost[2]}'" if lost else " ".join(damage.split())
            raise RunFolderError(
                f"{schema.database(self.folder)}: must be the records of a run, got {what}; move the folder away"
            )

    def drop_tables(self, names: Sequence[str]) -> None:
        """Remove tables, without reading them: damaged ones go too."""
        self.db.execute("PRAGMA writable_schema = ON")
        try:
            places = ", ".join("?" * len(names))
            self.db.execute(f"DELETE FROM sqlite_master WHERE tbl_name IN ({places})", tuple(names))
        finally:
            self.db.execute("PRAGMA writable_schema = RESET")
        self.db.execute("VACUUM")  # frees their pages, and tells other connections

    # --- what the run is about

    def describe(self, benchmark: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """Write ``benchmark.toml`` and the meta table."""
        files.write(self.folder / "benchmark.toml", tomli_w.dumps(benchmark).encode())
        with self._transaction():
            for key, value in {**meta, "benchmark": benchmark, "schema_version": schema.VERSION}.items():
                self.note(key, value)

    def work_begins(self, environment: Mapping[str, Any], command: Sequence[str]) -> None:
        """Write where and how the work that follows is done."""
        self._environment = str(environment["hash"])
        files.write(self.folder / "environment.json", json.dumps(environment, indent=2).encode())
        with self._transaction():
            self.note("environment", environment)
            self.note("command", list(command))

    def note(self, key: str, value: Any) -> None:
        """Write one row of the meta table, as JSON."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def note_changes(self, lines: Sequence[str], run_id: str = "") -> None:
        """Note, a line each, which settings of the process a plugin has changed; of a run, or of what is not one."""
        if not lines:
            return
        noted: dict[str, list[str]] = self.noted(schema.CHANGES) or {}
        noted[run_id] = list(dict.fromkeys([*noted.get(run_id, ()), *lines]))
        self.note(schema.CHANGES, noted)

    def changes(self) -> list[str]:
        """Return every line that was noted so, each once, with the number of the runs that it is of."""
        return schema.changes_of(self.noted(schema.CHANGES) or {})

    def noted(self, key: str) -> Any:
        """Return a row of the meta table; None where there is none."""
        found = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(found[0]) if found else None

    def add_searches(self, searches: Mapping[str, tuple[Arm, int]], generation_size: int) -> None:
        """Enter the searches: by the name of the study the arm, and which of its searches it is, 0 for the first.

        The generation size of a search that is there already is kept, because its asks depend on it.
        """
        with self._transaction():
            for position, (study, (arm, replicate)) in enumerate(searches.items()):
                optimizer = arm.alias or arm.optimizer
                names = (arm.name, replicate, arm.network, arm.backbone, arm.head, optimizer, arm.scheduler)
                self.db.execute(
                    "INSERT INTO searches (study, arm, replicate, network, backbone, head, optimizer, scheduler, position, "
                    "generation_size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (study) DO UPDATE SET position = excluded.position",
                    (study, *names, position, generation_size),
                )

    def note_choice(self, study: str, trial: Mapping[str, Any] | None) -> None:
        """Note the trial that a search has chosen; None where no trial ended well."""
        chosen = (trial["number"], json.dumps(trial["params"]), trial["value"]) if trial else (None, None, None)
        self.db.execute(
            "UPDATE searches SET tuned_trial = ?, tuned_params = ?, tuned_value = ? WHERE study = ?", (*chosen, study)
        )

    # --- range tests

    def range_tests(self) -> dict[str, dict[str, Any]]:
        """Return what the range test of every arm that had one came to, by arm."""
        found = self.db.execute("SELECT value FROM meta WHERE key = 'range_tests'").fetchone()
        tests: dict[str, dict[str, Any]] = json.loads(found[0]) if found else {}
        return tests

    def add_range_test(self, arm: str, result: Mapping[str, Any], rows: Iterable[tuple[float, float, float]]) -> None:
        """Enter an arm's range test: what it came to, as plain values, and ``(lr, loss, smoothed)`` of every step."""
        with self._transaction():
            self.db.executemany(
                "INSERT OR REPLACE INTO range_tests VALUES (?, ?, ?, ?, ?)",
                [(arm, step, *row) for step, row in enumerate(rows, 1)],
            )
            self.note("range_tests", {**self.range_tests(), arm: dict(result)})

    # --- paths

    def paths_of(self) -> dict[str, dict[str, Any]] | None:
        """Return the hyperparameters, by arm, of which the paths are that are recorded; None where none are."""
        found = self.db.execute("SELECT value FROM meta WHERE key = 'paths_of'").fetchone()
        of: dict[str, dict[str, Any]] | None = json.loads(found[0]) if found else None
        return of

    def set_paths(self, of: Mapping[str, Mapping[str, Any]], rows: Iterable[Sequence[Any]]) -> None:
        """Enter every arm's path in place of what was there, a row as in the table ``paths``."""
        with self._transaction():
            self.db.execute("DELETE FROM paths")
            self.db.executemany("INSERT INTO paths VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self.note("paths_of", of)

    # --- examples

    def set_examples(self, rows: Iterable[tuple[str, int, str, int, bool]], fingerprint: str) -> None:
        """Enter every example, ``(split, row, name, target, excluded)``, of the data of that fingerprint."""
        with self._transaction():
            self.db.execute("DELETE FROM examples")
            self.db.executemany("INSERT INTO examples VALUES (?, ?, ?, ?, ?)", rows)
            self.note("examples", fingerprint)

    # --- a baseline

    def put_in(self, tables: Mapping[str, Sequence[Mapping[str, Any]]], about: Mapping[str, Any]) -> None:
        """Enter the rows of arms that were trained elsewhere, by table, and what is to be noted of them as ``baseline``."""
        with self._transaction():
            for table, rows in tables.items():
                for row in rows:
                    places = ", ".join("?" * len(row))
                    self.db.execute(
                        f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values())
                    )
            self.note("baseline", about)

    def take_out(self, arms: Sequence[str], studies: Sequence[str]) -> list[str]:
        """Remove the rows of these arms and of their searches; return the runs that are gone."""
        among = "({})".format(", ".join("?" * len(arms)))
        with self._transaction():
            gone = [row[0] for row in self.db.execute(f"SELECT run_id FROM runs WHERE arm IN {among}", arms).fetchall()]
            self.db.execute(f"DELETE FROM epochs WHERE run_id IN (SELECT run_id FROM runs WHERE arm IN {among})", arms)
            self.db.execute(f"DELETE FROM files WHERE run_id IN (SELECT run_id FROM runs WHERE arm IN {among})", arms)
            self.db.execute(
                f"DELETE FROM measured WHERE other = '' AND one IN (SELECT run_id FROM runs WHERE arm IN {among})", arms
            )
            self.db.execute(f"DELETE FROM runs WHERE arm IN {among}", arms)
            for study in studies:
                self.db.execute("DELETE FROM asks WHERE study = ?", (study,))
                self.db.execute("DELETE FROM searches WHERE study = ?", (study,))
            self.note("baseline", None)
        return gone

    def keep(self, name: str, content: bytes, run_id: str) -> None:
        """Write a file of a run that was trained elsewhere, whole or not at all; the records promise it."""
        files.write(self.folder / name, content)
        self.promise([self.folder / name], run_id)

    # --- probes

    def measured(self, probe: str, version: str) -> set[tuple[str, str, str]]:
        """Return the networks, by run, that a probe has measured; the others of a row are empty."""
        found = self.db.execute(
            "SELECT DISTINCT one, other, third FROM measured WHERE probe = ? AND version = ?", (probe, version)
        )
        return {(one, other, third) for one, other, third in found.fetchall()}

    def add_measured(
        self, probe: str, version: str, runs: Sequence[str], numbers: Mapping[str, float],
        arrays: Mapping[str, NDArray[Any]],
    ) -> None:  # fmt: skip
        """Enter what a probe measured on these networks; also that it had nothing to say."""
        file = schema.probed(self.folder, probe, version, *runs)
        if arrays:
            with disk.writing(file):
                file.parent.mkdir(parents=True, exist_ok=True)
            save_arrays(file, arrays)
        key = (probe, version, *runs, *[""] * (3 - len(runs)))
        rows = [(*key, name, value if math.isfinite(value) else None) for name, value in numbers.items()]
        with self._transaction():
            self.db.executemany(
                "INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?, ?, ?)", rows or [(*key, "", None)]
            )
            self._enter_files([file] if arrays else [])

    def drop_measured(self, probe: str, version: str, networks: Iterable[tuple[str, str, str]]) -> None:
        """Take out what a probe measured on these networks."""
        with self._transaction():
            self.db.executemany(
                "DELETE FROM measured WHERE probe = ? AND version = ? AND one = ? AND other = ? AND third = ?",
                [(probe, version, *runs) for runs in networks],
            )

    # --- files

    def promise(self, written: Iterable[Path], run_id: str = "", instead_of: str = "") -> None:
        """Enter files that were written for good; with ``instead_of`` in place of those whose place begins with that."""
        with self._transaction():
            if instead_of:
                self.db.execute("DELETE FROM files WHERE substr(file, 1, ?) = ?", (len(instead_of), instead_of))
            self._enter_files(written, run_id)

    def _enter_files(self, written: Iterable[Path], run_id: str = "") -> None:
        rows = [
            (file.relative_to(self.folder).as_posix(), run_id, file.stat().st_size, files.checksum(file))
            for file in written
        ]
        self.db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)

    def lacking(self, runs: Collection[str]) -> bool:
        """Return whether files of these runs are not there, which the records promise."""
        return bool(promised.lacking(self.folder, self.db, whole=False, runs=runs))

    def restore(self, runs: Collection[str] | None = None) -> list[str]:
        """Let everything be made again whose files are gone or damaged, of these runs or all; return the runs to be done.

        What is damaged is put aside, and a line says so. What another run's folder brought in waits for that.
        """
        lacks = promised.lacking(self.folder, self.db, runs=runs)
        for lack in lacks:
            if lack.exists:
                self._put_aside(self.folder / lack.file, "as it was written", "other contents", "it is made again")
        if gone := [lack.file for lack in lacks if not lack.exists]:
            more = f" and {len(gone) - promised.SHOWN} more" if len(gone) > promised.SHOWN else ""
            shown = ", ".join(gone[: promised.SHOWN])
            self.warn(f"{self.folder}: must have {shown}{more}, got nothing there; what they come from is done again")
        imported = set((self.noted("baseline") or {}).get("names", ()))
        again = []
        with self._transaction():
            for lack in lacks:
                if (measured := schema.probe_file(lack.file)) is not None:
                    self._measure_again(measured)
                if not lack.run_id:
                    self.db.execute("DELETE FROM files WHERE file = ?", (lack.file,))
            for run_id in dict.fromkeys(lack.run_id for lack in lacks if lack.run_id):
                if (self.run(run_id) or {}).get("arm") not in imported:
                    self._begin_again(run_id)
                    again.append(run_id)
        return again

    def _put_aside(self, path: Path, must: str, got: str, then: str = "") -> None:
        with disk.writing(path):
            aside = files.put_aside(path)
        self.warn(
            f"{path}: must be {must}, got {got}; it is put aside as {aside.name}{f', and {then}' if then else ''}"
        )

    def _begin_again(self, run_id: str) -> None:
        """Let a run be trained from its beginning. Its files stay promised, so that it is seen whether it gives others."""
        self.db.execute("DELETE FROM epochs WHERE run_id = ?", (run_id,))
        self.db.execute(
            "UPDATE runs SET state = ?, reason = '', traceback = '', metrics = '{}', seconds = 0, started = NULL, "
            "ended = NULL, taken_from = '' WHERE run_id = ?",
            (schema.WAITING, run_id),
        )

    def _measure_again(self, measured: tuple[str, str, tuple[str, ...]]) -> None:
        """Let a probe measure these networks again."""
        probe, version, runs = measured
        self.db.execute(
            "DELETE FROM measured WHERE probe = ? AND version = ? AND one = ? AND other = ? AND third = ?",
            (probe, version, *runs, *[""] * (3 - len(runs))),
        )
        probes = self.noted("probes") or {}
        if probe in probes:
            self.note("probes", {**probes, probe: {**probes[probe], "over": False}})

    def _forget_what_followed(self, run_id: str) -> None:
        """Let everything be done again that was made of a run's former weights: a run that went on from them, measurements."""
        for row in self.db.execute(
            "SELECT DISTINCT probe, version, one, other, third FROM measured WHERE ? IN (one, other, third)", (run_id,)
        ).fetchall():
            probe, version, *runs = row
            self._measure_again((probe, version, tuple(each for each in runs if each)))
        done = self.db.execute("SELECT run_id, recipe FROM runs WHERE state = ?", (schema.DONE,)).fetchall()
        for follower, recipe in done:
            if json.loads(recipe).get("follows") == run_id:
                self._begin_again(follower)
        confirmed = self.noted("confirmations") or {}
        self.note("confirmations", {arm: about for arm, about in confirmed.items() if about.get("run_id") != run_id})

    # --- asks

    def add_ask(
        self, study: str, number: int, generation: int, params: Mapping[str, Any], run: Run,
        trial_attrs: Mapping[str, Any], study_attrs: Mapping[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        """Enter a trial before its run is submitted, so that it is never asked twice; return it as ``asks`` does."""
        self.db.execute(
            "INSERT INTO asks (study, number, generation, params, run_id, state, trial_attrs, study_attrs) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (study, number, generation, json.dumps(params), run.id, schema.WAITING,
             json.dumps(trial_attrs), json.dumps(study_attrs)),
        )  # fmt: skip
        return self.asks(study, number)[0]

    def end_ask(
        self, study: str, number: int, end: Mapping[str, Any], trial_attrs: Mapping[str, Any],
        exhausted: Mapping[str, int] = {},
    ) -> None:  # fmt: skip
        """Note how a trial ended: its state, value, reason, and the seconds and epochs it was trained for.

        ``exhausted`` has the study too, with the number of its combinations, where the sampler has asked all of them.
        """
        values = [end[key] for key in ("state", "value", "reason", "seconds", "trained")]
        with self._transaction():
            self.db.execute(
                "UPDATE asks SET state = ?, value = ?, reason = ?, seconds = ?, trained = ?, trial_attrs = ? "
                "WHERE study = ? AND number = ?",
                (*values, json.dumps(trial_attrs), study, number),
            )
            if exhausted:
                self.note("exhausted", {**(self.noted("exhausted") or {}), **exhausted})

    def asks(self, study: str, first: int = 0) -> list[dict[str, Any]]:
        """Return a search's trials in order, from number ``first`` on."""
        found = self.db.execute("SELECT * FROM asks WHERE study = ? AND number >= ? ORDER BY number", (study, first))
        rows = [dict(row) for row in found]
        plain = ("params", "trial_attrs", "study_attrs")
        return [
            {**row, **{key: json.loads(row[key]) for key in plain}, "ended": row["state"] in schema.ENDED}
            for row in rows
        ]

    def generation_size(self, study: str) -> int:
        """Return how many trials of the search are asked before any of them is told."""
        found = self.db.execute("SELECT generation_size FROM searches WHERE study = ?", (study,)).fetchone()
        return int(found[0])

    # --- runs

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

    def append(self, run_id: str, event: Event, decision: PrunerDecision | None = None) -> None:
        """Write one event, with what the pruner says of it.

        A final event is written after its files are, so a record never lacks them.
        """
        self.note_changes(event.changed, run_id)
        match event:
            case Epoch():
                self._append_epoch(run_id, event, decision)
            case Done():
                written = self._write_files(run_id, event)
                state = schema.STOPPED if event.stopped else schema.DONE
                self._end(run_id, state, event.problem, "", event.metrics, written)
            case Failed():
                state = schema.DIVERGED if event.kind == "diverged" else schema.FAILED
                self._end(run_id, state, event.reason, event.traceback, {})

    def _write_files(self, run_id: str, done: Done) -> list[Path]:
        """Write what a run brought, and return where it is."""
        written = []
        if done.weights:
            written.append(schema.solution(self.folder, run_id))
            save_tensors(written[-1], done.weights)
        if done.predictions is not None:
            every = {"predictions": done.predictions, "tune": done.tune_predictions, "snapshots": done.snapshots}
            written.append(schema.prediction(self.folder, run_id))
            save_arrays(written[-1], {name: each for name, each in every.items() if each is not None})
        return written

    def _append_epoch(self, run_id: str, epoch: Epoch, decision: PrunerDecision | None) -> None:
        snapshot = [schema.snapshot(self.folder, run_id, epoch.number)] if epoch.snapshot else []
        if epoch.snapshot:  # before any state that is past it; after a kill before that, it is made again, bit-equal
            save_tensors(snapshot[0], epoch.snapshot())
        with self._transaction():
            self.db.execute(
                "INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?)",
                (run_id, epoch.number, epoch.steps, epoch.lr, epoch.seconds, _json(epoch.metrics)),
            )
            self.db.execute(
                "UPDATE runs SET seconds = ?, started = coalesce(started, ?) WHERE run_id = ?",
                (epoch.seconds, _now(), run_id),
            )
            self._enter_environment(run_id, epoch.number)
            self._enter_files(snapshot, run_id)
            if decision is not None:
                self._append_decision(run_id, epoch.number, decision)
        now = time.monotonic()
        last = self._saved.setdefault(run_id, now - epoch.seconds / epoch.number)
        if now - last + epoch.seconds / epoch.number > SAVE_EVERY:  # one more epoch would put too much at risk
            state = epoch.state()
            notes = {"run": run_id, "plain": json.dumps(state.plain)}
            save_tensors(schema.saved_state(self.folder, run_id), state.tensors, notes)
            self._saved[run_id] = now

    def _enter_environment(self, run_id: str, epoch: int) -> None:
        """Enter where an epoch was trained, which may be elsewhere than where the run was entered or begun."""
        if not self._environment:
            return
        (before,) = self.db.execute("SELECT environment FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if self._environment not in before.split("+"):
            several = self._environment if epoch == 1 else f"{before}+{self._environment}"
            self.db.execute("UPDATE runs SET environment = ? WHERE run_id = ?", (several, run_id))

    def _append_decision(self, run_id: str, epoch: int, decision: PrunerDecision) -> None:
        for number, attrs in decision.trial_attrs.items():
            self.db.execute(
                "UPDATE asks SET trial_attrs = ? WHERE run_id = ? AND number = ?", (json.dumps(attrs), run_id, number)
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
            self.db.execute("DELETE FROM epochs WHERE run_id = ?", (run_id,))
            self.db.executemany(
                "INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        run_id,
                        epoch["epoch"],
                        epoch["steps"],
                        epoch["lr"],
                        epoch["seconds"],
                        json.dumps(epoch["metrics"]),
                    )
                    for epoch in earlier.epochs
                ],
            )
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
        """Remove the files that a run needs no more once it has ended."""
        self._saved.pop(run_id, None)
        with disk.writing(self.folder):
            for file in schema.snapshots(self.folder, run_id) if state != schema.DONE else ():
                file.unlink(missing_ok=True)
        self._drop_state(run_id)

    def _promised(self, file: Path) -> str | None:
        """Return the checksum that a file was promised with; None for one that was not."""
        place = file.relative_to(self.folder).as_posix()
        row = self.db.execute("SELECT sha256 FROM files WHERE file = ?", (place,)).fetchone()
        return str(row[0]) if row else None

    def _drop_state(self, run_id: str) -> None:
        file = schema.saved_state(self.folder, run_id)
        with disk.writing(file):
            if file.is_file():
                file.unlink()

    def run(self, run_id: str) -> dict[str, Any] | None:
        """Return a run's row, with its metrics as a dict; None where there is none."""
        row = self.db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return {**dict(row), "metrics": json.loads(row["metrics"])} if row else None

    def epochs(self, run_id: str) -> list[dict[str, Any]]:
        """Return a run's epochs in order."""
        rows = self.db.execute("SELECT * FROM epochs WHERE run_id = ? ORDER BY epoch", (run_id,))
        return [{**dict(row), "metrics": json.loads(row["metrics"])} for row in rows]

    def solution(self, run_id: str) -> dict[str, torch.Tensor]:
        """Return the weights a run ended with; raises RunFolderError where they are not there."""
        file = schema.solution(self.folder, run_id)
        try:
            return load_tensors(file)[0]
        except DiskError:
            raise
        except Exception as error:  # safetensors raises its own
            raise RunFolderError(
                f"{file}: must be the weights of a finished run, got {one_line(error)}; {AGAIN}"
            ) from error

    def compared(self, without: Sequence[str] = ()) -> int:
        """Return how many runs of the comparison have ended, not counting those of some arms."""
        found = self.db.execute(f"SELECT arm FROM runs WHERE phase = 'compare' AND state IN {schema.ENDED}")
        return sum(arm not in without for (arm,) in found.fetchall())

    def trained(self, run_id: str) -> int:
        """Return how many epochs a run has been trained for."""
        found = self.db.execute("SELECT max(epoch) FROM epochs WHERE run_id = ?", (run_id,)).fetchone()
        return int(found[0] or 0)

    def state(self, run_id: str) -> State | None:
        """Return the state a run was last saved in; None where it never was, or where that is damaged.

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
        except DiskError:  # what is in it is not known
            raise
        except Exception as error:  # safetensors raises its own
            self._put_aside(file, "the saved state of a run", one_line(error), "the run begins again")
            return None

    # --- inside

    def _open(self) -> None:
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        if self._is_new():
            self.db.executescript(f"BEGIN; {schema.TABLES} COMMIT;")  # all of them, or after a kill none
            self.db.execute("PRAGMA wal_checkpoint")  # on the disk, as what is written later need not be
        self._tidy()

    def _check(self) -> None:
        """Raise RunFolderError where the records that are there are damaged, or are gone and their files are not."""
        try:
            is_new = self._is_new()
            if not is_new:
                database.check(self.db, self.folder)
        except sqlite3.DatabaseError as error:
            if (plain := database.explained(error, self.folder)) is not error:
                raise plain from error
            raise RunFolderError(
                f"{schema.database(self.folder)}: must be the records of a run, got {error}; move the folder away"
            ) from error
        if is_new and any(
            file.suffix == ".safetensors" for name in schema.FOLDERS for file in (self.folder / name).iterdir()
        ):
            raise RunFolderError(
                f"{schema.database(self.folder)}: must be the records of a run, got an empty file and a folder with "
                "results; move the folder away"
            )

    def _is_new(self) -> bool:
        """Return whether there are no records yet, not even empty ones."""
        return bool(self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)

    def _transaction(self) -> _Transaction:
        return _Transaction(self.db)

    def _tidy(self) -> None:
        """Remove files that a kill left half written, and states of runs that have ended; put aside what is no file."""
        with disk.writing(self.folder):
            for file in self.folder.rglob("*.tmp"):
                if file.is_file():
                    file.unlink()
        known = promised.files_of(self.folder, self.db)  # restore looks after these
        for place in schema.own_files(self.folder):
            if place.is_dir() and place not in known:
                self._put_aside(place, "a file", "a folder")
        ended = self.db.execute(f"SELECT run_id FROM runs WHERE state IN {schema.ENDED}")
        for (run_id,) in ended.fetchall():
            self._drop_state(run_id)


def _of_runs(folder: Path) -> Iterator[Path]:
    """Yield the files that runs have left in a folder."""
    for name in ("solutions", "states", "predictions"):
        yield from (folder / name).glob("*.safetensors")


class _Transaction:
    """All of it or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def __enter__(self) -> None:
        self.db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.db.execute("COMMIT")
        elif self.db.in_transaction:  # SQLite takes back by itself what a full disk stopped
            self.db.execute("ROLLBACK")


def _json(metrics: Mapping[str, float | None]) -> str:
    """Return metrics as JSON; one that is not a finite number is there, and has no value."""
    return json.dumps({name: _finite(value) for name, value in metrics.items()})


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _lock(file: Path) -> IO[bytes]:
    """Return the lock file, locked as long as it is open; raises RunFolderError where another process holds it."""
    handle = file.open("a+b", buffering=0)  # so that nothing is left to be written when it is closed
    try:
        free = files.lock(handle)
    except OSError:  # as on a network's file system that knows no locks
        handle.close()
        raise
    if not free:
        handle.seek(0)
        holder = (handle.read() or b"").decode(errors="replace").strip() or "unknown"
        handle.close()
        raise RunFolderError(
            f"{file.parent}: must not be in use, got a run under way in process {holder}; wait for it or stop it"
        )
    with suppress(OSError):  # it only tells who holds the lock
        handle.truncate(0)
        handle.write(str(os.getpid()).encode())
    return handle
