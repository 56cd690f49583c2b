"""Checks what an optimizer declares about itself, and measures what it costs."""

from __future__ import annotations

from typing import Any

from harness.plugin.contracts import Optimizer
from harness.testing import problems
from harness.testing.driving import (
    SGD,
    distance,
    same,
    start,
    state_tensors,
    step,
    torch_check,
    trained_on,
    weights,
)
from harness.testing.outcomes import NotApplicable, require
from harness.testing.tape import NoRecorder
from harness.testing.work import Work, work_of
from harness.training.device import Device
from harness.training.graphs import Recorder
from harness.training.parts import Parts
from harness.training.repeatable import repeatable_here

COUNTED = 20  # steps; some do something every tenth


@torch_check
def switches(offer: Optimizer) -> str:
    """One that evaluates other weights than it trains says so; going there and back changes no weight."""
    parts = start(offer, problems.NETWORK)
    optimizer: Any = parts.optimizer
    has = callable(getattr(optimizer, "train", None)) and callable(getattr(optimizer, "eval", None))
    if not has and not offer.switches:
        raise NotApplicable("it evaluates the weights it trains")
    require(has, "must have train() and eval(), as switches=True says, has not; add them, or leave out switches=True")
    step(parts, 10)
    if not offer.switches:
        optimizer.train()
    training = weights(parts)
    optimizer.eval()
    if not offer.switches:
        require(
            same(training, weights(parts)), "must be declared with switches=True, for its eval() changes the weights"
        )
        return ""
    evaluated = weights(parts)
    optimizer.eval()
    require(
        same(evaluated, weights(parts)),
        "eval() twice must be as eval() once, changed the weights again; do nothing where the weights are switched already",
    )
    optimizer.train()
    back = distance(training, weights(parts))
    away = distance(training, evaluated)
    require(away > 0, "eval() must give other weights than it trains, gave the same; leave out switches=True")
    require(
        back <= 1e-3 * away,
        f"train() must bring back the weights from before eval(), left them away by {back / away:.2g} times the distance that "
        "eval() moves them; "
        "keep a copy of them in eval()",
    )
    return ""


@torch_check
def captured_steps(offer: Optimizer) -> str:
    """On a GPU, a CUDA graph has its steps as ``captured`` says, and gives the weights of eager steps to the last bit."""
    import torch

    if offer.captured is None:
        raise NotApplicable("it declares no captured=, so that on a GPU it steps eagerly")
    if not torch.cuda.is_available():
        raise NotApplicable("there is no GPU here")
    with repeatable_here():
        require_captured(offer, Device("cuda:0", "fp32", torch.get_num_threads()))
    return ""


def require_captured(offer: Optimizer, device: Device, recorder: Recorder | None = None) -> None:
    """Raise AssertionError where recorded steps are not whole steps, or give other weights than eager ones."""
    graphed = trained_on(device, offer, problems.NETWORK, 6, recorder)
    eager = trained_on(device, offer, problems.NETWORK, 6, recorder=NoRecorder())
    assert graphed.way is not None
    cure = "mend step(), or leave out captured="
    require(graphed.way.name == "captured", f"must take steps that a graph can have, got {graphed.way.line}; {cure}")
    same_weights = same(weights(eager), weights(graphed))
    require(same_weights, f"must give the same weights in a graph and without, gave others; {cure}")


@torch_check
def cost(offer: Optimizer) -> str:
    """What it takes, counted: memory of its state against that of the weights, and the work of a step against plain SGD's."""
    candidate, sgd = start(offer, problems.WIDE), start(SGD, problems.WIDE)
    for parts in (candidate, sgd):
        step(parts, 2)  # the first ones make the state
    size = sum(tensor.nbytes for tensor in state_tensors(candidate)) / sum(p.nbytes for p in candidate.parameters)
    work, plain = work_of(candidate, COUNTED), work_of(sgd, COUNTED)
    return f"state {size:.1f} x the weights; a step: {_in_words(work, candidate)}; plain SGD's: {_in_words(plain, sgd)}"


def _in_words(work: Work, parts: Parts) -> str:
    """Return the work of a step for a person."""
    count_of_weights = sum(p.numel() for p in parts.parameters)
    counts = (
        (work.gradients, "gradient", "gradients"),
        (work.operations / count_of_weights, "operation a weight", "operations a weight"),
    )
    return " and ".join(f"{count:.3g} {singular if count == 1 else many}" for count, singular, many in counts)
