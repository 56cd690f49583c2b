"""Batch normalisation's statistics, computed anew: weights between two networks have none of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _BatchNorm


def layers(network: torch.nn.Module) -> list[_BatchNorm]:
    """Return the layers that keep running statistics."""
    return [
        module for module in network.modules() if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]


def foreign_statistics(network: torch.nn.Module) -> list[str]:
    """Return names of running statistics that belong to no batch normalisation, and cannot be computed anew here."""
    ids = set(map(id, layers(network)))
    return [
        f"{name}.{buffer}"
        for name, module in network.named_modules()
        if id(module) not in ids
        for buffer, tensor in module.named_buffers(recurse=False)
        if buffer.startswith("running_") and tensor.is_floating_point()
    ]


class _Average:
    """Gives a layer's n-th batch the weight 1/n, so that its statistics are the plain average over batches.

    A ``momentum`` of None does the same, but reads n from the device, and so waits for it in every layer.
    """

    def __init__(self) -> None:
        self._batches = 0

    def __call__(self, layer: _BatchNorm, inputs: object) -> None:
        self._batches += 1
        layer.momentum = 1 / self._batches


@contextmanager
def averaging(network: torch.nn.Module) -> Iterator[None]:
    """Reset all running statistics; inside, every forward pass goes into their plain average, and nothing else trains."""
    batch_norms = layers(network)
    momenta = [layer.momentum for layer in batch_norms]
    network.eval()
    hooks = []
    for layer in batch_norms:
        layer.reset_running_stats()
        hooks.append(layer.register_forward_pre_hook(_Average()))
        layer.train()
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for layer, momentum in zip(batch_norms, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()


@torch.no_grad()
def recalibrate(network: torch.nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Replace the network's running statistics by the average of those of these batches ``[B, ...]``."""
    if layers(network):
        with averaging(network):
            for inputs in batches:
                network(inputs)
