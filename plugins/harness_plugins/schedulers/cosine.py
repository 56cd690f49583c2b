"""Half a cosine from the peak to zero, after a linear warm-up.

Loshchilov & Hutter 2017, arXiv:1608.03983, with one cycle; the warm-up is Goyal et al. 2017, arXiv:1706.02677.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness import Float, Schedule, Scheduler, hookimpl

if TYPE_CHECKING:
    import torch


def build(optimizer: torch.optim.Optimizer, total_steps: int, warmup: float = 0.05, floor: float = 0.0) -> Schedule:
    """Return the schedule; it warms up over ``warmup * total_steps`` and ends at ``floor`` times the peak."""
    from torch.optim.lr_scheduler import LambdaLR

    rising = warmup * total_steps

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        progress = min(1.0, (step - rising) / max(1.0, total_steps - rising))
        return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer cosine."""
    defaults = {"warmup": 0.05, "floor": 0.0}
    limits = {"warmup": Float(0.0, 1.0), "floor": Float(0.0, 1.0)}
    return [
        Scheduler(name="cosine", build=build, defaults=defaults, reference="arXiv:1608.03983", limits=limits)
    ]  # fmt: skip
