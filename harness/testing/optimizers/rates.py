"""Checks the learning rate: the optimizer uses it, obeys a schedule, and has a good rate in its space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.errors import HarnessError
from harness.plugin.contracts import Optimizer, Scheduler
from harness.testing import problems
from harness.testing.driving import (
    SOME,
    STEADY,
    distance,
    start,
    step,
    times,
    torch_check,
    until,
    weights,
)
from harness.testing.optimizers.descent import train_on
from harness.testing.outcomes import NotApplicable, require
from harness.testing.problems import searches_lines, slope
from harness.testing.work import work_of

FEW = 3  # evaluations of the gradient in a step: SAM takes two
LOWEST = 1e6  # a space that reaches to 0 is looked at down to this part of its high end


@torch_check
def obeys_lr(offer: Optimizer) -> str:
    """Built with a greater rate, it moves farther, by about as much."""
    if searches_lines(offer):
        raise NotApplicable("it finds the lengths of its steps by a line search")
    low, high = _two_rates(offer)
    low_distance, high_distance = _moved(offer, {"lr": low}), _moved(offer, {"lr": high})
    _require_in_proportion(low_distance, high_distance, low, high, "built with")
    return ""


@torch_check
def obeys_schedule(offer: Optimizer) -> str:
    """It steps by the rate that a schedule has just written into its groups, and comes to rest where that is zero."""
    still, full = _moved(offer, {}, times(0.0)), _moved(offer, {})
    require(
        full > 0, f"must move at its default rate, stood still for {SOME} steps; does step() write into the weights?"
    )
    require(
        still <= 0.02 * full,  # some add an epsilon to the rate
        f"must stand still where the schedule says 0, moved {still / full:.2g} x as far as at its default rate; "
        "read group['lr'] in every step()",
    )
    parts = start(offer, slope(offer), {}, until(SOME), epochs=50 + SOME)
    step(parts, SOME + 40)
    late = weights(parts)
    step(parts, SOME)
    moved = distance(late, weights(parts)) / full
    require(
        moved <= 0.5,  # momentum may take its time
        f"must come to rest when the schedule falls to 0, moved {moved:.2g} x as far as at its default rate forty steps "
        "later; read group['lr'] in every step()",
    )
    if "lr" in offer.space and not searches_lines(offer):
        low, high = _two_rates(offer)
        high_distance = _moved(offer, {"lr": low}, times(high / low))
        _require_in_proportion(_moved(offer, {"lr": low}), high_distance, low, high, "scheduled to")
    return ""


def _two_rates(offer: Optimizer) -> tuple[float, float]:
    """Return the lowest rate of the space and ten times that, or the highest."""
    if "lr" not in offer.space:
        raise NotApplicable("its space has no lr")
    low, high = offer.space["lr"].low, offer.space["lr"].high  # type: ignore[attr-defined]
    low = max(low, high / 1e4)
    return low, min(10 * low, high)


def _moved(offer: Optimizer, settings: Mapping[str, Any], scheduler: Scheduler = STEADY) -> float:
    """Return how far some steps down a slope go."""
    parts = start(offer, slope(offer), settings, scheduler)
    before = weights(parts)
    step(parts, SOME)
    return distance(before, weights(parts))


def _require_in_proportion(low_distance: float, high_distance: float, low: float, high: float, setting: str) -> None:
    factor = high_distance / low_distance if low_distance else math.inf if high_distance else 0.0
    require(
        factor >= math.sqrt(high / low),
        f"must move about {high / low:.3g} x as far {setting} lr={high:.3g} as with lr={low:.3g}, moved {factor:.3g} x as "
        "far; use group['lr'] in step()",
    )


@torch_check
def space_brackets_best_lr(offer: Optimizer) -> str:
    """A rate within the declared space, off its ends, is as good for a small network as the best one anywhere."""
    if "lr" not in offer.space:
        raise NotApplicable("its space has no lr")
    space = offer.space["lr"]
    high = space.high  # type: ignore[attr-defined]
    low = max(space.low, high / LOWEST)  # type: ignore[attr-defined]
    count = max(3, round(2 * math.log10(high / low)) + 1)
    grid = [float(lr) for lr in np.geomspace(low, high, count)]
    losses = losses_at(offer, [low / 10, low / 10**0.5, *grid, high * 10**0.5, high * 10])
    inside = min(grid[1:-1], key=lambda lr: losses[lr])
    best = min(losses, key=lambda lr: losses[lr])
    place = "at its end" if best in grid else "outside"
    require(math.isfinite(losses[best]), "must train a small network at some rate, got no finite loss at any")
    require(
        losses[inside] <= 1.1 * losses[best] + 0.01,
        f"the space of lr, [{low:.3g}, {high:.3g}], must hold a good rate for a small network off its ends, got a loss of "
        f"{losses[inside]:.3g} at best there, and {losses[best]:.3g} at lr={best:.3g}, {place}; widen it",
    )
    return f"good at lr={inside:.2g}, within [{low:.2g}, {high:.2g}], loss {losses[inside]:.2g}"


def losses_at(offer: Optimizer, rates: Iterable[float]) -> dict[float, float]:
    """Return by learning rate the loss that an optimizer brings the reference network to; infinite where it cannot."""
    return {lr: _loss_at(offer, lr) for lr in rates}


def _loss_at(offer: Optimizer, lr: float) -> float:
    """Return the loss after some steps; one that evaluates the objective many times in a step gets all rows in each.

    It takes the objective for one function (LBFGS): on batches, its loss is luck.
    """
    problem, steps = problems.REFERENCE, 160
    try:
        if offer.closure and work_of(start(offer, problem), 2).gradients > FEW:
            problem, steps = replace(problem, batch_size=len(problem.rows)), 32
        return train_on(offer, problem, {"lr": lr}, steps)
    except (HarnessError, RuntimeError, ArithmeticError, ValueError):  # no rate for it
        return math.inf
