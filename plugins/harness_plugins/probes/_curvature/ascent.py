"""The largest value of a function in a box, by projected gradient ascent that chooses its own step size.

Source: Auto-PGD, Croce & Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks", arXiv:2003.01690, algorithm 1, for a box: steps along the sign of the gradient.
What differs: there is one start, the middle of the box, and a halved step goes on from the best point without momentum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

MOMENTUM = 0.75  # the weight of the new step; the rest is the move before
ENOUGH = 0.75  # so much of the steps between two checkpoints must have gone up
Evaluate = Callable[[torch.Tensor], tuple[float, Callable[[], torch.Tensor]]]


@dataclass(frozen=True)
class Ascent:
    """What was found: ``best`` is never less than ``start``, which counts."""

    start: float
    best: float
    slope: torch.Tensor  # [d], the gradient at the start
    where: torch.Tensor  # [d], the best point


def checkpoints(steps: int) -> list[int]:
    """Return after which steps the step size is looked at: ever closer, from 22 % on."""
    last, gap, steps_at = 22, 22, []  # in hundredths of the steps
    while (step := -(-last * steps // 100)) < steps:
        steps_at.append(step)
        gap = max(gap - 3, 6)
        last += gap
    return steps_at


def ascend(evaluate: Evaluate, middle: torch.Tensor, radius: torch.Tensor, steps: int) -> Ascent:
    """Return the best of ``steps + 1`` points of the box ``middle [d] +- radius [d]``.

    ``evaluate(point)`` returns the value there and a function that returns the gradient ``[d]``, which is called once a
    step. The step size, in units of the radius, begins at 2 and is halved where too few steps went up.
    """
    value, gradient = evaluate(middle)
    slope = gradient()
    best, best_point, best_slope = value, middle, slope
    ascent = Ascent(value, value, slope, middle)
    point, before, size = middle, middle, 2.0
    ups, checked, best_then, halved = 0, 0, value, False
    looks = set(checkpoints(steps))
    for step in range(1, steps + 1):
        ahead = _inside(point + size * radius * slope.sign(), middle, radius)
        if step == 1:
            after = ahead
        else:
            after = _inside(point + MOMENTUM * (ahead - point) + (1 - MOMENTUM) * (point - before), middle, radius)
        now, gradient = evaluate(after)
        ups += now > value
        before, point, value = point, after, now
        if step < steps:
            slope = gradient()
        if value > best:
            best, best_point, best_slope = value, point, slope
        if step in looks:
            poor = ups < ENOUGH * (step - checked) or (not halved and best_then == best)
            if poor:
                size, value, slope = size / 2, best, best_slope
                point = before = best_point
            ups, checked, best_then, halved = 0, step, best, poor
    return Ascent(ascent.start, best, ascent.slope, best_point)


def _inside(point: torch.Tensor, middle: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    return torch.minimum(torch.maximum(point, middle - radius), middle + radius)
