"""A network's loss as a function of one flat vector of all its parameters, on fixed examples.

The network itself is only borrowed: it runs with other weights by ``torch.func.functional_call``, so its own, their
gradients and its buffers are never written to. Every parameter counts, trainable at the moment or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.func import functional_call

from harness_plugins.probes._curvature.lanczos import Product

if TYPE_CHECKING:
    from harness import Parts

Examples = tuple[torch.Tensor, torch.Tensor]  # inputs [B, ...], targets [B, ...]

BATCH = 128
SEED = 20231  # of the examples: the same for every network of a benchmark, whatever its own seeds are


@dataclass(frozen=True)
class Landscape:
    """The mean loss over some examples, at any point of weight space.

    ``batches()`` yields the same batches each time, of any sizes; each counts by how many examples it has.
    ``loss(outputs [B, K], targets [B, ...])`` is the mean over a batch.
    """

    network: torch.nn.Module
    batches: Callable[[], Iterator[Examples]]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def weights(self) -> torch.Tensor:
        """Return the network's own parameters as one vector ``[d]``, a copy."""
        return flat(self.network)

    def targets(self) -> torch.Tensor:
        """Return the targets of all examples ``[N, ...]``."""
        return torch.cat([targets for _, targets in self.batches()])

    @torch.no_grad()
    def outputs(self, point: torch.Tensor) -> torch.Tensor:
        """Return the outputs ``[N, K]`` of the network with the weights ``point [d]``."""
        return torch.cat([self._run(point, inputs) for inputs, _ in self.batches()])

    def pull(self, point: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        """Return ``[d]``, the gradient of any function of all the outputs whose gradient in them is ``by [N, K]``."""
        leaf, done = point.detach().clone().requires_grad_(), 0
        total = torch.zeros_like(point)
        for inputs, _ in self.batches():
            outputs = self._run(leaf, inputs)
            total += torch.autograd.grad(outputs, leaf, by[done : done + len(inputs)], materialize_grads=True)[0]
            done += len(inputs)
        return total

    def slope(self, point: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Return the mean loss at ``point [d]`` and its gradient there ``[d]``."""
        outputs = self.outputs(point).requires_grad_()
        loss = self.loss(outputs, self.targets())
        (gradient,) = torch.autograd.grad(loss, outputs)
        return loss.item(), self.pull(point, gradient)

    def hessian(self, point: torch.Tensor) -> Product:
        """Return the function from a vector ``[d]`` to the Hessian of the mean loss at ``point [d]`` times it.

        One product is a forward pass and two backward passes, the second one through the first.
        """
        examples = sum(len(targets) for _, targets in self.batches())

        def product(vector: torch.Tensor) -> torch.Tensor:
            leaf, total = point.detach().clone().requires_grad_(), torch.zeros_like(point)
            for inputs, targets in self.batches():
                loss = self.loss(self._run(leaf, inputs), targets)
                (slope,) = torch.autograd.grad(loss, leaf, create_graph=True, materialize_grads=True)
                if slope.requires_grad:  # else the loss is linear in the weights
                    (bent,) = torch.autograd.grad(slope, leaf, vector, materialize_grads=True)
                    total += bent * (len(targets) / examples)
            return total

        return product

    def _run(self, point: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = functional_call(self.network, named(self.network, point), (inputs,))
        return outputs


def flat(network: torch.nn.Module) -> torch.Tensor:
    """Return all parameters of a network as one vector ``[d]``, a copy, in the order of ``named_parameters``."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])


def named(network: torch.nn.Module, point: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return views of a vector ``[d]`` in the names and shapes of the network's parameters."""
    parameters = dict(network.named_parameters())
    parts = torch.split(point, [parameter.numel() for parameter in parameters.values()])
    return {name: part.view(parameters[name].shape) for name, part in zip(parameters, parts, strict=True)}


def landscape(parts: Parts, images: int) -> Landscape:
    """Return the un-regularised train loss of a run's network, as the task defines it, on ``chosen`` train examples."""
    task = parts.ingredients.task
    return Landscape(parts.model, lambda: chosen(parts, images), task.loss)


def chosen(parts: Parts, images: int, skip: int = 0) -> Iterator[Examples]:
    """Yield un-augmented train examples in batches: ``images`` of them, or all there are, the same for every network.

    They follow the first ``skip`` of one permutation, which depends on nothing but the number of train examples.
    """
    train = parts.ingredients.train
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(SEED))
    rows = order[skip : skip + images].sort().values.to(train.device)
    for chunk in torch.split(rows, BATCH):
        yield train.batch(chunk)


@contextmanager
def exact(*networks: torch.nn.Module) -> Iterator[None]:
    """Set networks to evaluation and the arithmetic to plain float32, the same at every call; put all back after.

    TF32 keeps 10 bits of a product: a sharpness of a thousandth would be lost in it.
    """
    modes = {module: module.training for network in networks for module in network.modules()}
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    before = matmul.fp32_precision, cudnn.conv.fp32_precision, cudnn.deterministic, cudnn.benchmark
    try:
        matmul.fp32_precision = cudnn.conv.fp32_precision = "ieee"
        cudnn.deterministic, cudnn.benchmark = True, False
        for network in networks:
            network.eval()
        yield
    finally:
        matmul.fp32_precision, cudnn.conv.fp32_precision, cudnn.deterministic, cudnn.benchmark = before
        for module, training in modes.items():
            module.training = training
