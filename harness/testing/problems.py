"""The problems that optimizers are tried on: functions with a known minimum, and small networks.

A problem is a network as the training loop knows it: a module, a loss and rows of data. For a function of the weights
alone, the module returns the function's value for every row, times the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.plugin.contracts import Metric, Optimizer, Split, Task


@dataclass(frozen=True)
class Problem:
    """A module, what is minimised, and the rows it is minimised on."""

    name: str
    build: Callable[[], nn.Module]  # called after seeding
    task: Task
    rows: Split
    outputs: int = 1
    batch_size: int = 1


class Bowl(nn.Module):
    """A convex quadratic of a matrix, a vector and a kernel: ``1/2 * sum(h * (w - w*)^2)``, ``h`` from 1 to 10.

    Every weight begins at a distance of 1 from its minimum, where the value is 0.
    """

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.minima = [torch.randn(shape, generator=random) for shape in ((4, 3), (5,), (2, 3, 2, 2))]
        self.curvatures = [10 ** torch.rand(minimum.shape, generator=random) for minimum in self.minima]
        signs = [torch.randn(minimum.shape, generator=random).sign() for minimum in self.minima]
        self.weights = nn.ParameterList([m + s for m, s in zip(self.minima, signs, strict=True)])

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the value times the row, ``[B, 1]``."""
        parts = zip(self.weights, self.minima, self.curvatures, strict=True)
        return rows * torch.stack([(h * (w - m).square()).sum() / 2 for w, m, h in parts]).sum()


class Valley(nn.Module):
    """Rosenbrock's valley from (-1.2, 1); its minimum is 0 at (1, 1), and its floor 0.04 high at (-1, 1).

    Rosenbrock 1960, https://doi.org/10.1093/comjnl/3.3.175, divided by 100: ``(1 - x)^2 / 100 + (y - x^2)^2``, so that
    it is about as steep as the loss of a network, and rates for those suit it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.tensor([-1.2, 1.0]))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the value times the row, ``[B, 1]``."""
        x, y = self.point
        value: torch.Tensor = (1 - x) ** 2 / 100 + (y - x**2) ** 2
        return rows * value


class Slope(nn.Module):
    """A function whose gradient is the same everywhere, so that what one weight does cannot change what another does.

    With a ``curvature`` it is a bowl far from its minimum, for optimizers that ask for second derivatives. An ``uneven``
    one curves in every direction by another amount, from 1 to 10 times that, so that no line search ends at the minimum.
    """

    def __init__(self, curvature: float = 0.0, idle: bool = False, uneven: bool = False) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        shapes = ((4, 3), (5,), (3, 4), (2, 3, 2, 2))
        self.weights = nn.ParameterList([torch.randn(shape, generator=random) for shape in shapes])
        self.slopes = [torch.randn(shape, generator=random) for shape in shapes]
        self.curvatures = [
            curvature * 10 ** torch.rand(shape, generator=random) if uneven else torch.full(shape, curvature)
            for shape in shapes
        ]
        if idle:
            self.idle = nn.Parameter(torch.ones(3))  # no gradient ever

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the value times the row, ``[B, 1]``."""
        value = torch.stack([(w * c).sum() for w, c in zip(self.weights, self.slopes, strict=True)]).sum()
        if self.curvatures[0].any():
            bent = zip(self.weights, self.curvatures, strict=True)
            value = value + torch.stack([(h * w.square()).sum() / 2 for w, h in bent]).sum()
        return rows * value


def network() -> nn.Module:
    """Return a small network with a convolution, a normalisation, biases and a matrix, for rows ``[B, 48]``."""
    return nn.Sequential(
        nn.Unflatten(1, (3, 4, 4)), nn.Conv2d(3, 6, 3, padding=1), nn.GroupNorm(2, 6), nn.ReLU(), nn.Flatten(),
        nn.Linear(96, 3),
    )  # fmt: skip


def larger_network() -> nn.Module:
    """Return a network of the same kind with ten times as many weights, for rows ``[B, 48]``."""
    return nn.Sequential(
        nn.Unflatten(1, (3, 4, 4)), nn.Conv2d(3, 6, 3, padding=1), nn.GroupNorm(2, 6), nn.ReLU(), nn.Flatten(),
        nn.Linear(96, 50), nn.ReLU(), nn.Linear(50, 3),
    )  # fmt: skip


def normalised() -> nn.Module:
    """Return a small network with statistics of batches and with dropout, for rows ``[B, 48]``."""
    return nn.Sequential(
        nn.Linear(48, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3)
    )  # fmt: skip


def _mean(outputs: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return outputs.mean()


def _cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(outputs, targets)


def _mean_value(predictions: Any, _: Any) -> float:
    return float(predictions.mean())


def _log_loss(predictions: Any, targets: Any) -> float:
    likely = predictions[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(likely, 1e-12)).mean())


VALUE = Task("value", lambda _: 1, _mean, lambda outputs: outputs, {"loss": Metric(_mean_value, "min")})
CLASSES = Task("classes", lambda _: 3, _cross_entropy, lambda out: out.softmax(1), {"loss": Metric(_log_loss, "min")})
ONE = Split(np.ones((1, 1), np.float32), np.zeros(1, np.int64), ("0",))


def _clusters(count: int = 64, apart: float = 0.5) -> Split:
    """Return rows of three overlapping clusters, ``[count, 48]``, whose centres are ``apart`` in each direction."""
    random = np.random.default_rng(0)
    targets = np.arange(count) % 3
    centres = random.normal(size=(3, 48))
    rows = apart * centres[targets] + random.normal(size=(count, 48))
    return Split(rows.astype(np.float32), targets, tuple(map(str, range(count))))


BOWL = Problem("a convex quadratic", Bowl, VALUE, ONE)
VALLEY = Problem("Rosenbrock's valley", Valley, VALUE, ONE)
NETWORK = Problem("a small network", network, CLASSES, _clusters(), outputs=3, batch_size=64)  # on all rows at once
NORMALISED = Problem("a network with batch statistics", normalised, CLASSES, _clusters(), outputs=3, batch_size=16)
BATCHES = replace(NETWORK, batch_size=16)
# Its sums show in which order they are taken.
LARGER = replace(BATCHES, name="a larger network", build=larger_network)


def slope(offer: Optimizer, idle: bool = False) -> Problem:
    """Return the slope for an optimizer; with a parameter out of sight.

    It is curved for one that asks for second derivatives, and for one that searches along lines: where a line has no
    lowest point, that one ends where float32 does, and where that is differs from processor to processor.
    """
    lines = searches_lines(offer)
    curvature = 0.1 if offer.second_order or lines else 0.0
    return Problem("a slope", partial(Slope, curvature=curvature, idle=idle, uneven=lines), VALUE, ONE)


def searches_lines(offer: Optimizer) -> bool:
    """Return whether it finds the lengths of its steps by a line search: it evaluates the objective, and wants no schedule."""
    return offer.closure and not offer.scheduled


def perceptron(*widths: int) -> nn.Module:
    """Return a multilayer perceptron for rows ``[B, 48]`` of three classes."""
    layers: list[nn.Module] = []
    for before, after in pairwise((48, *widths)):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 3))


REFERENCE = Problem("a network", partial(perceptron, 64, 64), CLASSES, _clusters(1024, 0.2), outputs=3, batch_size=32)
WIDE = Problem("a wider network", partial(perceptron, 256, 256), CLASSES, _clusters(128), outputs=3, batch_size=128)
