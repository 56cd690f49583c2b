"""Writing what a run is about: the table meta, and the tables that are written as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tomli_w

from harness.plugin.runs import Arm
from harness.records import database, files, schema
from harness.records.opening import OpenFolder


def _differing_versions(environment: Mapping[str, Any], drivers: Mapping[str, Any]) -> str:
    """Return the versions that are not those of the driver, as in "torch 2.12.0 (2.13.0 here)"; "" where all are equal."""
    theirs, ours = environment.get("versions", {}), drivers.get("versions", {})
    names = [name for name in theirs if theirs[name] != ours.get(name)]
    return ", ".join(f"{name} {theirs[name]} ({ours.get(name, 'none')} here)" for name in names)


class NoteTables(OpenFolder):
    """The notes on a run, and what was recorded once."""

    def describe(self, benchmark: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """Write ``benchmark.toml`` and the meta table."""
        files.write(self.folder / "benchmark.toml", tomli_w.dumps(benchmark).encode())
        with self._transaction():
            for key, value in {**meta, "benchmark": benchmark, "schema_version": schema.VERSION}.items():
                self.note(key, value)

    def work_begins(self, environment: Mapping[str, Any], command: Sequence[str]) -> None:
        """Write where and how the work that follows is done."""
        self._environment = environment
        files.write(self.folder / "environment.json", json.dumps(environment, indent=2).encode())
        with self._transaction():
            self.note("environment", environment)
            self.note("command", list(command))
            self.note_environment(environment)

    def note_environment(self, environment: Mapping[str, Any]) -> None:
        """Note the versions and the hardware of a machine that trains; a line says which versions are not the driver's."""
        name = str(environment["hash"])
        if name in self._environments:
            return
        self.note("environments", {**(self.noted("environments") or {}), name: environment})
        self._environments.add(name)
        if differing := _differing_versions(environment, self._environment):
            machine = environment.get("hardware", {}).get("device", "another machine")
            self.warn(f"runs are trained on {machine} with {differing}; the report says that the environments differ")

    def note(self, key: str, value: Any) -> None:
        """Write one row of the meta table, as JSON."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def noted(self, key: str) -> Any:
        """Return a row of the meta table; None if it is missing."""
        return database.noted(self.db, key)

    def is_recorded(self, key: str, of: Mapping[str, Any], part: str = "") -> bool:
        """Return whether a note, or this part of it, was made of just these things."""
        note = self.noted(key) or {}
        recorded = (note.get(part) or {}) if part else note
        identity = json.loads(json.dumps(of))  # as it is after having been written
        return bool(recorded) and all(name in recorded and recorded[name] == value for name, value in identity.items())

    def once(
        self, key: str, of: Mapping[str, Any], make: Callable[[], Mapping[str, Any]], part: str = ""
    ) -> dict[str, Any]:
        """Return a note, or a part of it: the recorded one where it was made of just these things, else ``make()``.

        What ``make`` returns is noted with the things that it was made of. It may write tables and files, and return
        nothing else.
        """
        note = dict(self.noted(key) or {})
        if self.is_recorded(key, of, part):
            recorded: dict[str, Any] = note[part] if part else note
            return recorded
        entry = {**of, **make()}
        self.note(key, {**note, part: entry} if part else entry)
        return entry

    def note_changes(self, lines: Sequence[str], run_id: str = "") -> None:
        """Note which settings of the process a plugin has changed, a line each; without ``run_id``, outside a run."""
        if not lines:
            return
        noted: dict[str, list[str]] = self.noted(schema.CHANGES) or {}
        noted[run_id] = list(dict.fromkeys([*noted.get(run_id, ()), *lines]))
        self.note(schema.CHANGES, noted)

    def note_unrepeatable(self, operations: Sequence[str], run_id: str) -> None:
        """Note which operations of a run have no deterministic form on its GPU."""
        noted: dict[str, list[str]] = (self.noted(schema.UNREPEATABLE) or {}) if operations else {}
        if operations and noted.get(run_id) != [*operations]:
            self.note(schema.UNREPEATABLE, {**noted, run_id: [*operations]})

    def note_scale_free(self, tested: Mapping[str, Any] | None, recipe: Mapping[str, Any]) -> None:
        """Note which tensors of a run's network are scale-free, and how its objective penalises them.

        The first run of a network says it. A line says where a later run, perhaps of another machine, has it otherwise.
        """
        if tested is None:
            return
        network = Arm(**recipe["arm"]).network
        noted: dict[str, dict[str, Any]] = self.noted(schema.SCALE_FREE) or {}
        if network not in noted:
            note = {**tested, "l2": recipe["l2"], "l2_on": recipe["l2_on"]}
            self.note(schema.SCALE_FREE, {**noted, network: note})
        elif noted[network]["tensors"] != tested["tensors"]:
            self.warn(f"{network}: other tensors of it are scale-free in one run than in another; see train.l2_on")

    def note_work(self, work: Mapping[str, Any] | None, recipe: Mapping[str, Any]) -> None:
        """Note the work of a gradient evaluation of a run's arm; its first run says it."""
        arm, noted = Arm(**recipe["arm"]).name, self.noted(schema.WORK) or {}
        if work is not None and arm not in noted:
            self.note(schema.WORK, {**noted, arm: dict(work)})

    def changes(self) -> list[str]:
        """Return every such line once, with the number of runs that it belongs to."""
        return schema.changes_of(self.noted(schema.CHANGES) or {})

    def range_tests(self) -> dict[str, dict[str, Any]]:
        """Return the results of the range tests, by arm."""
        tests: dict[str, dict[str, Any]] = self.noted("range_tests") or {}
        return tests

    def add_range_test(self, arm: str, result: Mapping[str, Any], rows: Iterable[tuple[float, float, float]]) -> None:
        """Enter an arm's range test: its result, as plain values, and ``(lr, loss, smoothed)`` of every step."""
        with self._transaction():
            self.db.executemany(
                "INSERT OR REPLACE INTO range_tests VALUES (?, ?, ?, ?, ?)",
                [(arm, step, *row) for step, row in enumerate(rows, 1)],
            )
            self.note("range_tests", {**self.range_tests(), arm: dict(result)})

    def set_paths(self, rows: Iterable[Sequence[Any]]) -> None:
        """Enter every arm's path in place of what was there, a row as in the table ``paths``."""
        with self._transaction():
            self.db.execute("DELETE FROM paths")
            self.db.executemany("INSERT INTO paths VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def set_examples(self, rows: Iterable[tuple[str, int, str, int, bool]]) -> None:
        """Enter every example, ``(split, row, name, target, excluded)``, in place of what was there."""
        with self._transaction():
            self.db.execute("DELETE FROM examples")
            self.db.executemany("INSERT INTO examples VALUES (?, ?, ?, ?, ?)", rows)
