"""Defaults that a plugin does not declare, where they can be read without doubt.

The arguments of ``build`` have defaults of their own. Where ``build`` hands its keywords on, the optimizer that it builds
has the values that it took in ``defaults``. Such a value is used only if ``build`` makes the same optimizer when it is named.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Optimizer, Scheduler

ARGUMENTS = "the arguments of build"
BUILT = "the optimizer that build returns"
SHAPES = ((4, 3), (5,))  # of the weights for which an optimizer is built


@dataclass(frozen=True)
class ReadDefault:
    """A default that a plugin does not declare, and what it was read from."""

    value: int | float | str
    source: str


def read_defaults(offer: Optimizer | Scheduler, names: Iterable[str]) -> dict[str, ReadDefault]:
    """Return the defaults of hyperparameters that ``offer.defaults`` lacks, as far as they can be read.

    An optimizer is built for it, with its declared defaults. What the plugin raises there means that nothing can be read.
    """
    missing = [name for name in names if name not in offer.defaults]
    if not missing:
        return {}
    kind = "optimizer" if isinstance(offer, Optimizer) else "scheduler"
    read: dict[str, ReadDefault] = {}
    with suppress(PluginFailed), Boundary(kind, offer.name, "say its defaults", everything=True):
        read = {name: ReadDefault(value, ARGUMENTS) for name, value in _of_arguments(offer, missing).items()}
    rest = [name for name in missing if name not in read]
    if rest and isinstance(offer, Optimizer):
        with suppress(PluginFailed), Boundary(kind, offer.name, "be built with its defaults", everything=True):
            read |= {name: ReadDefault(value, BUILT) for name, value in _of_built(offer, rest).items()}
    return read


def _of_arguments(offer: Optimizer | Scheduler, names: Iterable[str]) -> dict[str, Any]:
    with suppress(TypeError, ValueError):  # some callables have no signature
        takes = inspect.signature(offer.build).parameters
        return {name: takes[name].default for name in names if name in takes and _is_plain(takes[name].default)}
    return {}


def _of_built(offer: Optimizer, names: Iterable[str]) -> dict[str, Any]:
    """Return the entries of the built optimizer's ``defaults`` that build the same optimizer when they are named."""
    plain = _build(offer, {})
    entries = {name: _entry(plain.defaults, name) for name in names}
    return {
        name: value for name, value in entries.items() if _is_plain(value) and _builds_alike(offer, plain, name, value)
    }


def _build(offer: Optimizer, settings: Mapping[str, Any]) -> Any:
    import torch

    from harness.training.stages import build_optimizer

    weights = [torch.nn.Parameter(torch.zeros(shape)) for shape in SHAPES]
    with torch.random.fork_rng(devices=[]):
        return build_optimizer(offer, offer.settings(settings), [weights])


def _entry(defaults: Mapping[str, Any], name: str) -> Any:
    """Return an entry by name; ``beta1`` is the first one of ``betas``. None where there is none."""
    betas, place = defaults.get("betas"), name.removeprefix("beta")
    if name not in defaults and name.startswith("beta") and place.isdecimal() and isinstance(betas, tuple | list):
        return dict(enumerate(betas, 1)).get(int(place))
    return defaults.get(name)


def _builds_alike(offer: Optimizer, plain: Any, name: str, value: Any) -> bool:
    with suppress(Exception):  # it may take no such keyword
        return _described(_build(offer, {name: value})) == _described(plain)
    return False


def _described(optimizer: Any) -> str:
    """Return all that an optimizer was built with, as text: a group may hold tensors, which do not compare."""
    groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    return repr((type(optimizer).__name__, optimizer.defaults, groups))


def _is_plain(value: Any) -> bool:
    """Return whether a value is one that a benchmark file can have; an argument without a default is none."""
    return isinstance(value, int | float | str)
