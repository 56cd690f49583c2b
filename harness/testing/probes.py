"""What a probe must do: measure numbers, the same twice, and leave the network as it was."""

from __future__ import annotations

import math
from typing import Any

import torch

from harness.contracts import Probe
from harness.errors import one_line
from harness.testing import problems
from harness.testing.driving import SGD, same, start, step, torch_check, weights
from harness.testing.outcomes import NotApplicable, require
from harness.training.parts import Parts


@torch_check
def measures(offer: Probe) -> str:
    """It returns finite numbers by name, the same when it measures again."""
    parts = _trained()
    once, again = dict(offer.measure(parts)), dict(offer.measure(parts))
    if not once:
        raise NotApplicable("it has nothing to say of a small network")
    for name, found in once.items():
        require(isinstance(name, str), f"must name its numbers with texts, got {name!r}")
        try:
            number = float(found)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"'{name}' must be a number, got {one_line(error)}") from error
        require(math.isfinite(number), f"'{name}' must be a finite number, got {number}")
    require(once == again, f"must measure the same twice, got {once} and {again}; seed what it draws")
    return ", ".join(f"{name} {float(found):.3g}" for name, found in once.items())


@torch_check
def leaves_the_network(offer: Probe) -> str:
    """Weights, buffers and the optimizer's state are what they were."""
    parts = _trained()
    before, state = weights(parts), {k: v.clone() for k, v in parts.model.state_dict().items()}
    offer.measure(parts)
    require(same(before, weights(parts)), "must leave the weights as they were, changed them; measure on a copy")
    after = parts.model.state_dict()
    changed = [name for name, tensor in state.items() if not torch.equal(tensor, after[name])]
    require(
        not changed, f"must leave buffers as they were, changed '{changed[0] if changed else ''}'; use model.eval()"
    )
    return ""


def _trained() -> Parts:
    """Return a small network after some steps of SGD."""
    parts = start(SGD, problems.NORMALISED)
    step(parts, 5)
    return parts


QUICK = [measures, leaves_the_network]
FULL: list[Any] = []
