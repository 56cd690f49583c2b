"""newcomer: a power of the time that is left, a place to start from.

"Poly" in Chen et al. 2017, arXiv:1606.00915: ``lr * (1 - step / total_steps) ** power``. A power of 1 is a straight
line to zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Float, Schedule, Scheduler, hookimpl

if TYPE_CHECKING:
    import torch


def build(optimizer: torch.optim.Optimizer, total_steps: int, power: float = 0.9) -> Schedule:
    """Return the schedule; the harness calls its ``step()`` after each of ``total_steps`` optimizer steps."""
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, lambda step: max(0.0, 1 - step / total_steps) ** power)


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer newcomer, whose power is searched."""
    space = {"power": Float(0.5, 2.0)}
    return [
        Scheduler(
            name="newcomer",
            build=build,
            space=space,
            defaults={"power": 0.9},
            reference="arXiv:1606.00915",
        )
    ]
