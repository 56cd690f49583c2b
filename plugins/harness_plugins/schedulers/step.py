"""A staircase: the rate is multiplied by ``gamma`` at given parts of the run, after a linear warm-up.

He et al. 2016, arXiv:1512.03385: by 0.1 at a half and at three quarters of the run, for CIFAR-10. Another staircase,
or a search among some::

    [search.space.step]
    at = { choices = ["0.5 0.75", "0.3 0.6 0.9"] }
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Float, Schedule, Scheduler, hookimpl
from harness_plugins.schedulers._shape import warmed

if TYPE_CHECKING:
    import torch


def build(
    optimizer: torch.optim.Optimizer,
    total_steps: int,
    warmup: float = 0.05,
    gamma: float = 0.1,
    at: str | float = "0.5 0.75",
) -> Schedule:
    """Return the schedule; ``at`` are parts of all steps, in [0, 1], with spaces between them."""
    parts = [float(part) for part in str(at).split()]
    if not all(0 <= part <= 1 for part in parts):
        raise ValueError(f"at must be parts of the run, from 0 to 1, got {at!r}")
    drops = [round(part * total_steps) for part in parts]
    return warmed(optimizer, round(warmup * total_steps), lambda step: gamma ** sum(step >= drop for drop in drops))


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer step."""
    defaults = {"warmup": 0.05, "gamma": 0.1, "at": "0.5 0.75"}
    limits = {"warmup": Float(0.0, 1.0), "gamma": Float(0.0, 1.0)}
    return [
        Scheduler(name="step", build=build, defaults=defaults, reference="arXiv:1512.03385", limits=limits)
    ]  # fmt: skip
