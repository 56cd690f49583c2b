"""The classes of pytorch_optimizer that go around another optimizer; by themselves they go around AdamW.

``pytorch_optimizer:Lookahead(adam)`` goes around adam. Where a wrapper and the inner optimizer have a hyperparameter of
one name, it is the inner one's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from harness import Optimizer, PluginError
from harness_plugins.optimizers import _adapted, _library, _limits

Inner = Callable[..., Any]  # the ``build`` of the inner optimizer


@dataclass(frozen=True)
class Wrapper:
    """How a class goes around another optimizer, and what it declares."""

    make: Callable[
        ..., Any
    ]  # (class, build of the inner one, parameters, its own hyperparameters, the inner one's, network)
    own: Mapping[str, Any] = field(default_factory=dict)  # its hyperparameters, with their defaults
    declares: Mapping[str, Any] = field(default_factory=dict)
    inner: Mapping[str, Any] = field(default_factory=dict)  # of AdamW, where it goes around that


def _around_built(class_: Any, build: Inner, parameters: Any, own: Any, settings: Any, network: Any) -> Any:
    return class_(build(parameters, **settings), **own)


def _drawing(class_: Any, build: Inner, parameters: Any, own: Any, settings: Any, network: Any) -> Any:
    return _library.seeded(class_)(build(parameters, **settings), **own)


def _perturbing(class_: Any, build: Inner, parameters: Any, own: Any, settings: Any, network: Any) -> Any:
    adapted = _adapted.evaluated_first(class_)
    return adapted(_adapted.groups_of(parameters, settings["lr"]), build, **own, **settings)


def _perturbing_network(class_: Any, build: Inner, parameters: Any, own: Any, settings: Any, network: Any) -> Any:
    return class_(network, _adapted.groups_of(parameters, settings["lr"]), build, **own, **settings)


def _surrogate_gap(class_: Any, build: Inner, parameters: Any, own: Any, settings: Any, network: Any) -> Any:
    rest = {name: value for name, value in own.items() if name != "rho"}
    radius = _adapted.constant(own["rho"])
    return _adapted.with_outputs(class_)(
        _adapted.groups_of(parameters, settings["lr"]), build(parameters, **settings), network, radius, **rest
    )


TWICE = {"closure": True}
TWICE_OF_NETWORK = {"closure": True, "needs": ("network",)}
AVERAGES = {"switches": True, "scheduled": False}
WRAPPERS = {
    "Lookahead": Wrapper(_around_built, {"k": 5, "alpha": 0.5}),
    "OrthoGrad": Wrapper(_around_built),
    "TRAC": Wrapper(_around_built),
    "Magma": Wrapper(_drawing, {"mask_prob": 0.5, "tau": 2.0}),
    "ScheduleFreeWrapper": Wrapper(_around_built, {"momentum": 0.9}, AVERAGES, {"beta1": 0.0}),
    "SAM": Wrapper(_perturbing, {"rho": 0.05, "adaptive": False}, TWICE),
    "FriendlySAM": Wrapper(_perturbing, {"rho": 0.05, "sigma": 1.0, "lmbda": 0.9}, TWICE),
    "LookSAM": Wrapper(_perturbing, {"rho": 0.1, "k": 10, "alpha": 0.7}, TWICE),
    "WSAM": Wrapper(_perturbing_network, {"rho": 0.05, "gamma": 0.9}, TWICE_OF_NETWORK),
    "GSAM": Wrapper(_surrogate_gap, {"rho": 0.05, "alpha": 0.4}, TWICE_OF_NETWORK),
}


def alone(name: str, class_: Any, rates: tuple[float, float], failures: Mapping[str, str]) -> Optimizer:
    """Return a wrapper around AdamW, whose learning rate is searched between ``rates``."""
    import torch

    adamw = _library.offer("torch:AdamW", torch.optim.AdamW, torch.optim.AdamW, rates)
    adamw = replace(adamw, defaults=adamw.settings(WRAPPERS[name].inner))
    return replace(around(adamw, name, class_), known_failures=failures)


def around(inner: Optimizer, name: str, class_: Any) -> Optimizer:
    """Return a wrapper around an optimizer; raises PluginError for one whose steps it cannot use."""
    wrapper = WRAPPERS[name]
    full = f"pytorch_optimizer:{name}"
    if inner.closure or inner.switches:
        reason = "calls a closure" if inner.closure else "evaluates other weights than it trains"
        raise PluginError(
            f"{full} must go around one that takes a gradient as it is, got '{inner.name}', which {reason}"
        )
    if "network" in inner.needs:
        raise PluginError(
            f"{full} must go around one that moves the groups it is given, got '{inner.name}', which makes others"
        )
    if inner.second_order:
        raise PluginError(f"{full} must go around one that needs first derivatives only, got '{inner.name}'")
    taken = {*inner.space, *inner.defaults, *inner.limits}
    own_defaults = {name: value for name, value in wrapper.own.items() if name not in taken}

    def build(parameters: Any, **hyperparameters: Any) -> Any:
        network = hyperparameters.get("network")
        passed = {*inner.needs, *hyperparameters.keys() - {*own_defaults, "network"}}
        settings = {name: value for name, value in hyperparameters.items() if name in passed}
        wrapper_values = {
            **wrapper.own,
            **{name: value for name, value in hyperparameters.items() if name in own_defaults},
        }
        return wrapper.make(class_, inner.build, parameters, wrapper_values, settings, network)

    declares = {**wrapper.declares, "needs": (*inner.needs, *wrapper.declares.get("needs", ()))}
    return replace(
        inner,
        name=full,
        build=build,
        defaults=inner.settings(own_defaults),
        limits={**inner.limits, **_limits.limits(*({"rho"} & own_defaults.keys()))},
        captured=None,
        around=partial(around, name=name, class_=class_),
        reference=f"{class_.__module__}.{class_.__name__}",
        **declares,
    )
