"""What the late probes would cost: each is timed once on freshly built networks, before anything is spent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from harness.comparison import Cell
from harness.contracts import Probe
from harness.errors import one_line
from harness.evidence.minima import Runs, work_of
from harness.plan import Setting
from harness.workbench import Bench

DEAR = 5.0  # seconds: a measurement that takes longer is not repeated to be timed warm


def late_probes(setting: Setting, planned: Sequence[Cell]) -> list[dict[str, Any]]:
    """Return a row per late probe: how many measurements there are, how many fit its budget, and what they take.

    A probe that fails on networks that are not trained is not timed, and ``problem`` says why.
    """
    return [_cost(probe, setting, planned) for probe in setting.plan.late_probes]


def _cost(probe: Probe, setting: Setting, planned: Sequence[Cell]) -> dict[str, Any]:
    compare, work = setting.plan.benchmark.compare, work_of(probe, setting, planned)
    budget = compare.probe_budgets.get(probe.name, compare.probe_budget)
    each, problem = _price(probe, setting, work.all)
    fits = 0
    for group in work.groups:
        if (fits + len(group)) * each > budget:
            break
        fits += len(group)
    return {
        "probe": probe.name,
        "unit": work.unit,
        "possible": len(work.all),
        "seconds_each": each,
        "budget": budget,
        "fits": fits,
        "seconds": fits * each,
        "problem": problem,
    }


def _price(probe: Probe, setting: Setting, every: Sequence[Runs]) -> tuple[float, str]:
    """Return what a measurement costs in the mean over those of all networks, and why it is not known, or ""."""
    prices: list[tuple[float, int]] = []
    for network in dict.fromkeys(runs[0].arm.network for runs in every):
        mine = [runs for runs in every if runs[0].arm.network == network]
        try:
            prices.append((_timed(probe, setting, mine[0]), len(mine)))
        except Exception as error:  # a probe may raise anything
            return 0.0, one_line(error)
    many = sum(count for _, count in prices)
    return (sum(price * count for price, count in prices) / many if many else 0.0), ""


def _timed(probe: Probe, setting: Setting, runs: Runs) -> float:
    """Return the seconds of one measurement on new networks, the second where the first was no trouble."""
    bench = Bench(setting, lambda _: None)
    parts = [bench.parts(run) for run in runs]
    for one in parts:
        one.model.eval()
    spent = 0.0
    for _ in range(2):
        for one in parts if probe.networks == 1 else ():
            one.kept.clear()  # of pairs, what a probe keeps of a network serves many measurements; else only one
        start = time.perf_counter()
        probe.measure(*parts, **probe.options)
        spent = time.perf_counter() - start
        if spent > DEAR:
            break
    return spent
