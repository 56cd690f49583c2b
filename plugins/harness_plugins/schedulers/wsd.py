"""A long constant rate with a short fall.

Warm-up, stable, decay: a constant rate for most of the run, and a short fall at its end.

Hu et al. 2024, MiniCPM, https://arxiv.org/abs/2404.06395, who find a decay over a tenth of the run enough. What
differs: they decay exponentially; here it is a straight line over a fifth of the run, one of the cooldowns compared in
Hägele et al. 2024, arXiv:2405.18392.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Float, Schedule, Scheduler, hookimpl
from harness_plugins.schedulers._shape import progress, warmed

if TYPE_CHECKING:
    import torch


def build(
    optimizer: torch.optim.Optimizer,
    total_steps: int,
    warmup: float = 0.05,
    decay: float = 0.2,
    floor: float = 0.0,
) -> Schedule:
    """Return the schedule; the last ``decay * total_steps`` steps lead to ``floor`` times the peak."""
    if warmup + decay > 1:
        raise ValueError(f"warmup + decay must be at most 1, got {warmup} + {decay}")
    rising, falling = round(warmup * total_steps), round((1 - decay) * total_steps)
    return warmed(optimizer, rising, lambda step: 1 - (1 - floor) * progress(step, falling, total_steps))


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer wsd."""
    defaults = {"warmup": 0.05, "decay": 0.2, "floor": 0.0}
    limits = {"warmup": Float(0.0, 1.0), "decay": Float(0.0, 1.0), "floor": Float(0.0, 1.0)}
    return [
        Scheduler(name="wsd", build=build, defaults=defaults, reference="arXiv:2404.06395", limits=limits)
    ]  # fmt: skip
