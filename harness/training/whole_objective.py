"""The objective of a run over the whole train split: its value before and after training, and its gradient.

The *value* is that of the network as it is used: in evaluation mode, without augmentation, in float32. The *gradient* is
that of the function which training descends. Batch norm takes the statistics of each batch, batches have the run's size,
and they are augmented as the run's are. At the end of a training the two differ, because fixed statistics are constants
and those of a batch are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from harness.training.augmentation import blend_loss
from harness.training.evaluating import BATCH
from harness.training.stages import set_training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.training.at_work import AtWork
    from harness.training.batches import Resident

EPOCH = 0  # whose batches the gradient is taken over; nothing is trained on it
SHUFFLED = 1  # seed of the order in which batch norm sees the rows


def end_value(parts: AtWork, loss: float) -> float:
    """Return the objective at the weights that a run has, from the mean loss of the train split there."""
    return loss + _penalty(parts, parts.objective.penalised)


def start_value(parts: AtWork) -> float:
    """Return the objective at the weights that a run began with.

    New batch norm knows no data yet, so it is given the statistics of the train split. That of a pretrained network, and of a
    run that follows another, has statistics already.
    """
    network = parts.beginning().to(parts.device.name)
    network.eval()
    if not parts.run.weights and not parts.run.follows:
        _renew_statistics(parts, network)
    penalised = {id(parameter) for parameter in parts.objective.penalised}
    names = [name for name, parameter in parts.model.named_parameters() if id(parameter) in penalised]
    weights = dict(network.named_parameters())
    return _mean_loss(parts, network) + _penalty(parts, [weights[name] for name in names])


def gradient_of(parts: AtWork, network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the gradient of the objective at a network's weights, by the name of each parameter that the run trains.

    It is the mean over the batches of one epoch, which no run trains on. The network has the shape of the run's own, and
    is left as it was.
    """
    trained = {id(parameter) for parameter in parts.parameters}
    penalised = {id(parameter) for parameter in parts.objective.penalised}
    weights, own_weights = dict(network.named_parameters()), dict(parts.model.named_parameters())
    names = [name for name, parameter in own_weights.items() if id(parameter) in trained]
    tensors = [weights[name] for name in names]
    sums = [torch.zeros_like(tensor) for tensor in tensors]
    with _as_in_training(parts, network), torch.enable_grad():
        for inputs, targets in parts.batches.whole(EPOCH):
            with parts.objective.forward:
                outputs = network(inputs).float()
            with parts.objective.loss_of:
                loss = blend_loss(parts.ingredients.task.loss, outputs, targets)
            gradients = torch.autograd.grad(loss, tensors, allow_unused=True)
            part = len(inputs) / len(parts.batches.split)
            for total, gradient in zip(sums, gradients, strict=True):
                if gradient is not None:
                    total.add_(gradient, alpha=part)
    for name, total, tensor in zip(names, sums, tensors, strict=True):
        if id(own_weights[name]) in penalised:
            total.add_(tensor.detach(), alpha=parts.run.l2)
    return dict(zip(names, sums, strict=True))


@contextmanager
def _as_in_training(parts: AtWork, network: torch.nn.Module) -> Iterator[None]:
    """Have a network in the mode in which the run trains it; put its mode and its buffers back."""
    modes = [(module, module.training) for module in network.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    set_training(network, (), parts.run.batch_norm)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


@torch.no_grad()
def _mean_loss(parts: AtWork, network: torch.nn.Module) -> float:
    """Return the mean loss of a network over the train split, which is neither augmented nor relabelled."""
    train, total = parts.ingredients.train, 0.0
    for start in range(0, len(train), BATCH):
        inputs, targets = train.batch(slice(start, start + BATCH))
        with parts.objective.forward:
            outputs = network(inputs).float()
        with parts.objective.loss_of:
            total += float(parts.ingredients.task.loss(outputs, targets)) * len(inputs)
    return total / len(train)


@torch.no_grad()
def _penalty(parts: AtWork, penalised: Sequence[torch.Tensor]) -> float:
    return parts.run.l2 / 2 * sum(float(tensor.detach().double().square().sum()) for tensor in penalised)


@torch.no_grad()
def _renew_statistics(parts: AtWork, network: torch.nn.Module) -> None:
    """Give the batch norm of a network in evaluation mode the statistics of the train split, the mean over its batches."""
    layers = [module for module in network.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    layers = [layer for layer in layers if layer.track_running_stats]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches
        layer.train()
    for rows in _shuffled(parts.ingredients.train) if layers else ():
        with parts.objective.forward:
            network(parts.ingredients.train.batch(rows)[0])
    network.eval()


def _shuffled(train: Resident) -> Sequence[torch.Tensor]:
    """Return all rows of a split in random order, in equal parts of at most a batch."""
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(SHUFFLED))
    return order.to(train.device).chunk(-(-len(train) // BATCH))
