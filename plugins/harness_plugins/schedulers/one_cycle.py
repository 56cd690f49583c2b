"""One cycle: up to the peak and far down again.

Half a cosine up to the peak, half a cosine down to far below where it began.

Smith 2018, https://arxiv.org/abs/1803.09820, and Smith & Topin 2019, arXiv:1708.07120; in the form of fast.ai and of
PyTorch's OneCycleLR, with cosines for the paper's straight lines. The searched ``lr`` is the peak.

What differs: the paper moves the momentum down and up as the rate goes up and down. Here it stays where it is, for
momentum is a searched number of some optimizers and does not exist in others.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness import Float, Schedule, Scheduler, hookimpl
from harness_plugins.schedulers._shape import progress

if TYPE_CHECKING:
    import torch


def build(
    optimizer: torch.optim.Optimizer,
    total_steps: int,
    pct_start: float = 0.3,
    div: float = 25.0,
    final_div: float = 1e4,
) -> Schedule:
    """Return the schedule: from ``1/div`` up over ``pct_start`` of all steps, then down to ``1/(div * final_div)``."""
    from torch.optim.lr_scheduler import LambdaLR

    peak, last = pct_start * total_steps - 1, total_steps - 1

    def between(start: float, end: float, along: float) -> float:
        return end + (start - end) * (1 + math.cos(math.pi * along)) / 2

    def factor(step: int) -> float:
        if step <= peak:
            return between(1 / div, 1.0, progress(step, 0, peak))
        return between(1.0, 1 / (div * final_div), progress(step, max(0.0, peak), last))

    return LambdaLR(optimizer, factor)


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer one_cycle."""
    defaults = {"pct_start": 0.3, "div": 25.0, "final_div": 1e4}
    limits = {"pct_start": Float(0.0, 1.0), "div": Float(1.0, 1e6), "final_div": Float(1.0, 1e12)}
    return [
        Scheduler(name="one_cycle", build=build, defaults=defaults, reference="arXiv:1803.09820", limits=limits)
    ]  # fmt: skip
