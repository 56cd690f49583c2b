"""Which tensors of a network are scale-free: multiplied by any positive number, they give the same outputs.

Normalisation makes them so. A convolution before batch norm can be a tenth as long, and the network computes the same. A
penalty on its length then has no minimum: it falls for ever, and nothing of the network changes (van Laarhoven 2017,
arXiv:1706.05350). So the objective does not penalise these tensors, and a gradient is measured with them at length 1.

Nothing here knows a layer by its name. Every tensor is multiplied by 1.5, and the outputs for real rows are compared:

- The weights are those of a fixed seed plus noise, drawn twice. At its initial value a bias is often zero, and a zero
  stays a zero. So does everything behind a gain that begins at zero.
- The network is in the mode that it is trained in, because batch norm with fixed statistics makes nothing scale-free.
- The numbers are float64 on the CPU and the ``eps`` of normalising layers is next to nothing, so what is scale-free agrees to
  ten digits and the answer is the same on every machine. A network that cannot compute in float64 is tested in float32.

One backward pass finds the candidates: where the scale does not matter, the outputs' derivative by its logarithm is 0. The
candidates are then multiplied together, and in halves where the outputs change.
"""

from __future__ import annotations

import math
import random as python_random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from harness.training.batches import mix_seeds
from harness.training.stages import set_training
from harness.training.turns import host_generators, set_host_generators

if TYPE_CHECKING:
    from harness.plugin.runs import Run
    from harness.training.batches import Resident
    from harness.training.ingredients import Ingredients

Unit = Literal["filter", "tensor"]  # what is scale-free by itself: each slice of the first axis, or only the whole
Factor = Callable[[torch.Tensor], torch.Tensor]  # by which a tensor is multiplied

SCALE = 1.5
SAME = 1e-5  # outputs that differ by less than this, as a part of the largest output, are equal
STILL = 1e-3  # the same for derivatives; it only chooses the candidates
ROWS = 8
DRAWS = 2  # of the noise
NOISE = 0.5  # its standard deviation, as a part of 1/sqrt(inputs of a unit), which is how initial weights are drawn
EPS = 1e-12  # of normalising layers


@dataclass(frozen=True)
class ScaleFree:
    """The scale-free tensors of a network, each with what is scale-free in it; or why the test could not be made."""

    units: Mapping[str, Unit] = field(default_factory=dict)  # by the parameter's name, in the network's order
    problem: str = ""

    def plain(self) -> dict[str, object]:
        """Return it as plain values."""
        return {"tensors": dict(self.units), "problem": self.problem}


_known: dict[object, ScaleFree] = {}  # that were tested in this process, by what decides the answer


def find_scale_free(run: Run, ingredients: Ingredients) -> ScaleFree:
    """Return the scale-free tensors of a run's network. It is tested once in a process, and leaves no trace there."""
    backbone, train = ingredients.backbone, ingredients.train
    source = tuple(run.plugins.items()) or backbone.build
    shape = (train.input_shape, ingredients.outputs, run.batch_norm, run.weights, run.data)
    key = (run.arm.network, source, *shape)
    if key not in _known:
        _known[key] = _tested(run, ingredients)
    return _known[key]


def _tested(run: Run, ingredients: Ingredients) -> ScaleFree:
    problem = ""
    for dtype in (torch.float64, torch.float32):
        try:
            with _alone(dtype):
                return ScaleFree(_Test(run, ingredients, dtype).units())
        except Exception as error:  # what a backbone raises in training is said there
            problem = f"{type(error).__name__}: {error}".splitlines()[0]
    return ScaleFree(problem=problem)


@contextmanager
def _alone(dtype: torch.dtype) -> Iterator[None]:
    """Compute in ``dtype`` by default, and leave the random generators of the processor as they were."""
    generators, default = host_generators(), torch.get_default_dtype()
    try:
        yield torch.set_default_dtype(dtype)
    finally:
        torch.set_default_dtype(default)
        set_host_generators(generators)


