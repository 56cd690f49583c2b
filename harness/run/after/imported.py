"""The imported runs that probes can measure, as cells of the comparison."""

from __future__ import annotations

import json

from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.plugin.runs import Arm, Run
from harness.records import Store, schema


def imported_cells(setting: Setting, store: Store) -> list[ComparisonRun]:
    """Return the imported arms' own runs whose weights are in the run folder, in the order of the baseline."""
    names = {competitor.arm.name for competitor in setting.plan.imported}
    found = []
    for cell in (store.noted("baseline") or {}).get("comparison", ()):
        row = store.run(cell["run_id"]) if cell["role"] == "fresh" and cell["arm"] in names else None
        if row is None or not schema.solution(store.folder, cell["run_id"]).is_file():
            continue
        recipe = json.loads(row["recipe"])
        run = Run(**{**recipe, "arm": Arm(**recipe["arm"]), "augment": tuple(recipe["augment"])})
        if run.id == cell["run_id"]:  # a recipe of another release may say less than a run says now
            found.append(ComparisonRun(run, "fresh", cell["of"]))
    return found
