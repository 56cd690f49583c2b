"""Everything that is recorded once the runs are over, in its order; what is there already is not made again."""

from __future__ import annotations

from typing import Any

from harness.benchmark.plan import Setting
from harness.console.progress import Reporter
from harness.plugin.registry import Registry
from harness.records import Store, schema, write_scores
from harness.run.after.confirm import confirm
from harness.run.after.imported import imported_cells
from harness.run.after.late_probes import measure_solutions
from harness.run.after.photos import look
from harness.run.after.schedules import note_schedules
from harness.run.driver import Driver
from harness.training.walks import paths


def collect(setting: Setting, driver: Driver, store: Store, registry: Registry, reporter: Reporter) -> list[str]:
    """Record what the reports need beside the runs themselves; return a line for whatever went wrong."""
    plan = setting.plan
    tuned = _tuned(driver)
    if plan.benchmark.report.paths:
        _walk(setting, tuned, store)
    note_schedules(setting, tuned, store)
    failures = [f"{arm}: its range test failed: {t['note']}" for arm, t in store.range_tests().items() if t["failed"]]
    wrong = write_scores(store.folder, plan.metric, plan.goal)
    scores = schema.scores(store.folder)
    store.promise([scores] if scores.is_file() else [], instead_of=scores.relative_to(store.folder).as_posix())
    failures += [wrong] if wrong else []
    if driver.compared:
        failures += measure_solutions(setting, [*driver.comparison, *imported_cells(setting, store)], store, reporter)
        failures += confirm(setting, store, registry, reporter)
    return failures + look(setting, driver, store, registry, reporter)


def _tuned(driver: Driver) -> dict[str, Any]:
    """Return the parameters that the searches which have ended have chosen, by arm."""
    arms = {competitor.arm.name for competitor in driver.setting.plan.competitors}
    first = [search for search in driver.searches if search.arm in arms and search.replicate == 0]
    return {search.arm: params for search in first if (params := search.chosen) is not None}


def _walk(setting: Setting, chosen: dict[str, Any], store: Store) -> None:
    """Record the tuned optimizers' paths over two parameters, for the report, unless they are there already."""
    competitors = {arm: setting.plan.competitor(arm) for arm in chosen}
    tuned = {arm: dict(setting.compare_run(competitors[arm], params, 0).optimizer) for arm, params in chosen.items()}
    if tuned and tuned != store.paths_of():
        table = paths({arm: (competitors[arm].optimizer, chosen) for arm, chosen in tuned.items()})
        store.set_paths(tuned, table.itertuples(index=False, name=None))
