"""A straight line from the peak to the floor, after a linear warm-up.

Devlin et al. 2019, arXiv:1810.04805, made it common; Defazio et al. 2023, arXiv:2310.07831, found it the best of the
usual schedules over many problems, and say why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Float, Schedule, Scheduler, hookimpl
from harness_plugins.schedulers._shape import progress, warmed

if TYPE_CHECKING:
    import torch


def build(optimizer: torch.optim.Optimizer, total_steps: int, warmup: float = 0.05, floor: float = 0.0) -> Schedule:
    """Return the schedule; it warms up over ``warmup * total_steps`` and ends at ``floor`` times the peak."""
    rising = round(warmup * total_steps)
    return warmed(optimizer, rising, lambda step: 1 - (1 - floor) * progress(step, rising, total_steps))


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer linear."""
    defaults = {"warmup": 0.05, "floor": 0.0}
    limits = {"warmup": Float(0.0, 1.0), "floor": Float(0.0, 1.0)}
    return [
        Scheduler(name="linear", build=build, defaults=defaults, limits=limits, reference="arXiv:2310.07831")
    ]  # fmt: skip
