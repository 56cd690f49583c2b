"""Checks that an optimizer minimises functions whose minimum is known, and a small network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from harness.errors import one_line
from harness.plugin.contracts import Optimizer
from harness.testing import problems
from harness.testing.driving import (
    FALLING,
    SGD,
    STEADY,
    start,
    torch_check,
    value,
)
from harness.testing.outcomes import require
from harness.testing.problems import Problem
from harness.training.parts import Parts


@torch_check
def descends_quadratic(offer: Optimizer) -> str:
    """At some rate of its space it comes below a twentieth of where it began."""
    return _descends(offer, problems.BOWL, steps=300, part=0.05)


@torch_check
def descends_valley(offer: Optimizer) -> str:
    """At some rate of its space it finds the floor of the valley, a fifth as high as where it began."""
    return _descends(offer, problems.VALLEY, steps=300, part=0.2)


@torch_check
def descends_network(offer: Optimizer) -> str:
    """At some rate of its space it comes below half of the loss it began with."""
    return _descends(offer, problems.NETWORK, steps=60, part=0.5)


@torch_check
def trains_in_bf16(offer: Optimizer) -> str:
    """It trains the small network in mixed precision too, and keeps the weights in float32."""
    return _descends(offer, problems.NETWORK, steps=60, part=0.5, precision="bf16")


def _descends(offer: Optimizer, problem: Problem, steps: int, part: float, precision: str = "fp32") -> str:
    """Try the rates of the space, and the best once more with ten times as many steps, for those that begin slowly."""
    initial = value(start(SGD, problem))
    target, attempts = part * initial, []
    for settings in _tries(offer):
        attempts.append(_attempt(offer, problem, settings, steps, precision, target))
        if attempts[-1].loss <= target:
            break
    best = min(attempts, key=lambda attempt: attempt.loss)
    if target < best.loss < initial:
        steps *= 10
        best = _attempt(offer, problem, best.settings, steps, precision, target)
    trouble = next((attempt.trouble for attempt in attempts if attempt.trouble), "")
    require(
        best.loss <= target,
        f"must bring {problem.name} from {initial:.3g} below {target:.2g} within {steps} steps at some rate of its space, "
        f"got {best}{trouble}; is the sign of the step right, and the space wide enough?",
    )
    return f"from {initial:.3g} to {best} within {steps} steps"


@dataclass(frozen=True)
class _Attempt:
    """Where a training came with some settings, and what went wrong on the way."""

    settings: Mapping[str, float]
    loss: float
    trouble: str = ""

    def __str__(self) -> str:
        settings = ", ".join(f"{name}={rate:.3g}" for name, rate in self.settings.items())
        return (f"{self.loss:.2g}" if math.isfinite(self.loss) else "no finite value") + (
            f" at {settings}" if settings else ""
        )


def _attempt(
    offer: Optimizer, problem: Problem, settings: Mapping[str, float], steps: int, precision: str, target: float
) -> _Attempt:
    try:
        return _Attempt(settings, train_on(offer, problem, settings, steps, precision, target))
    except (RuntimeError, ArithmeticError, ValueError) as error:  # one rate may be too high for it
        return _Attempt(settings, math.inf, f" ({one_line(error)})")


def _tries(offer: Optimizer) -> Iterator[dict[str, float]]:
    """Yield settings to try: the defaults, then rates from high to low; less is enough where the first ones work."""
    yield {}
    if "lr" in offer.space:
        space = offer.space["lr"]
        low, high = space.low, space.high  # type: ignore[attr-defined]
        yield from ({"lr": float(lr)} for lr in np.geomspace(high, max(low, high / 1e6), 9))


def train_on(
    offer: Optimizer,
    problem: Problem,
    settings: Mapping[str, Any],
    steps: int,
    precision: str = "fp32",
    below: float = -math.inf,
) -> float:
    """Return the loss after so many steps, under a rate that falls to zero unless the optimizer wants none.

    It ends early where the loss is ``below`` already, or no number.
    """
    scheduler = FALLING if offer.scheduled else STEADY
    parts = start(offer, problem, settings, scheduler, _epochs(problem, steps), precision)
    loss = math.inf
    for epoch in range(1, parts.run.epochs + 1):
        for inputs, targets in _batches(parts, epoch):
            parts.step(inputs, targets)
        if epoch in {-(-parts.run.epochs * eighths // 8) for eighths in range(1, 9)}:  # looking costs time too
            loss = value(parts)
            if loss <= below or not math.isfinite(loss):
                break
            next(parts.resume(None, 1))  # back to training
    in_float32 = all(p.dtype == torch.float32 for p in parts.parameters)
    require(in_float32, "must leave the weights in float32, changed their type; write into them in place")
    return loss


def _epochs(problem: Problem, steps: int) -> int:
    return steps // (len(problem.rows) // problem.batch_size)


def _batches(parts: Parts, epoch: int) -> Iterable[tuple[torch.Tensor, Any]]:
    """Return the batches of an epoch; a single row needs no drawing of an order."""
    rows = parts.ingredients.train
    return [(rows.inputs, rows.targets)] if len(rows) == 1 else parts.batches.of(epoch)
