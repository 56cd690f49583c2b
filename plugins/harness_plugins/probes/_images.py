"""Some examples of the train split as a network takes them, in batches that are made once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness import DeviceSplit

KEPT = 2**29  # bytes of inputs that are kept; more are made anew in every pass


class Images:
    """Batches of rows of a split, on its device, the same in every pass.

    They are kept, unless there are too many or a network works on its input in place: then they are made anew.
    """

    def __init__(self, split: DeviceSplit, rows: Sequence[torch.Tensor]) -> None:
        self._split = split
        self._rows = [chunk.to(split.device) for chunk in rows]
        self._kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        size = sum(map(len, rows)) * math.prod(split.input_shape) * torch.float32.itemsize
        self._may_keep = size <= KEPT

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield inputs ``[B, ...]`` and targets ``[B, ...]``."""
        for number, rows in enumerate(self._rows):
            batch = self._kept.pop(number, None) or self._split.batch(rows)
            before = _versions(batch)
            yield batch
            if self._may_keep and _versions(batch) == before:
                self._kept[number] = batch

    @cached_property
    def targets(self) -> list[NDArray[Any]]:
        """The targets of every batch, in the processor's memory."""
        return [self._split.batch(rows)[1].cpu().numpy() for rows in self._rows]

    def inputs(self) -> Iterator[torch.Tensor]:
        """Yield the inputs alone."""
        for inputs, _ in self:
            yield inputs


def _versions(batch: tuple[torch.Tensor, torch.Tensor]) -> tuple[int, int]:
    """Return how often both tensors were written to."""
    return batch[0]._version, batch[1]._version
