"""Centring an arm's search on what its range test suggests: once, written down, and read back ever after.

The records decide, not a second sweep, because a GPU need not give the same curve twice and a resumed search must have
the range it began with. A sweep has the seeds of the search, so no comparison run is seen by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

from harness.benchmark.arms import Competitor
from harness.benchmark.plan import Setting
from harness.console import interruption
from harness.console.progress import Reporter
from harness.records import Store
from harness.records.attempts import Attempts
from harness.running.search.range_test import centred, line, range_test
from harness.training.lr_curve import CHOSEN, RangeTest

AnySetting = TypeVar("AnySetting", bound=Setting)


def centre(setting: AnySetting, store: Store, reporter: Reporter) -> AnySetting:
    """Return the setting with each arm's learning rates centred; unchanged where the benchmark does not ask for it.

    An arm whose test suggests nothing keeps its own range, and the console says why.
    """
    if not setting.plan.benchmark.search.lr_range_test:
        return setting
    competitors = []
    for competitor in setting.plan.competitors:
        if competitor.name not in store.range_tests():
            with reporter.during(f"the range test of {competitor.name}"):
                test = _test(setting, competitor, store.attempts)
            store.add_range_test(test.arm, _plain(test), _rows(test))
            reporter.say(f"  range test  {line(test)}", style="" if test.lr else "yellow")
        lr = store.range_tests()[competitor.name]["lr"]
        competitors.append(centred(competitor, lr) if lr else competitor)
    spaces = {competitor.name: competitor.space for competitor in competitors}
    controls = tuple(replace(control, space=spaces[control.of]) for control in setting.plan.controls)
    return replace(setting, plan=replace(setting.plan, competitors=tuple(competitors), controls=controls))


def _test(setting: Setting, competitor: Competitor, attempts: Attempts) -> RangeTest:
    """Return an arm's range test; a failed one where the process has died in it again and again."""
    work, arm = f"range test {competitor.name}", competitor.name
    if reason := attempts.given_up(work):
        return RangeTest(arm, note=reason, failed=True)
    with attempts.during(work, f"the range test of {arm}"):
        return range_test(setting, competitor, check=interruption.check)


def _plain(test: RangeTest) -> Mapping[str, Any]:
    values = {name: value for name, value in asdict(replace(test, curve=None)).items() if name not in ("arm", "curve")}
    return {**values, "suggestions": dict(test.suggestions or {}), "lr": test.lr, "chosen": CHOSEN}


def _rows(test: RangeTest) -> list[tuple[float, float, float]]:
    if test.curve is None:
        return []
    columns = (test.curve.lr, test.curve.loss, test.curve.smoothed)
    return list(zip(*(column.tolist() for column in columns), strict=True))
