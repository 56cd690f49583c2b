"""Checks parameters in groups, with names, in other memory layouts, and without a gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from harness.errors import one_line
from harness.plugin.contracts import Optimizer
from harness.testing import problems
from harness.testing.driving import (
    SOME,
    Weights,
    distance,
    same,
    start,
    step,
    torch_check,
    weights,
)
from harness.testing.outcomes import NotApplicable, require
from harness.testing.problems import slope


@torch_check
def several_groups(offer: Optimizer) -> str:
    """Two groups with rates of their own move as each would under its rate alone."""
    first, second = _group_rates(offer)
    before = weights(start(offer, slope(offer)))
    together = _after(offer, {"lr": first}, lambda p: [{"params": p[:2]}, {"params": p[2:], "lr": second}])
    alone = {rate: _after(offer, {"lr": rate}) if rate else before for rate in (first, second)}
    for place, group, rate in (("first", slice(2), first), ("second", slice(2, None), second)):
        moved = distance(before[group], alone[rate][group])
        off = distance(together[group], alone[rate][group])
        require(
            off <= 1e-3 * max(moved, 1e-6),
            f"the {place} of two parameter groups (lr={first:.3g} and lr={second:.3g}) must move as it would under "
            f"lr={rate:.3g} alone, ended {off:.2g} away from there, having moved {distance(before[group], together[group]):.2g}; "
            "take all settings from the group at hand in step()",
        )
    return ""


def _group_rates(offer: Optimizer) -> tuple[float, float]:
    """Return the default rate and half of it, or zero where the optimizer finds its rate itself."""
    base = float(start(offer, slope(offer)).optimizer.param_groups[0]["lr"])
    return (base, base / 2) if "lr" in offer.space else (base, 0.0)


def _after(offer: Optimizer, settings: Mapping[str, Any], given: Any = None) -> Weights:
    parts = start(offer, slope(offer), settings, given=given)
    step(parts, SOME)
    return weights(parts)


@torch_check
def without_gradient(offer: Optimizer) -> str:
    """A parameter that the loss does not see has no gradient: it stays where it is, and the others move."""
    parts = start(offer, slope(offer, idle=True))
    before = weights(parts)
    step(parts, SOME)
    left, *moved = zip(before, weights(parts), strict=True)  # a module's own parameters come first
    require(
        torch.equal(*left), "must leave a parameter whose gradient is None where it is, moved it; skip it in step()"
    )
    require(
        all(not torch.equal(a, b) for a, b in moved),
        "must move all parameters that have gradients, left some where they were; go through all groups in step()",
    )
    return ""


@torch_check
def named_parameters(offer: Optimizer) -> str:
    """Given (name, parameter) pairs, as torch.optim takes them, it does the same."""
    try:
        named = _after(offer, {}, lambda p: [(f"weights.{i}", parameter) for i, parameter in enumerate(p)])
    except Exception as error:
        raise NotApplicable(f"it takes no (name, parameter) pairs: {one_line(error):.80}") from error
    require(
        same(named, _after(offer, {})),
        "must do the same with named and unnamed parameters, ended elsewhere; go by no name",
    )
    return ""


@torch_check
def channels_last(offer: Optimizer) -> str:
    """It steps alike in the layout that the kernels of convolutions have on a GPU."""
    plain, reseeded = _in_layout(offer, torch.contiguous_format), _in_layout(offer, torch.contiguous_format, seed=1)
    if not same(plain, reseeded):
        raise NotApplicable("it draws at random")
    moved = distance(plain, weights(start(offer, problems.BOWL)))
    off = distance(plain, _in_layout(offer, torch.channels_last))
    require(
        off <= 0.02 * moved,
        f"must step alike in the channels_last layout, ended elsewhere by {off / moved:.2g} times the distance that the weights "
        "moved; use reshape() and no view() of a weight",
    )
    return ""


def _in_layout(offer: Optimizer, layout: torch.memory_format, seed: int = 0) -> Weights:
    """Return the weights after some steps."""
    parts = start(offer, problems.BOWL)
    parts.model.to(memory_format=layout)  # type: ignore[call-overload]
    torch.manual_seed(seed)
    step(parts, SOME)
    return weights(parts)
