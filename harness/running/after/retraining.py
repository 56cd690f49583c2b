"""What it takes that a probe has runs trained once more: of which arms it asks that, and how long such a training is.

A probe may ask any network for its run, trained again (``parts.trained_again``), and says so nowhere. So one network of each
arm is measured with the smallest options, and its run has one epoch. What a whole training takes follows from runs of one and
of three epochs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Probe
from harness.plugin.runs import Run
from harness.running.workbench import Bench

if TYPE_CHECKING:
    from harness.training.parts import Parts

FEW, MORE = 1, 3  # epochs: what comes once, such as building and compiling, is not in their difference


def shortened(run: Run, epochs: int = FEW) -> Run:
    """Return a run with so many epochs."""
    return replace(run, epochs=epochs, head_epochs=0)


def note_trainings(parts: Parts) -> list[float]:
    """Return a list that fills with the seconds of each training that is asked of a network's parts."""
    seconds: list[float] = []
    train = parts.trained_again

    def trained_again() -> Parts:
        began = time.perf_counter()
        trained = train()
        seconds.append(time.perf_counter() - began)
        return trained

    parts.trained_again = trained_again  # type: ignore[method-assign]
    return seconds


def retraining_seconds(probe: Probe, bench: Bench, runs: Iterable[Run]) -> float:
    """Return how long the trainings take that a probe of one network asks for, in the mean over these runs' networks."""
    by_arm: dict[str, float] = {}
    seconds: list[float] = []
    for run in runs:
        arm = run.arm.name
        if arm not in by_arm:
            by_arm[arm] = _training_seconds(bench, run) if _trains_again(probe, bench, run) else 0.0
        seconds.append(by_arm[arm])
    return sum(seconds) / len(seconds) if seconds else 0.0


def _trains_again(probe: Probe, bench: Bench, run: Run) -> bool:
    """Return whether a probe asks for a training. One that fails with the smallest options has asked by then, or counts as no."""
    from optuna.distributions import IntDistribution

    smallest = {name: limit.low for name, limit in probe.limits.items() if isinstance(limit, IntDistribution)}
    trainings: list[float] = []
    with suppress(PluginFailed), Boundary("probe", probe.name, "measure", everything=True):
        parts = bench.parts(shortened(run))
        parts.model.eval()
        trainings = note_trainings(parts)
        probe.measure(parts, **{**probe.options, **smallest})
    return bool(trainings)


def _training_seconds(bench: Bench, run: Run) -> float:
    """Return about how long a run's training takes; 0 where it fails, as it may with settings that no search has chosen."""
    spent: list[float] = []
    with suppress(PluginFailed), Boundary(everything=True):
        for epochs in (FEW, MORE):
            parts = bench.parts(shortened(run, epochs))
            began = time.perf_counter()
            parts.trained_again()
            spent.append(time.perf_counter() - began)
    if len(spent) < 2:
        return 0.0
    first, more = spent
    return first + max(0.0, more - first) / (MORE - FEW) * (run.epochs - FEW)
