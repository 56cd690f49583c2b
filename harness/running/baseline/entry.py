"""Entering a baseline's arms in a run folder, beside those that are trained there; the reader lays the two together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import disk
from harness.records import Store, schema
from harness.running.baseline.match import Imported


def bring_in(imported: Imported | None, store: Store) -> None:
    """Enter the imported arms, in place of what was imported before; the same ones again change nothing."""
    before = store.noted("baseline") or {}
    noted = _noted(imported) if imported else {}
    if before == noted:
        if imported:
            _complete(imported, store)
        return
    if before:
        for run_id in store.take_out(before["names"], before["studies"]):
            for place in (schema.prediction, schema.solution):
                with disk.writing(store.folder):
                    place(store.folder, run_id).unlink(missing_ok=True)
    if imported:
        baseline, names = imported.baseline, set(noted["names"])
        studies = set(noted["studies"])
        runs = [row for row in baseline.tables["runs"] if row["arm"] in names]
        ids = {row["run_id"] for row in runs}
        for name, content in baseline.files(ids):  # before the rows, so that a record never lacks its files
            store.keep(name, content, Path(name).stem)
        tables = {
            "searches": [row for row in baseline.tables["searches"] if row["study"] in studies],
            "asks": [row for row in baseline.tables["asks"] if row["study"] in studies],
            "runs": runs,
            "epochs": [row for row in baseline.tables["epochs"] if row["run_id"] in ids],
            "measured": [row for row in baseline.tables["measured"] if row["one"] in ids],
        }
        store.put_in(tables, noted)
    else:
        store.note("baseline", None)


def _complete(imported: Imported, store: Store) -> None:
    """Bring in the files again that the run folder lacks."""
    ids = {
        row["run_id"]
        for row in imported.baseline.tables["runs"]
        if row["arm"] in (store.noted("baseline") or {})["names"]
    }
    for name, content in imported.baseline.files(ids) if store.lacking(ids) else ():
        if not (store.folder / name).is_file():
            store.keep(name, content, Path(name).stem)


def _noted(imported: Imported) -> dict[str, Any]:
    """Return what the meta table says of an import: where it is from, and what the reader lays beside the run's own."""
    baseline, arms = imported.baseline, set(imported.arms)
    notes = baseline.notes
    roles = {name: role for name, role in notes["roles"].items() if role["of"] in arms}
    cells = [cell for cell in notes["cells"] if cell["of"] in arms]
    return {
        "file": baseline.file.name,
        "sha256": baseline.sha256,
        "run": notes["run"],
        "made": notes["made"],
        "environment": notes["environment"],
        "warnings": list(imported.warnings),
        "solutions": baseline.solutions,
        "arms": list(imported.arms),
        "names": [*imported.arms, *roles],  # of arms and of the controls that belong to them
        "studies": [row["study"] for row in baseline.tables["searches"] if row["arm"] in arms],
        "spaces": {arm: notes["spaces"][arm] for arm in imported.arms},
        "optimizers": {arm: notes["optimizers"][arm] for arm in imported.arms},
        "references": notes["references"],
        "scheduler_references": notes["scheduler_references"],
        "work": {name: work for name, work in notes["work"].items() if name in arms or name in roles},
        "convex": notes["convex"],
        "exhausted": {arm: many for arm, many in notes.get("exhausted", {}).items() if arm in arms},
        "roles": roles,
        "comparison": cells,
        "compare_runs": [cell["run_id"] for cell in cells if cell["role"] == "fresh"],
    }
