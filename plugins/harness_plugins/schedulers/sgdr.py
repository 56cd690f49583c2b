"""Cosines with warm restarts: from the peak to the floor, and back to the peak at once.

Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983. What differs: the paper fixes the length of the first
cycle in epochs; a schedule here is told only how long the run is, and divides it. ``cycles`` cycles, each
``cycle_mult`` times as long as the one before, fill the run exactly, so that no run stops in the middle of one.

A first cycle of ``cycle_len`` epochs is had by the length of the run: with ``cycle_mult = 2``, 3 cycles are
1 + 2 + 4 epochs. So fast.ai's ``cycle_len=1, cycle_mult=2`` is::

    [train]
    schedulers = ["sgdr"]
    [search]
    epochs = [7]
    [search.space.sgdr]
    cycles = 3
    cycle_mult = 2
    [compare]
    epochs = 7

and in general ``epochs = cycle_len * (cycle_mult ** cycles - 1) / (cycle_mult - 1)``. In a run of another length the
cycles keep their proportions, and each begins at the nearest whole step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from harness import Float, Int, Schedule, Scheduler, hookimpl
from harness_plugins.schedulers._shape import progress

if TYPE_CHECKING:
    import torch


def build(
    optimizer: torch.optim.Optimizer, total_steps: int, cycles: int = 3, cycle_mult: float = 2.0, floor: float = 0.0
) -> Schedule:
    """Return the schedule; every cycle ends at ``floor`` times the peak."""
    from torch.optim.lr_scheduler import LambdaLR

    if cycles < 1 or cycle_mult <= 0:
        raise ValueError(f"cycles must be >= 1 and cycle_mult > 0, got {cycles} and {cycle_mult}")
    starts = [0, *_ends(total_steps, cycles, cycle_mult)]

    def factor(step: int) -> float:
        if step >= total_steps:
            return floor
        cycle = bisect_right(starts, step)
        along = progress(step, starts[cycle - 1], starts[cycle])
        return floor + (1 - floor) * (1 + math.cos(math.pi * along)) / 2

    return LambdaLR(optimizer, factor)


def cycle_ends(total_steps: int, cycles: int = 3, cycle_mult: float = 2.0, floor: float = 0.0) -> list[int]:
    """Return the last step of every cycle, 1 is the first step; of cycles so short that they have none, nothing."""
    return sorted({end for end in _ends(total_steps, cycles, cycle_mult) if end})


def _ends(total_steps: int, cycles: int, cycle_mult: float) -> list[int]:
    """Return after how many steps each cycle ends; the last one at the end of the run."""
    ends = list(accumulate(cycle_mult**i for i in range(cycles)))
    return [round(total_steps * end / ends[-1]) for end in ends]


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer sgdr."""
    defaults = {"cycles": 3, "cycle_mult": 2.0, "floor": 0.0}
    limits = {"cycles": Int(1, 1000), "cycle_mult": Float(0.01, 100.0), "floor": Float(0.0, 1.0)}
    return [
        Scheduler(name="sgdr", build=build, defaults=defaults, cycle_ends=cycle_ends, reference="arXiv:1608.03983", limits=limits)
    ]  # fmt: skip
