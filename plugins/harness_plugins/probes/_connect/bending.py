"""Bend the line between two networks until the loss along it is low.

Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", arXiv:1802.10026.
"""

from __future__ import annotations

import math

import torch

from harness_plugins.probes._connect import batch_norm
from harness_plugins.probes._connect.curves import between, bezier
from harness_plugins.probes._connect.line import Line

BATCH = 128


def bent(line: Line, epochs: int, lr: float, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return the middle weights of the quadratic Bezier curve between a line's ends that make the loss on it lowest.

    Every batch is seen at one place t of the curve, uniform in [0, 1]. The whole train split is used, un-augmented, and
    the loss has no penalty. Adam, with its rate falling to zero as a cosine; the same for equal arguments.
    """
    network, loss = line.land.network, line.land.task.loss
    bend = between(line.start, line.end, 0.5)
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    parameters = dict(network.named_parameters())
    optimizer = torch.optim.Adam([bend[name] for name in trained], lr=lr)
    steps = epochs * sum(1 for _ in line.land.training(BATCH, seed))
    places = torch.rand(steps, generator=torch.Generator().manual_seed(seed)).tolist()
    step = 0
    with batch_norm.averaging(network):
        for epoch in range(epochs):
            for inputs, targets in line.land.training(BATCH, seed + epoch):
                t = places[step]
                network.load_state_dict(bezier(line.start, bend, line.end, t))
                network.zero_grad(set_to_none=True)
                loss(network(inputs).float(), targets).backward()  # type: ignore[no-untyped-call]
                for name in trained:
                    gradient = parameters[name].grad
                    bend[name].grad = None if gradient is None else gradient * (2 * t * (1 - t))
                optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / steps)) / 2
                optimizer.step()
                step += 1
    return {name: tensor.detach() for name, tensor in bend.items()}
