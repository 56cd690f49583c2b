"""Loss and error of a network at any weights, on some of the train split, un-augmented."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from harness_plugins.probes._connect.batch_norm import recalibrate
from harness_plugins.probes._connect.permutation import Weights

if TYPE_CHECKING:
    from harness import Parts

SEED = 7  # of the draw of examples
BATCH, PIXELS = 512, 2**21  # examples at a time; fewer where images are large


@dataclass(frozen=True)
class Height:
    """What a network is worth at some weights."""

    loss: float  # the task's, without a penalty
    error: float | None  # the part of examples, in [0, 1], that are put into a wrong class; None without classes


class Landscape:
    """A network to move about in, beside the one it is a copy of; always in float32 and in evaluation mode."""

    def __init__(self, parts: Parts, images: int, statistics: int) -> None:
        """Use so many examples to evaluate on, and so many for batch normalisation's statistics."""
        self.parts = parts
        self.network = copy.deepcopy(parts.model).eval()
        self._rows = _drawn(len(parts.ingredients.train), images)
        self._statistics = _drawn(len(parts.ingredients.train), statistics)

    def watched(self, count: int) -> Iterator[torch.Tensor]:
        """Yield so many examples in batches ``[B, ...]`` that are small, for all activations are kept of each."""
        return self._batches(_drawn(len(self.parts.ingredients.train), count), PIXELS // 8)

    def training(self, size: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the whole train split once, un-augmented, in the order of a seed: inputs ``[B, ...]``, targets ``[B]``."""
        train = self.parts.ingredients.train
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed)).to(train.device)
        for rows in order.tensor_split(-(-len(order) // size)):
            yield train.batch(rows)

    def calibrating(self) -> Iterator[torch.Tensor]:
        """Yield the batches ``[B, ...]`` that statistics are computed on, all of nearly one size."""
        return self._batches(self._statistics)

    def load(self, weights: Weights, recalibrated: bool = True) -> None:
        """Go to these weights, with batch normalisation's statistics computed anew, or as they stand in them."""
        self.network.load_state_dict(weights)
        if recalibrated:
            recalibrate(self.network, self.calibrating())

    def at(self, weights: Weights, recalibrated: bool = True) -> Height:
        """Return loss and error at these weights."""
        self.load(weights, recalibrated)
        return self.here()

    @torch.no_grad()
    def here(self, within: AbstractContextManager[None] | None = None) -> Height:
        """Return loss and error where the network is, inside a context if one is given."""
        use = self.parts.ingredients
        losses: list[torch.Tensor] = []
        wrong: list[int] = []
        accuracy = use.task.metrics.get("accuracy")
        with within or contextlib.nullcontext():
            for rows in self._chunks(self._rows):
                inputs, targets = use.train.batch(rows)
                outputs = self.network(inputs).float()
                losses.append(use.task.loss(outputs, targets).double() * len(rows))
                classes = targets.ndim == 1 and not targets.is_floating_point()
                if accuracy is None and classes and outputs.shape[1] > 1:
                    wrong.append(int((outputs.argmax(1) != targets).sum()))
                elif accuracy is not None:
                    right = accuracy.compute(use.task.predict(outputs).cpu().numpy(), targets.cpu().numpy())
                    wrong.append(round((1 - right) * len(rows)) if right == right else len(rows))
        count = len(self._rows)
        error = sum(wrong) / count if wrong else None
        return Height(float(torch.stack(losses).sum()) / count, error)

    def _batches(self, rows: torch.Tensor, pixels: int = PIXELS) -> Iterator[torch.Tensor]:
        train = self.parts.ingredients.train
        for chunk in self._chunks(rows, pixels):
            yield train.batch(chunk)[0]

    def _chunks(self, rows: torch.Tensor, pixels: int = PIXELS) -> tuple[torch.Tensor, ...]:
        """Cut rows into batches of nearly one size, so that a mean over batches is one over examples."""
        train = self.parts.ingredients.train
        numbers = math.prod(train.input_shape[1:]) if train.images else 1
        most = max(1, min(BATCH, pixels // numbers))
        return torch.tensor_split(rows.to(train.device), -(-len(rows) // most))


def _drawn(length: int, count: int) -> torch.Tensor:
    """Return so many rows, or all there are: a draw that is always the same.

    Rows at even distances would not do: examples may well alternate between two classes.
    """
    order = torch.randperm(length, generator=torch.Generator().manual_seed(SEED))
    return order[:count].sort().values
