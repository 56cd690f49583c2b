"""What a probe must do: measure numbers, the same twice, of a pair in either order, and leave the networks as they were."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from harness.errors import one_line
from harness.plugin.contracts import Probe
from harness.testing import problems
from harness.testing.driving import CPU, SGD, STEADY, ingredients, run_of, step, torch_check, value
from harness.testing.outcomes import NotApplicable, require
from harness.training.parts import Parts, assemble

ORDER = 1e-3  # relative: what computing in another order, in float32, may change


@torch_check
def measures(offer: Probe) -> str:
    """It returns finite numbers by name, the same when it measures again, whatever it kept of the networks."""
    parts = _trained(offer)
    first, repeated, rebuilt = (_found(offer, networks) for networks in (parts, parts, _trained(offer)))
    if not first:
        raise NotApplicable("it has nothing to say of a small network")
    for name, number in first.items():
        require(isinstance(name, str), f"must name its numbers with texts, got {name!r}")
        _require_finite(name, number)
    for later in (repeated, rebuilt):
        fault = f"must measure the same twice, got {_shown(first)} and {_shown(later)}; seed what it draws"
        require(first.keys() == later.keys(), fault)
        require(all(np.array_equal(first[name], later[name], equal_nan=True) for name in first), fault)
    return _shown(first)


@torch_check
def either_order(offer: Probe) -> str:
    """A pair has the same numbers whichever network comes first."""
    if offer.networks != 2:
        raise NotApplicable("it does not measure pairs")
    forward, backward = (_numbers(_found(offer, pair)) for pair in (_trained(offer), _trained(offer)[::-1]))
    require(
        forward.keys() == backward.keys(),
        f"must name the same numbers in either order, got {list(forward)} and {list(backward)}",
    )
    for name, number in forward.items():
        require(
            math.isclose(number, backward[name], rel_tol=ORDER, abs_tol=ORDER),
            f"'{name}' must be the same in either order, got {number:.6g} and {backward[name]:.6g}; what is of one of the "
            f"two alone is for a probe of one network",
        )
    return ""


@torch_check
def leaves_the_network(offer: Probe) -> str:
    """Weights, buffers, what is trained, the mode and the hooks of every network are what they were."""
    parts = _trained(offer)
    before = [_state(network) for network in parts]
    _found(offer, parts)
    for network, (tensors, switches) in zip(parts, before, strict=True):
        after, switched = _state(network)
        changed = [name for name, tensor in tensors.items() if not torch.equal(tensor, after[name])]
        weights = {name for name, _ in network.model.named_parameters()}
        kind = "weights" if changed and changed[0] in weights else "buffers"
        cure = "measure on a copy" if kind == "weights" else "use model.eval()"
        require(not changed, f"must leave {kind} as they were, changed '{changed[0] if changed else ''}'; {cure}")
        for switch, state in switches.items():
            require(state == switched[switch], f"must leave {switch} as it was, changed it; set it back in a finally")
    return ""


def _found(offer: Probe, parts: list[Parts]) -> dict[str, Any]:
    return dict(offer.measure(*parts, **offer.options))


def _numbers(measured: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers without the arrays."""
    return {name: float(number) for name, number in measured.items() if not getattr(number, "ndim", 0)}


def _require_finite(name: str, value: Any) -> None:
    """Require a finite number, or an array of numbers."""
    if getattr(value, "ndim", 0):
        kind = np.asarray(value).dtype
        require(kind.kind in "biuf", f"'{name}' must be an array of numbers, got one of {kind}")
        return
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"'{name}' must be a number, got {one_line(error)}") from error
    require(math.isfinite(number), f"'{name}' must be a finite number, got {number}; leave out what is not known")


def _shown(measured: Mapping[str, Any]) -> str:
    arrays = [f"{name} {list(array.shape)}" for name, array in measured.items() if getattr(array, "ndim", 0)]
    return ", ".join([f"{name} {number:.3g}" for name, number in _numbers(measured).items()] + arrays)


def _state(parts: Parts) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return copies of weights and buffers, and what else of a network a probe can switch, by what it is called."""
    modules = list(parts.model.modules())
    return {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}, {
        "the evaluation mode": [module.training for module in modules],
        "what asks for gradients": [parameter.requires_grad for parameter in parts.model.parameters()],
        "the hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules],
    }


def _trained(offer: Probe) -> list[Parts]:
    """Return as many small networks as the probe looks at, of other seeds, after some steps of SGD."""
    return [_network(seed) for seed in range(1, offer.networks + 1)]


def _network(seed: int) -> Parts:
    """Return a network as a probe meets it: in evaluation mode, with a test split."""
    problem = problems.NORMALISED
    parts_of_run = ingredients(SGD, problem, STEADY)
    run = run_of(SGD, problem, STEADY, 1, phase="compare", init_seed=seed, order_seed=seed)
    parts = assemble(run, replace(parts_of_run, test=parts_of_run.train), CPU)
    next(parts.resume(None, 1))
    step(parts, 5)
    value(parts)
    return parts


QUICK = [measures, either_order, leaves_the_network]
FULL: list[Any] = []
