"""Bend the line between two networks until the loss along it is low.

Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", arXiv:1802.10026, with quadratic Bezier
curves and with polygonal chains of one bend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from harness_plugins.probes._connect import batch_norm
from harness_plugins.probes._connect.curves import Shape, between
from harness_plugins.probes._connect.landscape import Landscape
from harness_plugins.probes._connect.permutation import Weights

GOLDEN = (math.sqrt(5) - 1) / 2
USUAL, SHORT = (0.9, 0.999), (0.8, 0.95)  # Adam's betas: its own, and those for a few dozen steps


def bent(
    land: Landscape,
    start: Weights,
    end: Weights,
    shape: Shape,
    places: Sequence[float],
    lr: float,
    batch: int,
    betas: tuple[float, float] = USUAL,
) -> dict[str, torch.Tensor]:
    """Return the weights of the bend between two networks that make the loss on the path lowest.

    It begins halfway. Each step sees a batch of so many examples at one of the ``places`` in [0, 1]. The whole train split is
    used, un-augmented, and the loss has no penalty. Adam, with its rate falling to zero as a cosine; the same for equal
    arguments.
    """
    network, loss = land.network, land.task.loss
    bend = between(start, end, 0.5)
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    parameters = dict(network.named_parameters())
    optimizer = torch.optim.Adam([bend[name] for name in trained], lr=lr, betas=betas)
    with batch_norm.averaging(network):
        for step, (t, (inputs, targets)) in enumerate(zip(places, _batches(land, batch), strict=False)):
            network.load_state_dict(shape.at(start, bend, end, t))
            network.zero_grad(set_to_none=True)
            loss(network(inputs).float(), targets).backward()  # type: ignore[no-untyped-call]
            for name in trained:
                gradient = parameters[name].grad
                bend[name].grad = None if gradient is None else gradient * shape.share(t)
            optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / len(places))) / 2
            optimizer.step()
    return {name: tensor.detach() for name, tensor in bend.items()}


def spread(count: int, low: float, high: float) -> list[float]:
    """Return so many places from ``low`` to ``high`` that are spread evenly, however many of them are taken."""
    return [low + (high - low) * ((0.5 + step * GOLDEN) % 1) for step in range(count)]


def _batches(land: Landscape, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches of the train split, un-augmented, epoch after epoch in another order."""
    seed = 0
    while True:
        yield from land.training(size, seed)
        seed += 1
