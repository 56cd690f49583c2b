"""What the schedules share: a linear warm-up in whole steps, and how far along a step is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness import Schedule

if TYPE_CHECKING:
    import torch


def warmed(optimizer: torch.optim.Optimizer, rising: int, factor: Callable[[int], float]) -> Schedule:
    """Return the schedule that rises in a straight line for ``rising`` steps, then is ``factor(step)`` of the peak."""
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, lambda step: (step + 1) / (rising + 1) if step < rising else factor(step))


def progress(step: int, start: float, end: float) -> float:
    """Return how far ``step`` is from ``start`` to ``end``, in [0, 1]."""
    if end <= start:
        return 0.0 if step < start else 1.0
    return min(1.0, max(0.0, (step - start) / (end - start)))