class _Test:
    """The network of one test: its outputs for a few rows, with some of its tensors multiplied."""

    def __init__(self, run: Run, ingredients: Ingredients, dtype: torch.dtype) -> None:
        self._seed()
        start = () if ingredients.weights is None else (ingredients.weights,)
        train = ingredients.train
        network = ingredients.backbone.build(train.input_shape, ingredients.outputs, *start)
        self._network = network.to("cpu", dtype)
        set_training(self._network, (), run.batch_norm)
        if dtype == torch.float64:
            _sharpen(self._network)
        self._inputs = _rows(train).to("cpu", dtype)
        self._weights = {name: p for name, p in self._network.named_parameters() if p.requires_grad}
        self._initial = {name: p.detach().clone() for name, p in self._weights.items()}
        self._buffers = [(buffer, buffer.clone()) for buffer in self._network.buffers()]
        self._random = torch.Generator().manual_seed(mix_seeds(len(self._weights)))

    def units(self) -> dict[str, Unit]:
        """Return the tensors that are scale-free at every draw of the noise, and the unit of each."""
        free = by_filter = list(self._weights)
        for _ in range(DRAWS):
            self._perturb()
            outputs = self._outputs()
            free = self._unchanged(self._candidates(free), outputs, self._by_tensor)
            by_filter = self._unchanged([name for name in free if name in by_filter], outputs, self._by_filter)
        return {name: "filter" if name in by_filter else "tensor" for name in free}

    @torch.no_grad()
    def _perturb(self) -> None:
        """Add noise to the initial weights."""
        for name, weight in self._weights.items():
            inputs = max(1, weight[0].numel()) if weight.ndim > 1 else 1
            noise = torch.randn(weight.shape, generator=self._random, dtype=weight.dtype)
            weight.copy_(self._initial[name] + NOISE / inputs**0.5 * noise)

    def _candidates(self, names: Sequence[str]) -> list[str]:
        """Return the tensors whose scale does not matter to first order, in a random direction of the outputs."""
        tensors = [self._weights[name] for name in names]
        with torch.enable_grad():
            outputs = self._forward()
            direction = torch.randn(outputs.shape, generator=self._random, dtype=outputs.dtype)
            gradients = torch.autograd.grad((direction * outputs).sum(), tensors, allow_unused=True)
        limit = STILL * float(direction.norm() * outputs.detach().norm())
        slopes = [0.0 if g is None else float((g * w.detach()).sum()) for g, w in zip(gradients, tensors, strict=True)]
        return [name for name, slope in zip(names, slopes, strict=True) if abs(slope) <= limit]

    def _unchanged(self, names: Sequence[str], outputs: torch.Tensor, factor: Factor) -> list[str]:
        """Return the tensors that leave the outputs as they are when they are multiplied."""
        if not names:
            return []
        now, largest = self._outputs({name: factor(self._weights[name]) for name in names}), float(outputs.abs().max())
        if 0 < largest < math.inf and float((now - outputs).abs().max()) <= SAME * largest:
            return list(names)
        half = len(names) // 2
        if not half:
            return []
        return [*self._unchanged(names[:half], outputs, factor), *self._unchanged(names[half:], outputs, factor)]

    def _by_tensor(self, weight: torch.Tensor) -> torch.Tensor:
        return torch.tensor(SCALE, dtype=weight.dtype)

    def _by_filter(self, weight: torch.Tensor) -> torch.Tensor:
        """Return a factor for each slice of the first axis."""
        shape = (len(weight), *[1] * (weight.ndim - 1)) if weight.ndim else ()
        return SCALE ** torch.rand(shape, generator=self._random, dtype=weight.dtype)

    @torch.no_grad()
    def _outputs(self, factors: Mapping[str, torch.Tensor] | None = None) -> torch.Tensor:
        """Return the outputs for the rows, with some tensors multiplied."""
        kept = {name: self._weights[name].detach().clone() for name in factors or {}}
        for name, factor in (factors or {}).items():
            self._weights[name].mul_(factor)
        outputs = self._forward()
        for name, weight in kept.items():
            self._weights[name].copy_(weight)
        return outputs

    def _forward(self) -> torch.Tensor:
        """Return the outputs for the rows; whatever a network draws or keeps is the same each time."""
        with torch.no_grad():
            for buffer, value in self._buffers:
                buffer.copy_(value)
        self._seed()
        outputs: torch.Tensor = self._network(self._inputs.clone())
        return outputs

    @staticmethod
    def _seed() -> None:
        """Seed the generators of the processor; those of a GPU belong to the runs that are trained there."""
        torch.default_generator.manual_seed(0)
        np.random.seed(0)
        python_random.seed(0)


def _rows(train: Resident) -> torch.Tensor:
    """Return the inputs of a few rows of a split, from its first to its last: rows often lie class by class."""
    places = torch.linspace(0, len(train) - 1, min(ROWS, len(train))).long()
    return train.batch(places.to(train.device))[0]


def _sharpen(network: torch.nn.Module) -> None:
    """Make the number next to nothing that normalising layers add to a variance."""
    for module in network.modules():
        if isinstance(getattr(module, "eps", None), float):
            module.eps = EPS  # type: ignore[assignment]
