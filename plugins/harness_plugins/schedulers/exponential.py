"""The same factor every step, from the peak to ``end`` times the peak, after a linear warm-up.

PyTorch's ExponentialLR; compared with other schedules in Senior et al. 2013, "An empirical study of learning rates in
deep neural networks for speech recognition", https://doi.org/10.1109/ICASSP.2013.6638963. What differs: the factor is
given by where it ends and not by itself, so that runs of 4 and of 40 epochs end alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Float, Schedule, Scheduler, hookimpl
from harness_plugins.schedulers._shape import progress, warmed

if TYPE_CHECKING:
    import torch


def build(optimizer: torch.optim.Optimizer, total_steps: int, warmup: float = 0.05, end: float = 0.01) -> Schedule:
    """Return the schedule; it warms up over ``warmup * total_steps`` and falls to ``end`` times the peak, above 0."""
    if not 0 < end <= 1:
        raise ValueError(f"end must be in (0, 1], got {end}")
    rising = round(warmup * total_steps)
    return warmed(optimizer, rising, lambda step: float(end ** progress(step, rising, total_steps)))


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer exponential."""
    limits = {"warmup": Float(0.0, 1.0), "end": Float(1e-12, 1.0)}
    return [
        Scheduler(name="exponential", build=build, defaults={"warmup": 0.05, "end": 0.01}, limits=limits)
    ]  # fmt: skip
