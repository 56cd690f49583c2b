"""Which tensors of a network are scale-free: multiplied by any positive number, they give the same outputs.

Normalisation makes them so. A convolution before batch norm can be a tenth as long, and the network computes the same. A
penalty on its length then has no minimum: it falls for ever, and nothing of the network changes (van Laarhoven 2017,
arXiv:1706.05350). Gain and shift of a batch norm before ReLU, convolution and another batch norm are scale-free together: the
second norm takes away what both are multiplied by. So the objective does not penalise these tensors, and a gradient is
measured with them at length 1.

Nothing here knows a layer by its name. What the outputs for real rows do is all that counts:

- *Slopes*: the derivative of the outputs by the logarithm of a tensor's scale, in a random direction. A tensor whose slope is
  always 0 is scale-free. Tensors are so together where a sum of their slopes is always 0, with weights that are all
  positive: then all of them can be made shorter at once. (Weights of both signs are another matter. A ReLU network can make
  one layer longer and the next one shorter, and a penalty has a minimum there.)
- *Proof*: the tensors are multiplied by 1.5, and the outputs must stay equal.
- Every slope is taken at weights of a fixed seed plus noise, drawn anew. At its initial value a bias is often zero, and a
  zero stays a zero. So does everything behind a gain that begins at zero.
- The network is in the mode that it is trained in, because batch norm with fixed statistics makes nothing scale-free.
- The numbers are float64 on the CPU, and the ``eps`` of normalising layers is next to nothing. So what is scale-free agrees to
  ten digits, and the answer is the same on every machine. Large images are made small. A network that cannot do with that is
  tested with images as they are, and in float32 if need be.
"""

from __future__ import annotations

import random as python_random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from harness.training.batches import mix_seeds
from harness.training.null_vectors import connected, positive_null_vector
from harness.training.stages import set_training
from harness.training.turns import host_generators, set_host_generators

if TYPE_CHECKING:
    from harness.plugin.runs import Run
    from harness.training.batches import Resident
    from harness.training.ingredients import Ingredients

Unit = Literal["filter", "tensor", "group"]  # a slice of the first axis is scale-free, the whole, or several together
Factor = Callable[[torch.Tensor], torch.Tensor]  # by which a tensor is multiplied

SCALE = 1.5
SAME = 1e-5  # outputs that differ by less than this, as a part of the largest output, are equal
STILL = 1e-3  # slopes below this, as a part of the outputs' length, may be 0; the proof decides
ROWS, PIXELS = 4, 32  # how many examples, and the side of images that are made small
DRAWS = 2  # of the noise, at which every tensor is multiplied
SPARE = 4  # slopes more than there are tensors
MOST = 2.5e11  # floating-point operations to look for groups in any tensors, some tens of seconds on one core
NOISE = 0.5  # its standard deviation, as a part of 1/sqrt(inputs of a unit), which is how initial weights are drawn
EPS = 1e-12  # of normalising layers


@dataclass(frozen=True)
class ScaleFree:
    """The scale-free tensors of a network, each with what is scale-free in it; or why the test could not be made."""

    units: Mapping[str, Unit] = field(default_factory=dict)  # by the parameter's name, in the network's order
    groups: Sequence[Sequence[str]] = ()  # the tensors that are so together
    problem: str = ""

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> ScaleFree:
        """Return what ``plain`` has made plain values of."""
        return cls(dict(values["tensors"]), tuple(map(tuple, values["groups"])), values["problem"])

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"tensors": dict(self.units), "groups": [list(group) for group in self.groups], "problem": self.problem}


_known: dict[object, ScaleFree] = {}  # that were tested in this process, by what decides the answer


def find_scale_free(run: Run, ingredients: Ingredients) -> ScaleFree:
    """Return the scale-free tensors of a run's network. It is tested once in a process, and leaves no trace there.

    Where another process has tested it, and this one was told (``learn``), it is not tested again.
    """
    key = _key_of_recorded(run)
    if not run.plugins:
        key = (*key, ingredients.backbone.build, ingredients.train.input_shape, ingredients.outputs)
    if key not in _known:
        _known[key] = _tested(run, ingredients)
    return _known[key]


