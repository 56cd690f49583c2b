"""A constant learning rate, reached by a linear warm-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Float, Schedule, Scheduler, hookimpl

if TYPE_CHECKING:
    import torch


def build(optimizer: torch.optim.Optimizer, total_steps: int, warmup: float = 0.0) -> Schedule:
    """Return the schedule; ``warmup`` is the part of all steps, in [0, 1), over which the rate rises to its peak."""
    from torch.optim.lr_scheduler import LambdaLR

    rising = warmup * total_steps
    return LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / rising) if rising else 1.0)


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer constant."""
    return [Scheduler(name="constant", build=build, defaults={"warmup": 0.05}, limits={"warmup": Float(0.0, 1.0)})]
