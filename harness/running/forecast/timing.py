"""What the parts of one arm's runs take: building, a step, the look at the tune split, the scores at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.benchmark.plan import Setting
from harness.plugin.runs import Run
from harness.running.forecast.pace import Pace
from harness.running.workbench import Bench

if TYPE_CHECKING:
    from harness.training.parts import Parts

SECONDS_PER_ARM = 2.0  # of timing, after a warm-up
SECONDS_OF_REPORT = 6.0  # of the page; other formats take none to speak of


@dataclass(frozen=True)
class Timing:
    """Measured times and sizes of an arm; all 0 for one that cannot be timed. Times are those while all workers work."""

    step: float = 0.0  # seconds, as are the next three
    tune: float = 0.0  # of one look at the tune split
    scoring: float = 0.0  # of the test split and the train split, at a comparison run's end
    building: float = 0.0  # of the network, the optimizer and the batches
    batches: int = 0  # an epoch
    batch_size: int = 0
    parameters: int = 0
    weights: int = 0  # bytes


def time_arm(setting: Setting, run: Run, pace: Pace) -> Timing:
    """Time a run of an arm; its controls cost as much a run. Raises PluginError, naming the plugin, where one fails.

    The steps are timed here only where the workers have not taken any.
    """
    bench, slow = Bench(setting, lambda _: None), pace.slowdown
    building = _seconds(partial(bench.parts, run))
    parts = bench.parts(run)
    step = pace.steps.get(run.arm.name) or _step_seconds(parts)
    tune = _seconds(partial(parts.predict, parts.ingredients.tune))
    test = _seconds(partial(parts.predict, parts.ingredients.test or parts.ingredients.tune, exact=True))
    return Timing(
        step=step,
        tune=slow * tune,
        scoring=slow * test * (1 + len(parts.ingredients.train) / len(setting.data.test)),
        building=slow * building,
        batches=len(parts.batches),
        batch_size=parts.batches.batch_size,
        parameters=sum(parameter.numel() for parameter in parts.parameters),
        weights=sum(tensor.numel() * tensor.element_size() for tensor in parts.model.state_dict().values()),
    )


def _step_seconds(parts: Parts) -> float:
    """Return seconds per optimizer step, the median after a warm-up."""
    moments: list[float] = []  # seconds of training at each step's end
    until = 0.0
    for _ in parts.resume(None, 1):
        for epoch in range(1, 10_000):
            for inputs, targets in parts.batches.of(epoch):
                with parts.clock:
                    parts.step(inputs, targets)
                moments.append(parts.clock.seconds)
                until = until or time.monotonic() + SECONDS_PER_ARM
                if len(moments) > 8 and time.monotonic() > until:
                    steps = sorted(later - earlier for earlier, later in pairwise(moments[4:]))
                    return steps[len(steps) // 2]
    raise AssertionError("an epoch has at least one batch")


def _seconds(work: Callable[[], object]) -> float:
    """Return the seconds that a piece of work takes, when it is done for the second time."""
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
