"""Give an interpolated network the statistics that its ends have: networks that have no batch normalisation.

Jordan et al. 2022, "REPAIR: REnormalizing Permuted Activations for Interpolation Repair", arXiv:2211.08403. Between two
networks activations shrink; every channel of a layer's output is rescaled and shifted until its mean and standard
deviation are those of the ends, interpolated. All hidden convolutions and linear layers are mended in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass
class Statistics:
    """Mean and standard deviation of every channel, averaged over batches."""

    mean: torch.Tensor
    deviation: torch.Tensor
    batches: int = 1

    def add(self, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        """Count one more batch."""
        self.batches += 1
        self.mean = self.mean + (mean - self.mean) / self.batches
        self.deviation = self.deviation + (deviation - self.deviation) / self.batches


Found = dict[str, Statistics]  # by the name of the layer


@torch.no_grad()
def statistics(network: nn.Module, batches: Iterable[torch.Tensor]) -> Found:
    """Return the statistics of every hidden layer's output on these inputs ``[B, ...]``, in the order of computation."""
    by_layer: Found = {}
    with _hooked(network, _layers(network), lambda name, module, output: _count(by_layer, name, module, output)):
        for inputs in batches:
            network(inputs)
    if by_layer:
        by_layer.popitem()  # the last layer makes the outputs themselves
    return by_layer


def between(one: Found, other: Found, alpha: float) -> Found:
    """Return the statistics on the way from one network (alpha 0) to another."""
    return {
        name: Statistics(
            torch.lerp(one[name].mean, other[name].mean, alpha),
            torch.lerp(one[name].deviation, other[name].deviation, alpha),
        )
        for name in one
    }


@contextmanager
def repaired(network: nn.Module, wanted: Found, batches: Sequence[torch.Tensor]) -> Iterator[None]:
    """Inside, the network's hidden layers have these statistics on these inputs; its weights are not changed."""
    by_layer: Found = {}

    def measure(name: str, module: nn.Module, output: torch.Tensor) -> torch.Tensor:
        now = _count(by_layer, name, module, output)
        return _mended(module, output, now, wanted[name])

    with torch.no_grad(), _hooked(network, wanted, measure):
        for inputs in batches:
            network(inputs)
    with _hooked(network, wanted, lambda name, module, output: _mended(module, output, by_layer[name], wanted[name])):
        yield


def _layers(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, LAYERS)]


def _channel(module: nn.Module, output: torch.Tensor) -> int:
    """Return the dimension of an output that numbers channels."""
    return output.ndim - 1 if isinstance(module, nn.Linear) else output.ndim - len(module.kernel_size) - 1  # type: ignore[arg-type]


def _count(found: Found, name: str, module: nn.Module, output: torch.Tensor) -> Statistics:
    """Count a batch's statistics, and return them."""
    rows = output.movedim(_channel(module, output), 0).flatten(1)
    now = Statistics(rows.mean(1), rows.std(1, correction=0))
    if name in found:
        found[name].add(now.mean, now.deviation)
    else:
        found[name] = Statistics(now.mean, now.deviation)
    return now


def _mended(module: nn.Module, output: torch.Tensor, now: Statistics, wanted: Statistics) -> torch.Tensor:
    dim = _channel(module, output)
    shape = [-1 if place == dim else 1 for place in range(output.ndim)]
    # A unit that is the same for all inputs has nothing to rescale, and is only shifted.
    scale = torch.where(now.deviation > 1e-6 * wanted.deviation, wanted.deviation / now.deviation, 1.0)
    return (output - now.mean.view(shape)) * scale.view(shape) + wanted.mean.view(shape)


@contextmanager
def _hooked(
    network: nn.Module, names: Iterable[str], see: Callable[[str, nn.Module, torch.Tensor], Any]
) -> Iterator[None]:
    """Let ``see`` look at the outputs of these layers, and change them where it returns a tensor."""

    def hook(name: str) -> Callable[..., torch.Tensor | None]:
        def look(module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor | None:
            seen = see(name, module, output)
            return seen if isinstance(seen, torch.Tensor) else None

        return look

    handles = [network.get_submodule(name).register_forward_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
