"""Checks gradients of zero and of NaN, and that a step leaves the gradients as they were."""

from __future__ import annotations

import math
from typing import Any

import torch

from harness.errors import PluginError
from harness.plugin.contracts import Optimizer
from harness.testing import problems
from harness.testing.driving import (
    SOME,
    Weights,
    distance,
    finite,
    start,
    state_tensors,
    step,
    torch_check,
    weights,
)
from harness.testing.outcomes import NotApplicable, require
from harness.testing.problems import slope
from harness.training.parts import Parts


@torch_check
def zero_gradient(offer: Optimizer) -> str:
    """A gradient of zeros, first or later, leaves finite weights and state, and the next step moves again."""
    for first in (0, 2):
        parts = start(offer, slope(offer))
        step(parts, first)
        step(parts, 2, scale=0.0)
        require(
            finite(weights(parts)) and finite(state_tensors(parts)),
            f"must keep weights and state finite on a gradient of zeros {'after some steps' if first else 'at the start'}, "
            "got others; do not divide by a gradient's size without an epsilon",
        )
        before = weights(parts)
        step(parts, SOME)
        require(
            distance(before, weights(parts)) > 0,
            f"must move again after a gradient of zeros, stood still for {SOME} steps; keep no scale that a zero gradient "
            "has made 0",
        )
    return ""


@torch_check
def nan_gradient(offer: Optimizer) -> str:
    """A gradient that is not a number shows: as an error, in the weights or the state, or to the loop itself."""
    parts = start(offer, slope(offer))
    step(parts, 2)
    poisoned: Any = parts.parameters[1]
    handle = poisoned.register_hook(lambda gradient: torch.full_like(gradient, math.nan))
    try:
        step(parts)
        seen = not bool(parts.objective.gradient_is_finite())
        handle.remove()
        step(parts, 2)
    except PluginError:
        return "raises an error"
    if not finite(weights(parts)):
        return ""
    require(
        seen or offer.closure or not finite(state_tensors(parts)),
        "must not hide a gradient of NaN, went on with finite weights and state, and p.grad was finite after the step; "
        "leave p.grad as it is, so that the loop sees that the run diverged",
    )
    in_state = "" if finite(state_tensors(parts)) else ", though its state does not"
    looks = "" if offer.closure else "; it looks at the gradient once an epoch"
    return f"weights stay finite after a NaN gradient{in_state}: the loop cannot see it from the weights{looks}"


@torch_check
def keeps_gradients(offer: Optimizer) -> str:
    """A step leaves the gradients as they were, for whoever looks at them after it."""
    if offer.closure:
        raise NotApplicable("it evaluates its closure, the gradients are its own")
    parts = start(offer, problems.NETWORK)
    for _ in range(3):
        before = _gradients(parts)
        step(parts)
        after = [p.grad for p in parts.parameters]
        require(
            all(a is None or torch.equal(a, b) for a, b in zip(after, before, strict=True)),
            "must leave p.grad as it was, changed it; work on a copy, not with p.grad.mul_() and its like",
        )
    return ""


def _gradients(parts: Parts) -> Weights:
    rows = parts.ingredients.train
    inputs, targets = rows.inputs[: parts.run.batch_size], rows.targets[: parts.run.batch_size]
    loss = parts.ingredients.task.loss(parts.model(inputs), targets)
    graph = parts.ingredients.optimizer.second_order  # with which the last bits may be others
    return [gradient.detach() for gradient in torch.autograd.grad(loss, parts.parameters, create_graph=graph)]