def learn(run: Run, tested: Mapping[str, Any]) -> None:
    """Take note of what another process has found of a run's network, as ``ScaleFree.plain`` has it."""
    if run.plugins:
        _known.setdefault(_key_of_recorded(run), ScaleFree.of_plain(tested))


def _key_of_recorded(run: Run) -> tuple[object, ...]:
    """Return what decides the answer for a run that names the sources of its plugins; the shape of the data is in ``data``."""
    sources = tuple(run.plugins.get(kind) for kind in ("backbone", "head"))
    return run.arm.network, sources, run.batch_norm, run.weights, run.data


def _tested(run: Run, ingredients: Ingredients) -> ScaleFree:
    problem = ""
    for dtype, pixels in ((torch.float64, PIXELS), (torch.float64, None), (torch.float32, None)):
        try:
            with _alone(dtype):
                return _Test(run, ingredients, dtype, pixels).result()
        except Exception as error:  # training reports what a backbone raises there
            problem = f"{type(error).__name__}: {error}".splitlines()[0]
    return ScaleFree(problem=problem)


@contextmanager
def _alone(dtype: torch.dtype) -> Iterator[None]:
    """Compute in ``dtype`` by default, and leave the random generators of the processor as they were."""
    generators, default = host_generators(), torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(default)
        set_host_generators(generators)


