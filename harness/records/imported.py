"""What a baseline brought, laid beside what the run itself is about, so that all that read records see one set of arms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LISTS = ("arms", "compare_runs", "comparison")
TABLES = ("spaces", "optimizers", "references", "scheduler_references", "roles", "convex", "exhausted", "work")


def with_imported(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's notes, with the arms that its baseline brought after the run's own; unchanged without a baseline.

    Once the run has a comparison, only those replicates of the baseline count that the run has too.
    """
    baseline = notes.get("baseline")
    if not baseline:
        return dict(notes)
    if replicates := {entry["replicate"] for entry in notes.get("comparison") or ()}:
        entries = [entry for entry in baseline["comparison"] if entry["replicate"] in replicates]
        fresh = [entry["run_id"] for entry in entries if entry["role"] == "fresh"]
        baseline = {**baseline, "comparison": entries, "compare_runs": fresh}
    lists = {key: [*notes.get(key, ()), *baseline[key]] for key in LISTS}
    tables = {key: {**baseline[key], **notes.get(key, {})} for key in TABLES}
    return {**notes, **lists, **tables}
