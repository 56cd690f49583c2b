"""Everything that is recorded once the runs are over, in its order. What is in the records already is not made again."""

from __future__ import annotations

from typing import Any

from harness.benchmark.plan import Setting
from harness.console.progress import Reporter
from harness.plugin.registry import Registry
from harness.records import Store, schema, write_scores
from harness.running.after.confirm import confirm
from harness.running.after.photos import record_photos
from harness.running.after.schedules import note_schedules
from harness.running.driver import Driver
from harness.training.walks import walk_all


def collect(setting: Setting, driver: Driver, store: Store, registry: Registry, reporter: Reporter) -> list[str]:
    """Record what the reports need beside the runs themselves; return a line for whatever went wrong."""
    plan = setting.plan
    tuned = _tuned(driver)
    if plan.benchmark.report.paths:
        _walk(setting, tuned, store)
    note_schedules(setting, tuned, store)
    failures = _failed_range_tests(store) + _write_scores(setting, store)
    if driver.compared:
        failures += confirm(setting, store, registry, reporter)
    return failures + record_photos(setting, driver, store, registry, reporter)


def _failed_range_tests(store: Store) -> list[str]:
    failed = {arm: test for arm, test in store.range_tests().items() if test["failed"]}
    return [f"{arm}: its range test failed: {test['note']}" for arm, test in failed.items()]


def _write_scores(setting: Setting, store: Store) -> list[str]:
    """Write the score of every example; return why that failed, if it did."""
    failure = write_scores(store.folder, setting.plan.metric, setting.plan.goal)
    scores = schema.scores(store.folder)
    store.promise([scores] if scores.is_file() else [], instead_of=scores.relative_to(store.folder).as_posix())
    return [failure] if failure else []


def _tuned(driver: Driver) -> dict[str, Any]:
    """Return the parameters that the searches which have ended have chosen, by arm."""
    arms = {competitor.name for competitor in driver.setting.plan.competitors}
    first = [search for search in driver.searches if search.arm in arms and search.replicate == 0]
    return {search.arm: params for search in first if (params := search.chosen) is not None}


def _walk(setting: Setting, chosen: dict[str, Any], store: Store) -> None:
    """Record the tuned optimizers' paths over two parameters, for the report, unless they are there already."""
    competitors = {arm: setting.plan.competitor(arm) for arm in chosen}
    tuned = {arm: dict(setting.compare_run(competitors[arm], params, 0).optimizer) for arm, params in chosen.items()}

    def walk() -> dict[str, Any]:
        table = walk_all({arm: (competitors[arm].optimizer, settings) for arm, settings in tuned.items()})
        store.set_paths(table.itertuples(index=False, name=None))
        return {}

    if tuned:
        store.once("paths_of", {"settings": tuned}, walk)