class _Test:
    """The network of one test: its outputs for a few rows, with some of its tensors multiplied."""

    def __init__(self, run: Run, ingredients: Ingredients, dtype: torch.dtype, pixels: int | None) -> None:
        self._seed()
        start = () if ingredients.weights is None else (ingredients.weights,)
        train = ingredients.train
        network = ingredients.backbone.build(train.input_shape, ingredients.outputs, *start)
        self._network = network.to("cpu", dtype)
        set_training(self._network, (), run.batch_norm)
        if dtype == torch.float64:
            _sharpen(self._network)
        self._inputs = _rows(train, pixels).to("cpu", dtype)
        self._weights = {name: p for name, p in self._network.named_parameters() if p.requires_grad}
        self._initial = {name: p.detach().clone() for name, p in self._weights.items()}
        self._buffers = [(buffer, buffer.clone()) for buffer in self._network.buffers()]
        self._random = torch.Generator().manual_seed(mix_seeds(len(self._weights)))

    def result(self) -> ScaleFree:
        """Return the scale-free tensors, those that are so by themselves and those that are so together."""
        names = alone = by_filter = list(self._weights)
        for _ in range(DRAWS):
            slopes = dict(zip(names, self._slopes(names), strict=True))
            outputs = self._outputs()
            alone = self._unchanged([name for name in alone if abs(slopes[name]) <= STILL], outputs, self._by_tensor)
            by_filter = self._unchanged([name for name in alone if name in by_filter], outputs, self._by_filter)
        groups = self._groups([name for name in names if name not in alone])
        units: dict[str, Unit] = {name: "filter" if name in by_filter else "tensor" for name in alone}
        units |= dict.fromkeys((name for group in groups for name in group), "group")
        return ScaleFree({name: units[name] for name in names if name in units}, groups)

    def _slopes(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the derivatives by the logarithms of the tensors' scales, at new noise and in a new direction.

        All tensors are differentiated, as in training: a network may have a layer that crashes where some are left out
        (torch's group norm in the channels_last layout).
        """
        self._perturb()
        with torch.enable_grad():
            outputs = self._forward()
            direction = torch.randn(outputs.shape, generator=self._random, dtype=outputs.dtype)
            every = torch.autograd.grad((direction * outputs).sum(), list(self._weights.values()), allow_unused=True)
        gradients, length = (
            dict(zip(self._weights, every, strict=True)),
            float(direction.norm() * outputs.detach().norm()),
        )
        products = [0.0 if (g := gradients[n]) is None else float((g * self._weights[n].detach()).sum()) for n in names]
        return np.array(products) / length

    @torch.no_grad()
    def _perturb(self) -> None:
        """Add noise to the initial weights; it is drawn as float32, which takes a seventh of the time."""
        for name, weight in self._weights.items():
            inputs = max(1, weight[0].numel()) if weight.ndim > 1 else 1
            noise = torch.randn(weight.shape, generator=self._random, dtype=torch.float32)
            weight.copy_(self._initial[name] + NOISE / inputs**0.5 * noise)

    def _groups(self, names: Sequence[str]) -> list[list[str]]:
        """Return the tensors that are scale-free together, those that depend on each other in one list.

        Any of them may be so together, which takes a backward pass for each. Where these are too many, only those of one
        module are looked at, such as the gain and the shift of a norm.
        """
        lists = [list(names)] if len(names) * self._count_operations() <= MOST else _by_module(names)
        groups: list[list[str]] = []
        for together in lists:
            groups += self._groups_among(together) if len(together) > 1 else []
        return groups

    def _groups_among(self, names: Sequence[str]) -> list[list[str]]:
        rows = np.array([self._slopes(names) for _ in range(len(names) // 2 + SPARE)])
        if not positive_null_vector(rows).any():  # which is no surprise from half of the rows on
            return []
        rows = np.array([*rows, *(self._slopes(names) for _ in range(len(names) // 2))])
        powers = positive_null_vector(rows)
        groups = [[names[place] for place in places] for places in connected(rows, np.flatnonzero(powers))]
        outputs, by_name = self._outputs(), dict(zip(names, powers, strict=True))
        return [group for group in groups if self._proven(group, by_name, outputs)]

    def _count_operations(self) -> int:
        """Return how many floating-point operations a forward and a backward pass take."""
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            self._outputs()
        return 3 * int(counter.get_total_flops())

    def _proven(self, group: Sequence[str], powers: Mapping[str, float], outputs: torch.Tensor) -> bool:
        largest = max(powers[name] for name in group)
        factors = {name: torch.tensor(SCALE ** (powers[name] / largest)) for name in group}
        return _are_equal(self._outputs(factors), outputs)

    def _unchanged(self, names: Sequence[str], outputs: torch.Tensor, factor: Factor) -> list[str]:
        """Return the tensors that leave the outputs as they are when they are multiplied."""
        if not names:
            return []
        if _are_equal(self._outputs({name: factor(self._weights[name]) for name in names}), outputs):
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
        weights_kept = {name: self._weights[name].detach().clone() for name in factors or {}}
        for name, factor in (factors or {}).items():
            self._weights[name].mul_(factor)
        outputs = self._forward()
        for name, weight in weights_kept.items():
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


def _by_module(names: Sequence[str]) -> list[list[str]]:
    """Return names of parameters in a list for each module."""
    modules: dict[str, list[str]] = {}
    for name in names:
        modules.setdefault(name.rpartition(".")[0], []).append(name)
    return list(modules.values())


def _are_equal(outputs: torch.Tensor, others: torch.Tensor) -> bool:
    largest = others.abs().max()
    return bool((largest > 0) & ((outputs - others).abs().max() <= SAME * largest))


def _rows(train: Resident, pixels: int | None) -> torch.Tensor:
    """Return the inputs of a few rows of a split, from its first to its last: rows often lie class by class."""
    places = torch.linspace(0, len(train) - 1, min(ROWS, len(train))).long()
    inputs = train.batch(places.to(train.device))[0]
    if not train.images or pixels is None:
        return inputs
    return torch.nn.functional.adaptive_avg_pool2d(inputs, (min(pixels, inputs.shape[2]), min(pixels, inputs.shape[3])))


def _sharpen(network: torch.nn.Module) -> None:
    """Make the number next to nothing that normalising layers add to a variance."""
    for module in network.modules():
        if isinstance(getattr(module, "eps", None), float):
            module.eps = EPS  # type: ignore[assignment]
