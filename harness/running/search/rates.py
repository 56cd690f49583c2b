"""A range test of every arm of a benchmark, or of some: what ``harness lr-find`` and ``harness.lr_find`` carry out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.console import interruption
from harness.console.progress import Reporter
from harness.errors import UnknownName, did_you_mean, shown
from harness.plugin.runs import full_arm_name
from harness.running.prepare import Request, prepare
from harness.running.search.range_test import range_test
from harness.training.lr_curve import RangeTest


def find_rates(
    request: Request, reporter: Reporter, arms: Sequence[str] = (), steps: int | None = None
) -> list[RangeTest]:
    """Return a range test per arm, of those named or of all; raises UnknownName for an arm that is not there."""
    setting = prepare(request, reporter)
    competitors = {competitor.name: competitor for competitor in setting.plan.competitors}
    arms = [full_arm_name(arm, list(competitors)) for arm in arms]
    _check_arms(arms, competitors)
    names = [name for name in competitors if name in (arms or competitors)]
    tests: list[RangeTest] = []
    for name in names:
        reporter.preparing("range tests", len(tests), len(names))
        tests.append(range_test(setting, competitors[name], steps, interruption.check))
    reporter.preparing("range tests", len(tests), len(names))
    return tests


def _check_arms(arms: Sequence[str], known: Collection[str]) -> None:
    for arm in arms:
        if arm not in known:
            raise UnknownName(f"--arm: must be an arm of the benchmark, got {shown(arm)}{did_you_mean(arm, known)}")
