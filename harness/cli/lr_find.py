"""``harness lr-find``: the range test of some arms of a benchmark, told in lines or as JSON; no run folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.benchmark.plan import Setting
from harness.console import interruption
from harness.console.progress import Reporter
from harness.errors import UnknownName, did_you_mean, shown
from harness.run.prepare import Request, prepare
from harness.run.search.range_test import line, range_test
from harness.training.lr_curve import CHOSEN, RangeTest


def lr_find(
    request: Request, reporter: Reporter, arms: Sequence[str] = (), steps: int | None = None
) -> list[RangeTest]:
    """Return a range test per arm, of those named or of all; raises UnknownName for an arm that is not there."""
    setting = prepare(request, reporter)
    chosen = _chosen(setting, arms)
    found = []
    for competitor in (c for c in setting.plan.competitors if c.arm.name in chosen):
        found.append(range_test(setting, competitor, steps, interruption.check))
        reporter.preparing("range tests", len(found), len(chosen))
    return found


def _chosen(setting: Setting, arms: Sequence[str]) -> set[str]:
    known = [competitor.arm.name for competitor in setting.plan.competitors]
    for arm in arms:
        if arm not in known:
            raise UnknownName(f"--arm: must be an arm of the benchmark, got {shown(arm)}{did_you_mean(arm, known)}")
    return set(arms or known)


def document(tests: Sequence[RangeTest]) -> dict[str, Any]:
    """Return the tests as plain values, all finite."""
    return {"chosen": CHOSEN, "arms": [_plain(test) for test in tests]}


def _plain(test: RangeTest) -> dict[str, Any]:
    curve = test.curve
    return {
        "arm": test.arm,
        "lr": test.lr,
        "suggestions": dict(test.suggestions or {}),
        "note": test.note,
        "diverged": bool(curve and curve.diverged),
        "curve": {name: getattr(curve, name).tolist() for name in ("lr", "loss", "smoothed")} if curve else None,
    }


def lines(tests: Sequence[RangeTest]) -> list[str]:
    """Return a line per arm."""
    return [line(test) for test in tests]
