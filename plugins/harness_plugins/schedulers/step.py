"""A staircase: the rate is multiplied by ``gamma`` at given parts of the run, after a linear warm-up.

He et al. 2016, arXiv:1512.03385: by 0.1 at a half and at three quarters of the run, for CIFAR-10. Another staircase,
or a search among some::

    [search.space.step]
    at = { choices = ["0.5 0.75", "0.3 0.6 0.9"] }
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Schedule, Scheduler, hookimpl
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
    drops = [round(float(part) * total_steps) for part in str(at).split()]
    return warmed(optimizer, round(warmup * total_steps), lambda step: gamma ** sum(step >= drop for drop in drops))


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer step."""
    defaults = {"warmup": 0.05, "gamma": 0.1, "at": "0.5 0.75"}
    return [Scheduler(name="step", build=build, defaults=defaults, reference="arXiv:1512.03385")]
