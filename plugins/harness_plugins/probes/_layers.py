"""The layers of a network that keep the plane of the image, found by running it, and what they say of photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn


@dataclass(frozen=True)
class Layer:
    """A convolution with what follows it before the next one: pooling, normalisation, activation, shortcut."""

    name: str  # of the convolution, its path in the network
    passed: str  # of the module that returns what is passed on
    convolution: nn.Conv2d
    first: int  # the call, of all calls of modules in a forward pass, that returns the convolution's own output
    last: int  # the call that returns what is passed on, [B, C, h, w]


@contextmanager
def watching(network: nn.Module, see: Callable[[int, nn.Module, torch.Tensor], None]) -> Iterator[None]:
    """Call ``see(call, module, output)`` whenever a module of the network has returned maps [B, C, h, w], h, w > 1.

    Calls are counted from 0 anew in every forward pass, in the order in which modules return.
    """
    call = 0

    def begin(module: nn.Module, given: object) -> None:
        nonlocal call
        call = 0

    def returned(module: nn.Module, given: object, output: object) -> None:
        nonlocal call
        if isinstance(output, torch.Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
            see(call, module, output)
        call += 1

    hooks = [network.register_forward_pre_hook(begin)]
    hooks += [module.register_forward_hook(returned) for module in network.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def layers(network: nn.Module, inputs: torch.Tensor) -> list[Layer]:
    """Return the layers of a network in evaluation mode, in the order in which inputs [B, C, H, W] go through them."""
    names = {module: name for name, module in network.named_modules()}
    result: list[Layer] = []
    channels = 0

    def see(call: int, module: nn.Module, output: torch.Tensor) -> None:
        nonlocal channels
        if isinstance(module, nn.Conv2d):
            result.append(Layer(names[module], names[module], module, call, call))
            channels = output.shape[1]
        elif result and output.shape[1] == channels:
            result[-1] = replace(result[-1], passed=names[module], last=call)

    with watching(network, see):
        network(inputs)
    return result


@dataclass(frozen=True)
class Strongest:
    """Where in each of N photos each of C units of a layer is strongest, and how much its activation varies."""

    values: torch.Tensor  # [N, C]
    places: torch.Tensor  # int64 [N, C, 2], row and column of the map
    variance: torch.Tensor  # float64 [C], over all photos and places
    sides: tuple[int, int]  # of the maps


@torch.no_grad()
def strongest(network: nn.Module, batches: Iterator[torch.Tensor], of: Sequence[Layer]) -> list[Strongest]:
    """Return, for each layer, where its units are strongest in the photos of all batches [B, 3, H, W], on the CPU."""
    calls = {layer.last: place for place, layer in enumerate(of)}
    values: list[list[torch.Tensor]] = [[] for _ in of]
    places: list[list[torch.Tensor]] = [[] for _ in of]
    sums: list[list[torch.Tensor]] = [[] for _ in of]  # of activations and of their squares, [2, C] a batch
    sides = [(0, 0) for _ in of]
    count = [0 for _ in of]

    def see(call: int, module: nn.Module, output: torch.Tensor) -> None:
        if call not in calls:
            return
        layer, (height, width) = calls[call], output.shape[2:]
        best = output.flatten(2).max(2)
        values[layer].append(best.values.float().cpu())
        rows = torch.div(best.indices, width, rounding_mode="floor")
        places[layer].append(torch.stack([rows, best.indices % width], 2).cpu())
        wide = output.float()
        sums[layer].append(torch.stack([wide.sum((0, 2, 3)), wide.square().sum((0, 2, 3))]).cpu().double())
        sides[layer] = (height, width)
        count[layer] += len(output) * height * width

    with watching(network, see):
        for inputs in batches:
            network(inputs)
    result = []
    for layer in range(len(of)):
        mean, square = torch.stack(sums[layer]).sum(0) / count[layer]
        variance = square - mean.square()
        result.append(Strongest(torch.cat(values[layer]), torch.cat(places[layer]), variance, sides[layer]))
    return result


def fields(
    network: nn.Module, layer: Layer, places: torch.Tensor, shape: Sequence[int], copies: int = 4, batch: int = 16
) -> torch.Tensor:
    """Return the part of an image of ``shape`` (3, H, W) that units at places ``int64 [N, 2]`` of a layer's maps depend on.

    ``int64 [N, 4]``: top, left, bottom, right, ends excluded; of the box around every pixel that has a gradient of the
    units there, of all channels, on ``copies`` images of noise. So it is clipped to the image, and where something
    sees all of it (attention, squeeze-and-excitation) it is all of it. Where no gradient comes back: all of it, too.
    """
    device = next(network.parameters()).device
    random = torch.Generator().manual_seed(0)
    distinct, index = torch.unique(places, dim=0, return_inverse=True)
    touched = []
    for chunk in torch.split(distinct, batch):
        seen = torch.zeros((len(chunk), *shape[1:]), dtype=torch.bool)
        for _ in range(copies):
            noise = torch.randn((len(chunk), *shape), generator=random).to(device).requires_grad_()
            seen |= _gradient(network, layer, chunk.to(device), noise).ne(0).any(1).cpu()
        touched.append(seen)
    return torch.stack([_box(rows) for rows in torch.cat(touched)])[index]


def _gradient(network: nn.Module, layer: Layer, places: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Return the gradient [N, 3, H, W] of |all channels at place n| with respect to image n."""
    units: list[torch.Tensor] = []

    def see(call: int, module: nn.Module, output: torch.Tensor) -> None:
        if call == layer.last:  # indexing copies, so what is done in place later does not matter
            units.append(output[torch.arange(len(places), device=places.device), :, places[:, 0], places[:, 1]])

    with torch.enable_grad(), watching(network, see):
        network(inputs)
        return torch.autograd.grad(units[0].abs().sum(), inputs)[0]


def _box(touched: torch.Tensor) -> torch.Tensor:
    """Return top, left, bottom and right of the True cells of ``[H, W]``; of the whole array where none is True."""
    rows, columns = touched.any(1).nonzero(), touched.any(0).nonzero()
    if not len(rows):
        return torch.tensor([0, 0, *touched.shape])
    return torch.stack([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
