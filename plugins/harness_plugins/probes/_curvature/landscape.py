"""A network's loss as a function of one flat vector of all its parameters, on fixed examples.

The network itself is only borrowed: it runs with other weights by ``torch.func.functional_call``, so its own, their
gradients and its buffers are never written to. Every parameter counts, trainable at the moment or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.func import functional_call

from harness_plugins.probes._curvature.lanczos import Product
from harness_plugins.probes._images import Images

if TYPE_CHECKING:
    from harness import Parts

Examples = tuple[torch.Tensor, torch.Tensor]  # inputs [B, ...], targets [B, ...]

BATCH = 128
KEPT = 2**30  # bytes that forward passes keep for gradients; where they need more, they are done again
SEED = 20231  # of the examples: the same for every network of a benchmark, whatever its own seeds are


@dataclass(frozen=True)
class Landscape:
    """The mean loss over some examples, at any point of weight space.

    Iterating over ``batches`` yields the same batches each time, of any sizes; each counts by how many examples it has.
    ``loss(outputs [B, K], targets [B, ...])`` is the mean over a batch.
    """

    network: torch.nn.Module
    batches: Iterable[Examples]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def weights(self) -> torch.Tensor:
        """Return the network's own parameters as one vector ``[d]``, a copy."""
        return flat(self.network)

    def targets(self) -> torch.Tensor:
        """Return the targets of all examples ``[N, ...]``."""
        return torch.cat([targets for _, targets in self.batches])

    def visit(self, point: torch.Tensor) -> Visit:
        """Run the network with the weights ``point [d]`` on all examples.

        What the gradient needs is kept until it is asked for, unless that is too much.
        """
        leaf, recorder = point.detach().clone().requires_grad_(), _Kept(point.device)
        runs: list[torch.Tensor] = []
        outputs: list[torch.Tensor] = []
        for inputs, _ in self.batches:
            if recorder.is_too_much:
                with torch.no_grad():
                    outputs.append(self._run(leaf, inputs))
                continue
            with recorder:
                runs.append(self._run(leaf, inputs))
            outputs.append(runs[-1].detach())
            if recorder.is_too_much:
                runs.clear()
        return Visit(self, leaf, torch.cat(outputs).requires_grad_(), runs)

    def slope(self, point: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Return the mean loss at ``point [d]`` and its gradient there ``[d]``."""
        visit = self.visit(point)
        loss = self.loss(visit.outputs, self.targets())
        return loss.item(), visit.pull(loss)

    def hessian(self, point: torch.Tensor) -> Product:
        """Return the function from a vector ``[d]`` to the Hessian of the mean loss at ``point [d]`` times it.

        One product is a forward pass and two backward passes, the second one through the first.
        """
        examples = sum(len(targets) for _, targets in self.batches)

        def product(vector: torch.Tensor) -> torch.Tensor:
            leaf, total = point.detach().clone().requires_grad_(), torch.zeros_like(point)
            for inputs, targets in self.batches:
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


@dataclass
class Visit:
    """A network at one point of weight space: its outputs on all examples, from which gradients are pulled back."""

    land: Landscape
    point: torch.Tensor  # [d]
    outputs: torch.Tensor  # [N, K], which ask for gradients
    _runs: list[torch.Tensor]  # the same by batch, with their graphs; none where these are too large to be kept

    def pull(self, value: torch.Tensor, again: bool = False) -> torch.Tensor:
        """Return the gradient ``[d]`` of a function of the outputs; ``again``, another one will be asked for."""
        (gradient,) = torch.autograd.grad(value, self.outputs)
        total, done = torch.zeros_like(self.point), 0
        for number, inputs in enumerate(self._inputs()):
            run = self._runs[number] if self._runs else self.land._run(self.point, inputs)
            part = gradient[done : done + len(run)]
            total += torch.autograd.grad(run, self.point, part, retain_graph=again, materialize_grads=True)[0]
            done += len(run)
        return total

    def _inputs(self) -> Iterator[torch.Tensor]:
        for inputs, _ in self.land.batches:
            yield inputs


class _Kept:
    """Counts the bytes that forward passes keep for their gradients, while it is on."""

    def __init__(self, device: torch.device) -> None:
        self._sizes: dict[int, int] = {}  # by the place of the memory, which several tensors may share
        self._most = max(KEPT, torch.cuda.mem_get_info(device)[0] // 4) if device.type == "cuda" else KEPT

    @property
    def is_too_much(self) -> bool:
        """Whether it is more than there is room for."""
        return sum(self._sizes.values()) > self._most

    def __enter__(self) -> None:
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._count, lambda tensor: tensor)
        self._hooks.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._hooks.__exit__(*error)

    def _count(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        self._sizes[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # the tensor itself would hold the graph that holds it, which nothing ever frees


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
    return Landscape(parts.model, chosen_batches(parts, images), parts.ingredients.task.loss)


def chosen_batches(parts: Parts, images: int, skip: int = 0) -> Images:
    """Return un-augmented train examples in batches: ``images`` of them, or all there are, the same for every network.

    They follow the first ``skip`` of one permutation, which depends on nothing but the number of train examples.
    """
    train = parts.ingredients.train
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(SEED))
    return Images(train, torch.split(order[skip : skip + images].sort().values, BATCH))


@contextmanager
def batch_statistics(network: torch.nn.Module) -> Iterator[None]:
    """Have batch norm take the statistics of each batch, as in training, and keep none of them; put its mode back after."""
    layers = [module for module in network.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    before = [(layer, layer.training, layer.track_running_stats) for layer in layers]
    try:
        for layer in layers:
            layer.training, layer.track_running_stats = True, False
        yield
    finally:
        for layer, training, tracks in before:
            layer.training, layer.track_running_stats = training, tracks


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
