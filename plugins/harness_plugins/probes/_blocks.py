"""What the parts of a network are given, in the order in which it uses them: representations, found by running it.

A *unit* is a child of the network: a layer, or a block of them, such as a residual or a transformer block; what only
holds others in a row is taken apart. A representation is what a unit with weights is given, which is all that the units
before it have to say, whatever stands between them: normalisation, activation, pooling, a function without a module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

HOLDERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)  # themselves, not what derives from them and may do more
ENOUGH = 5  # units with weights: one before, one after and three between; where there are fewer, blocks are taken apart
BLOCKS = 3  # representations at a quarter, a half and three quarters of the depth
BATCH = 512


@dataclass(frozen=True)
class Place:
    """Where a representation is: what a module is given when it is called for the n-th time in a forward pass."""

    name: str  # of the module, its path in the network
    call: int = 0


@torch.no_grad()
def places(network: nn.Module, inputs: torch.Tensor) -> tuple[Place | None, list[Place]]:
    """Return where the penultimate representation and those of at most three blocks are, the earliest block first.

    The penultimate is what the last layer with weights is given. What comes in before any weights is no representation,
    so a network of a single layer has none: ``(None, [])``. ``inputs [B, ...]``; the network is in evaluation mode.
    """
    last = _calls(network, inputs, {name: module for name, module in network.named_modules() if _own_weights(module)})
    calls = _calls(network, inputs, _units(network))
    if len(last) < 2:
        return None, []
    depth = len(calls) - 1  # the last unit's, which has the last layer
    chosen = sorted({round(depth * part / (BLOCKS + 1)) for part in range(1, BLOCKS + 1)} - {0, depth})
    return last[-1], [calls[call] for call in chosen if calls[call] != last[-1]]


@torch.no_grad()
def activations(network: nn.Module, batches: Iterator[torch.Tensor], at: Sequence[Place]) -> list[torch.Tensor]:
    """Return the activations at each place, averaged over the image or the tokens: float64 [N, C], on the CPU."""
    outputs: dict[Place, list[torch.Tensor]] = {place: [] for place in at}

    def see(place: Place, given: torch.Tensor) -> None:
        if place in outputs:
            outputs[place].append(pooled(given))  # at once: what follows may work in place

    modules = {place.name: network.get_submodule(place.name) for place in at}
    with _watching(network, modules, see):
        for inputs in batches:
            network(inputs)
    return [torch.cat(outputs[place]).cpu() for place in at]


def pooled(given: torch.Tensor) -> torch.Tensor:
    """Return the input of a module as float64 [B, C], averaged over its other axes, in memory of its own.

    [B, C, H, W] has its channels first, and so has [B, H, W, C], of square images, where H = W differs from C, last;
    [B, T, C] are tokens.
    """
    if given.ndim == 2:
        return given.to(torch.float64, copy=True)
    if given.ndim == 4:
        last = given.shape[1] == given.shape[2] != given.shape[3]
        return given.mean((1, 2) if last else (2, 3), dtype=torch.float64)
    return given.flatten(1, -2).mean(1, dtype=torch.float64)


def _units(network: nn.Module) -> dict[str, nn.Module]:
    """Return the units that have weights, by their paths."""
    units = _children("", network)
    while sum(map(_weighted, units.values())) < ENOUGH and any(map(_divisible, units.values())):
        divided: dict[str, nn.Module] = {}
        for name, unit in units.items():
            divided |= _children(name, unit) if _divisible(unit) else {name: unit}
        units = divided
    return {name: unit for name, unit in units.items() if _weighted(unit)}


def _children(path: str, module: nn.Module) -> dict[str, nn.Module]:
    """Return the children of a module by their paths, and those of children that are but holders."""
    children: dict[str, nn.Module] = {}
    for name, child in module.named_children():
        name = f"{path}.{name}" if path else name
        children |= _children(name, child) if type(child) in HOLDERS else {name: child}
    return children or {path: module}


def _own_weights(module: nn.Module) -> bool:
    """Return whether it has a matrix or kernels of its own, not those of a child; biases and scales are none."""
    return any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))


def _weighted(module: nn.Module) -> bool:
    return any(parameter.ndim > 1 for parameter in module.parameters())


def _divisible(module: nn.Module) -> bool:
    """Return whether its children have all of its matrices, one at least."""
    return not _own_weights(module) and any(map(_weighted, module.children()))


def _calls(network: nn.Module, inputs: torch.Tensor, modules: dict[str, nn.Module]) -> list[Place]:
    """Return the calls of these modules in a forward pass, in their order."""
    calls: list[Place] = []
    with _watching(network, modules, lambda place, given: calls.append(place)):
        network(inputs)
    return calls


@contextmanager
def _watching(
    network: nn.Module, modules: dict[str, nn.Module], see: Callable[[Place, torch.Tensor], None]
) -> Iterator[None]:
    """Call ``see(place, given)`` whenever one of the modules is called with a tensor [B, ...] as its first argument."""
    counts: dict[str, int] = {}

    def begin(module: nn.Module, given: tuple[object, ...]) -> None:
        counts.clear()

    def called(name: str, module: nn.Module, given: tuple[object, ...]) -> None:
        call = counts.get(name, 0)
        counts[name] = call + 1
        if given and isinstance(given[0], torch.Tensor) and given[0].ndim > 1:
            see(Place(name, call), given[0])

    hooks = [network.register_forward_pre_hook(begin)]
    hooks += [module.register_forward_pre_hook(partial(called, name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
