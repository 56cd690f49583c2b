"""Checks that a run can be stopped, continued and repeated."""

from __future__ import annotations

import json
from typing import Any

import torch

from harness.errors import PluginError
from harness.plugin.contracts import Optimizer
from harness.testing import problems
from harness.testing.driving import (
    FALLING,
    as_from_disk,
    same,
    start,
    step,
    torch_check,
    weights,
)
from harness.testing.optimizers.attributes import differences
from harness.testing.outcomes import NotApplicable, require
from harness.training.loop import train
from harness.training.parts import Parts
from harness.training.state import flatten, restore

BEFORE = 7  # steps before a stop: no counter that starts again at 2, 5 or 10 is at 0 then


@torch_check
def state_round_trip(offer: Optimizer) -> str:
    """Its state is tensors and plain values, and comes back from JSON and ``load_state_dict`` as it was."""
    _needs_saved_state(offer)
    parts = start(offer, problems.NETWORK)
    step(parts, 5)
    plain, tensors = _flat(parts)
    fresh = start(offer, problems.NETWORK)
    fresh.optimizer.load_state_dict(restore(json.loads(json.dumps(plain)), tensors))
    plain_after, tensors_after = _flat(fresh)
    for name, tensor in tensors.items():
        restored = tensors_after.get(name)
        require(
            restored is not None and restored.dtype == tensor.dtype and torch.equal(restored, tensor),
            f"load_state_dict() must bring back what state_dict() gave, got another '{name}'"
            + (
                f" ({restored.dtype} for {tensor.dtype})"
                if restored is not None and restored.dtype != tensor.dtype
                else ""
            ),
        )
    require(plain == plain_after, "load_state_dict() must bring back what state_dict() gave, got other plain values")
    return ""


@torch_check
def continues_from_state(offer: Optimizer) -> str:
    """Stopped after an epoch and gone on from the state in a file, it ends with the same weights, to the last bit."""
    _needs_saved_state(offer)
    uninterrupted = _network(offer)
    states = [as_from_disk(epoch.state()) for epoch in train(uninterrupted.run, uninterrupted) if epoch.state]
    for state in states[:-1]:
        resumed = _network(offer)
        list(train(resumed.run, resumed, state))
        require(
            same(weights(uninterrupted), weights(resumed)),
            f"must go on from its saved state bit-equal to not stopping, ended elsewhere after a stop at step "
            f"{4 * state.plain['epoch']}; keep all of the state in self.state and the groups",
        )
    return ""


@torch_check
def keeps_attributes(offer: Optimizer) -> str:
    """Whatever it keeps beside its state and its groups comes back too: after one more step ``vars()`` of both are equal.

    A counter that acts at every fiftieth step would be lost without a trace in few steps. What is made anew in every step,
    and what differs between two equal trainings (a time), is no state.
    """
    _needs_saved_state(offer)
    trained, second, resumed = (start(offer, problems.NETWORK) for _ in range(3))
    for parts in (trained, second):
        torch.manual_seed(0)
        step(parts, BEFORE)
    plain, tensors = _flat(trained)
    resumed.model.load_state_dict(trained.model.state_dict())
    resumed.optimizer.load_state_dict(restore(plain, tensors))
    for parts in (trained, second, resumed):
        torch.manual_seed(1)
        step(parts)
    unsteady = {place for place, *_ in differences(trained.optimizer, second.optimizer)}
    lost = [entry for entry in differences(trained.optimizer, resumed.optimizer) if entry[0] not in unsteady]
    if lost:
        place, value_kept, value_lost = lost[0]
        raise AssertionError(
            f"state_dict() and load_state_dict() must bring back everything it keeps, lost '{place}' ({value_kept}, and {value_lost} "
            "after a stop); keep it in self.state or the groups, or return it from state_dict() too"
        )
    return ""


@torch_check
def deterministic(offer: Optimizer) -> str:
    """Two runs with the same seeds end with the same weights, to the last bit."""
    first, second = _network(offer), _network(offer)
    for parts in (first, second):
        list(train(parts.run, parts))
    require(
        same(weights(first), weights(second)),
        "must end with the same weights under the same seeds, got others; draw from torch's generator alone",
    )
    return ""


def _needs_saved_state(offer: Optimizer) -> None:
    if not offer.resumes:
        raise NotApplicable("its state cannot be saved, as resumes=False says: a run that is killed begins again")


def _network(offer: Optimizer) -> Parts:
    """Return a training on batches; of one that evaluates its closure at its lowest rate, for LBFGS may diverge on them."""
    lowest = {"lr": offer.space["lr"].low} if offer.closure and "lr" in offer.space else {}  # type: ignore[attr-defined]
    return start(offer, problems.LARGER, lowest, FALLING, epochs=3)


def _flat(parts: Parts) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return the optimizer's state as the run folder keeps it; AssertionError where it cannot."""
    tensors: dict[str, torch.Tensor] = {}
    try:
        plain = flatten(parts.optimizer.state_dict(), "state_dict", tensors)
    except PluginError as error:
        raise AssertionError(str(error)) from error
    return json.loads(json.dumps(plain)), tensors
