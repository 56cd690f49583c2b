"""The imported runs that late probes can measure, as runs of the comparison."""

from __future__ import annotations

import json

from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.plugin.runs import Arm, Run
from harness.records import Store, schema


def imported_runs(setting: Setting, store: Store) -> list[ComparisonRun]:
    """Return the imported arms' own runs whose weights are in the run folder, in the order of the baseline."""
    names = {competitor.name for competitor in setting.plan.imported}
    runs = []
    for entry in (store.noted("baseline") or {}).get("comparison", ()):
        row = store.run(entry["run_id"]) if entry["role"] == "fresh" and entry["arm"] in names else None
        if row is None or not schema.solution(store.folder, entry["run_id"]).is_file():
            continue
        recipe = json.loads(row["recipe"])
        lists = {name: tuple(recipe.get(name, ())) for name in ("augment", "class_weights")}
        run = Run(**{**recipe, **lists, "arm": Arm(**recipe["arm"])})
        if run.id == entry["run_id"]:  # a recipe of another release may say less than a run says now
            runs.append(ComparisonRun(run, "fresh", entry["of"], int(entry["replicate"])))
    return runs
