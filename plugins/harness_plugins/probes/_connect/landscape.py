"""Loss and error of a network at any weights, on some of the train split, un-augmented."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from harness_plugins.probes._connect import batch_norm
from harness_plugins.probes._connect.permutation import Weights
from harness_plugins.probes._images import Images

if TYPE_CHECKING:
    from harness import Parts

SEED = 7  # of the draw of examples
BATCH, PIXELS = 512, 2**21  # examples at a time; fewer where images are large


@dataclass(frozen=True)
class Height:
    """What a network is worth at some weights."""

    loss: float  # the task's, without a penalty
    error: float | None  # the part of examples, in [0, 1], that are put into a wrong class; None without classes


@dataclass(frozen=True)
class Score:
    """The same while it is still on the device, so that nothing waits for it: sums over the examples."""

    loss: torch.Tensor  # [], float64
    wrong: torch.Tensor | None = None  # [], where the task has no accuracy and there are classes
    predictions: Sequence[torch.Tensor] = ()  # by batch, where the task has an accuracy


class Landscape:
    """A network to move about in, beside those that it stands for; always in float32 and in evaluation mode."""

    def __init__(self, parts: Parts, images: int, statistics: int) -> None:
        """Use so many examples to evaluate on, and so many for batch normalisation's statistics."""
        self.network = copy.deepcopy(parts.model).eval()
        self.train, self.task = parts.ingredients.train, parts.ingredients.task
        self._count = min(images, len(self.train))
        self._evaluated = self._images(images)
        self._statistics = self._evaluated if statistics == images else self._images(statistics)
        # Statistics of the one batch that is evaluated need no pass of their own: the network uses them as it makes them.
        self._at_once = self._statistics is self._evaluated and len(self._evaluated) == 1

    def watched(self, count: int) -> Iterator[torch.Tensor]:
        """Yield so many examples in batches ``[B, ...]`` that are small, for all activations are kept of each."""
        for rows in self._chunks(_drawn(len(self.train), count), PIXELS // 8):
            yield self.train.batch(rows)[0]

    def training(self, size: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the whole train split once, un-augmented, in the order of a seed: inputs ``[B, ...]``, targets ``[B]``."""
        order = torch.randperm(len(self.train), generator=torch.Generator().manual_seed(seed)).to(self.train.device)
        for rows in order.tensor_split(-(-len(order) // size)):
            yield self.train.batch(rows)

    def calibrating(self) -> Iterator[torch.Tensor]:
        """Yield the batches ``[B, ...]`` that statistics are computed on, all of nearly one size."""
        return self._statistics.inputs()

    def load(self, weights: Weights, recalibrated: bool = True) -> None:
        """Go to these weights, with batch normalisation's statistics computed anew, or as they stand in them."""
        self.network.load_state_dict(weights)
        if recalibrated:
            batch_norm.recalibrate(self.network, self.calibrating())

    def at(self, weights: Weights, recalibrated: bool = True) -> Height:
        """Return loss and error at these weights."""
        if recalibrated:
            return self.along([weights])[0]
        self.load(weights, recalibrated=False)
        return self.heights([self.here()])[0]

    def along(self, points: Iterable[Weights]) -> list[Height]:
        """Return loss and error at several weights, batch normalisation's statistics computed anew at each."""
        scores = []
        for weights in points:
            self.load(weights, recalibrated=not self._at_once)
            scores.append(self.here(batch_norm.averaging(self.network) if self._at_once else None))
        return self.heights(scores)

    @torch.no_grad()
    def here(self, within: AbstractContextManager[None] | None = None) -> Score:
        """Return how the network does where it is, inside a context if one is given."""
        losses: list[torch.Tensor] = []
        wrong: list[torch.Tensor] = []
        predictions: list[torch.Tensor] = []
        with within or contextlib.nullcontext():
            for inputs, targets in self._evaluated:
                outputs = self.network(inputs).float()
                losses.append(self.task.loss(outputs, targets).double() * len(targets))
                if "accuracy" in self.task.metrics:
                    predictions.append(self.task.predict(outputs))
                elif targets.ndim == 1 and not targets.is_floating_point() and outputs.shape[1] > 1:
                    wrong.append((outputs.argmax(1) != targets).sum())
        return Score(torch.stack(losses).sum(), torch.stack(wrong).sum() if wrong else None, predictions)

    def heights(self, scores: Sequence[Score]) -> list[Height]:
        """Return loss and error of several scores; here the device is waited for, once."""
        losses = torch.stack([score.loss for score in scores]).tolist() if scores else []
        return [
            Height(loss / self._count, self._error(score)) for loss, score in zip(losses, scores, strict=True)
        ]  # fmt: skip

    def _error(self, score: Score) -> float | None:
        if score.wrong is not None:
            return int(score.wrong) / self._count
        if not score.predictions:
            return None
        accuracy, wrong = self.task.metrics["accuracy"], 0
        for predictions, targets in zip(score.predictions, self._evaluated.targets, strict=True):
            right = accuracy.compute(predictions.cpu().numpy(), targets)
            wrong += round((1 - right) * len(targets)) if right == right else len(targets)
        return wrong / self._count

    def _images(self, count: int) -> Images:
        return Images(self.train, self._chunks(_drawn(len(self.train), count)))

    def _chunks(self, rows: torch.Tensor, pixels: int = PIXELS) -> tuple[torch.Tensor, ...]:
        """Cut rows into batches of nearly one size, so that a mean over batches is one over examples."""
        numbers = math.prod(self.train.input_shape[1:]) if self.train.images else 1
        most = max(1, min(BATCH, pixels // numbers))
        return torch.tensor_split(rows.to(self.train.device), -(-len(rows) // most))


def _drawn(length: int, count: int) -> torch.Tensor:
    """Return so many rows, or all there are: a draw that is always the same.

    Rows at even distances would not do: examples may well alternate between two classes.
    """
    order = torch.randperm(length, generator=torch.Generator().manual_seed(SEED))
    return order[:count].sort().values
