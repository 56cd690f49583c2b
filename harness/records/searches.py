"""Writing the searches and their trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.plugin.runs import Arm, Run
from harness.records import schema
from harness.records.notes import NoteTables


class SearchTables(NoteTables):
    """The tables of the searches and of what their samplers asked."""

    def add_searches(self, searches: Mapping[str, tuple[Arm, int]]) -> None:
        """Enter the searches: by the name of the study the arm, and which of its searches it is, 0 for the first."""
        with self._transaction():
            for position, (study, (arm, replicate)) in enumerate(searches.items()):
                optimizer = arm.alias or arm.optimizer
                names = (arm.name, replicate, arm.network, arm.backbone, arm.head, optimizer, arm.scheduler)
                self.db.execute(
                    "INSERT INTO searches (study, arm, replicate, network, backbone, head, optimizer, scheduler, position) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (study) DO UPDATE SET position = excluded.position",
                    (study, *names, position),
                )

    def note_choice(self, study: str, trial: Mapping[str, Any] | None) -> None:
        """Note the trial that a search has chosen; None where no trial ended well."""
        chosen = (trial["number"], json.dumps(trial["params"]), trial["value"]) if trial else (None, None, None)
        self.db.execute(
            "UPDATE searches SET tuned_trial = ?, tuned_params = ?, tuned_value = ? WHERE study = ?", (*chosen, study)
        )

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

    def end_ask(self, study: str, number: int, end: Mapping[str, Any], exhausted: Mapping[str, int] = {}) -> None:
        """Note how a trial ended: its state, value, reason, and the seconds and epochs it was trained for.

        ``exhausted`` has the study too, with the number of its combinations, where the sampler has asked all of them.
        """
        values = [end[key] for key in ("state", "value", "reason", "seconds", "trained")]
        with self._transaction():
            self.db.execute(
                "UPDATE asks SET state = ?, value = ?, reason = ?, seconds = ?, trained = ? "
                "WHERE study = ? AND number = ?",
                (*values, study, number),
            )
            if exhausted:
                self.note("exhausted", {**(self.noted("exhausted") or {}), **exhausted})

    def note_confirmations(self, study: str, runs: Mapping[int, str]) -> None:
        """Note which runs train trials of a search once more: by the number of the trial the id of the run."""
        with self._transaction():
            self.db.executemany(
                "UPDATE asks SET confirmation = ? WHERE study = ? AND number = ?",
                [(run_id, study, number) for number, run_id in runs.items()],
            )

    def asks(self, study: str, first: int = 0) -> list[dict[str, Any]]:
        """Return a search's trials in order, from number ``first`` on."""
        asks = self.db.execute("SELECT * FROM asks WHERE study = ? AND number >= ? ORDER BY number", (study, first))
        rows = [dict(row) for row in asks]
        plain = ("params", "trial_attrs", "study_attrs", "pruner_notes")
        return [
            {**row, **{key: json.loads(row[key]) for key in plain}, "ended": row["state"] in schema.ENDED}
            for row in rows
        ]
