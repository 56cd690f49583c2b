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
    once, again, anew = (_found(offer, given) for given in (parts, parts, _trained(offer)))
    if not once:
        raise NotApplicable("it has nothing to say of a small network")
    for name, found in once.items():
        require(isinstance(name, str), f"must name its numbers with texts, got {name!r}")
        _require_finite(name, found)
    for other in (again, anew):
        told = f"must measure the same twice, got {_shown(once)} and {_shown(other)}; seed what it draws"
        require(once.keys() == other.keys(), told)
        require(all(np.array_equal(once[name], other[name], equal_nan=True) for name in once), told)
    return _shown(once)


@torch_check
def either_order(offer: Probe) -> str:
    """A pair has the same numbers whichever network comes first."""
    if offer.networks != 2:
        raise NotApplicable("it does not measure pairs")
    there, back = (_numbers(_found(offer, given)) for given in (_trained(offer), _trained(offer)[::-1]))
    require(
        there.keys() == back.keys(), f"must name the same numbers in either order, got {list(there)} and {list(back)}"
    )
    for name, number in there.items():
        require(
            math.isclose(number, back[name], rel_tol=ORDER, abs_tol=ORDER),
            f"'{name}' must be the same in either order, got {number:.6g} and {back[name]:.6g}; what is of one of the "
            f"two alone is for a probe of one network",
        )
    return ""


@torch_check
def leaves_the_network(offer: Probe) -> str:
    """Weights, buffers, what is trained, the mode and the hooks of every network are what they were."""
    parts = _trained(offer)
    before = [_state(each) for each in parts]
    _found(offer, parts)
    for each, (tensors, switches) in zip(parts, before, strict=True):
        after, switched = _state(each)
        changed = [name for name, tensor in tensors.items() if not torch.equal(tensor, after[name])]
        weights = {name for name, _ in each.model.named_parameters()}
        kind = "weights" if changed and changed[0] in weights else "buffers"
        cure = "measure on a copy" if kind == "weights" else "use model.eval()"
        require(not changed, f"must leave {kind} as they were, changed '{changed[0] if changed else ''}'; {cure}")
        for what, said in switches.items():
            require(said == switched[what], f"must leave {what} as it was, changed it; set it back in a finally")
    return ""


def _found(offer: Probe, parts: list[Parts]) -> dict[str, Any]:
    return dict(offer.measure(*parts, **offer.options))


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers without the arrays."""
    return {name: float(number) for name, number in found.items() if not getattr(number, "ndim", 0)}


def _require_finite(name: str, found: Any) -> None:
    """Require a finite number, or an array of numbers."""
    if getattr(found, "ndim", 0):
        kind = np.asarray(found).dtype
        require(kind.kind in "biuf", f"'{name}' must be an array of numbers, got one of {kind}")
        return
    try:
        number = float(found)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"'{name}' must be a number, got {one_line(error)}") from error
    require(math.isfinite(number), f"'{name}' must be a finite number, got {number}; leave out what is not known")


def _shown(found: Mapping[str, Any]) -> str:
    arrays = [f"{name} {list(each.shape)}" for name, each in found.items() if getattr(each, "ndim", 0)]
    return ", ".join([f"{name} {number:.3g}" for name, number in _numbers(found).items()] + arrays)


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
    use = ingredients(SGD, problem, STEADY)
    run = run_of(SGD, problem, STEADY, 1, phase="compare", init_seed=seed, order_seed=seed)
    parts = assemble(run, replace(use, test=use.train), CPU)
    next(parts.resume(None, 1))
    step(parts, 5)
    value(parts)
    return parts


QUICK = [measures, either_order, leaves_the_network]
FULL: list[Any] = []
