"""Batches made on the device from the store: no worker processes, no copies of what is already there."""

from __future__ import annotations

import random as python_random
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import mtrand
from numpy.typing import NDArray

from harness.plugin.contracts import Split
from harness.training.augmentation import Draws, Targets, draw, gather, mix_batch, transform
from harness.training.device import Device

MEAN, STD = (0.5,), (0.25,)  # of pixels in [0, 1]; a network trained from scratch asks no more than a common scale


def mix_seeds(*numbers: int) -> int:
    """Return one 63-bit seed from several numbers; nearby ones give unrelated seeds (splitmix64)."""
    seed = 0x9E3779B97F4A7C15
    for number in numbers:
        seed = (seed ^ (number & 0xFFFFFFFFFFFFFFFF)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        seed = (seed ^ (seed >> 31)) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        seed ^= seed >> 29
    return seed >> 1


def seed_all(seed: int) -> None:
    """Seed the global random generators of torch, numpy and Python: a plugin may draw from any of them.

    So what a run draws depends neither on what was drawn before it nor on where it was interrupted.
    """
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.manual_seed(seed)
    else:  # what that does beside this is to keep a stack trace for every device that might be used later
        torch.default_generator.manual_seed(seed)
    if not isinstance(mtrand.get_bit_generator(), np.random.MT19937):  # a plugin has put another one in place
        mtrand.set_bit_generator(np.random.MT19937())
    np.random.seed(seed % 2**32)
    python_random.seed(seed)


@dataclass(frozen=True)
class Resident:
    """A split on the device, as it is stored: images stay ``uint8 [N, H, W, 3]`` until a batch is made.

    All runs share the stored tensors, so no plugin ever gets them: a network, a loss or a probe that works in place
    would change the data of every later run. ``batch``, ``inputs`` and ``targets`` return copies.
    """

    stored_inputs: torch.Tensor
    stored_targets: torch.Tensor
    shift: torch.Tensor  # [1] or [3], in pixel values: what is taken off
    scale: torch.Tensor  # [1] or [3]: what is multiplied by after that
    mirrored: bool = False  # images are seen left for right

    @property
    def inputs(self) -> torch.Tensor:
        """A copy of all inputs as they are stored, ``uint8 [N, H, W, 3]`` or ``float32 [N, F]``."""
        return self.stored_inputs.clone()

    @property
    def targets(self) -> torch.Tensor:
        """A copy of all targets, ``[N, ...]``."""
        return self.stored_targets.clone()

    @property
    def device(self) -> torch.device:
        """Where the split is."""
        return self.stored_targets.device

    @property
    def images(self) -> bool:
        """Whether the inputs are images."""
        return self.stored_inputs.dtype == torch.uint8

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example as a network sees it: ``(3, H, W)`` or ``(F,)``."""
        shape = tuple(self.stored_inputs.shape[1:])
        return (shape[2], shape[0], shape[1]) if self.images else shape

    def as_input(self, rows: torch.Tensor) -> torch.Tensor:
        """Return stored rows as the network takes them: ``uint8 [B, H, W, 3]`` to ``float32 [B, 3, H, W]``, normalised.

        The permuted view of pixel-last rows is channels_last for free. Rows that are no images pass unchanged.
        """
        if not self.images:
            return rows
        images = rows.to(torch.float32).sub_(self.shift).mul_(self.scale).permute(0, 3, 1, 2)
        return images.flip(3) if self.mirrored else images

    def batch(self, rows: torch.Tensor | slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return these rows' ``inputs [B, ...]`` as the network takes them and ``targets [B, ...]``, both copies."""
        inputs, targets = self.stored_inputs[rows], self.stored_targets[rows]
        if isinstance(rows, slice):  # which gives views; an index gives copies
            inputs, targets = inputs if self.images else inputs.clone(), targets.clone()
        return self.as_input(inputs), targets

    def __len__(self) -> int:
        return len(self.stored_targets)


def put_on_device(split: Split, device: Device, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> Resident:
    """Return the split on the device; on the CPU the memory-mapped store itself serves."""
    inputs, targets = _shared(split.inputs), _shared(split.targets)
    shift = torch.tensor(mean, device=device.name) * 255
    scale = 1 / (torch.tensor(std, device=device.name) * 255)
    return Resident(inputs.to(device.name), targets.to(device.name), shift, scale)


def _shared(array: NDArray[Any]) -> torch.Tensor:
    """Return a tensor on an array's memory; the arrays of the data are read-only, and nothing here writes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def shuffle_labels(targets: torch.Tensor, part: float) -> torch.Tensor:
    """Return the targets ``[N, ...]`` with this part of them, in [0, 1], exchanged among each other, always alike.

    So it is with every task: of K classes of equal size, one in K of those keeps its label by chance.
    """
    random = torch.Generator().manual_seed(mix_seeds(len(targets)))
    rows = torch.randperm(len(targets), generator=random)[: round(part * len(targets))].to(targets.device)
    noisy = targets.clone()
    noisy[rows] = targets[rows.roll(1)]
    return noisy


class Batches:
    """The train split in another order every epoch, the same for equal ``(seed, epoch)`` on every device.

    The last, smaller batch is left out (the order changes, so every example is seen), which keeps all steps alike.
    """

    def __init__(self, split: Resident, batch_size: int, augment: Sequence[str], seed: int) -> None:
        self.split = split
        self.batch_size = min(batch_size, len(split))
        self.augment = frozenset(augment) if split.images else frozenset()
        self.seed = seed

    def __len__(self) -> int:
        return len(self.split) // self.batch_size

    def of(self, epoch: int) -> Iterator[tuple[torch.Tensor, Targets]]:
        """Yield ``(inputs [B, ...], targets [B, ...])`` for every batch of an epoch."""
        for drawn in self._drawn(epoch):
            yield self.make({name: tensor.to(self.split.device) for name, tensor in drawn.items()})

    def whole(self, epoch: int) -> Iterator[tuple[torch.Tensor, Targets]]:
        """Yield the batches of an epoch as ``of`` does, with no example left out: the last batch has the rest too."""
        for drawn in self._drawn(epoch, whole=True):
            yield self.make({name: tensor.to(self.split.device) for name, tensor in drawn.items()})

    def draw(self, epoch: int) -> dict[str, torch.Tensor]:
        """Return all that is random in an epoch, on the CPU; row ``s`` of every tensor is what ``make`` takes for step ``s``."""
        steps = list(self._drawn(epoch))
        return {name: torch.stack([drawn[name] for drawn in steps]) for name in steps[0]}

    def make(self, drawn: Draws) -> tuple[torch.Tensor, Targets]:
        """Return the batch ``(inputs [B, ...], targets [B, ...])`` of what was drawn for a step."""
        chosen = drawn["chosen"]
        inputs = self.split.as_input(gather(self.split.stored_inputs, chosen, drawn))
        if self.augment:
            inputs = transform(inputs, drawn, -self.split.shift * self.split.scale)
        return mix_batch(inputs, self.split.stored_targets.index_select(0, chosen), drawn)

    def _drawn(self, epoch: int, whole: bool = False) -> Iterator[dict[str, torch.Tensor]]:
        """Yield what is random in every batch of an epoch: which examples it has, ``chosen [B]``, and their augmentation."""
        seed_all(mix_seeds(self.seed, epoch, 1))  # for dropout, and whatever else a plugin draws
        random = torch.Generator().manual_seed(mix_seeds(self.seed, epoch))
        order = torch.randperm(len(self.split), generator=random)
        height, width = self.split.stored_inputs.shape[1:3] if self.augment else (0, 0)
        for batch in range(len(self)):
            start, end = batch * self.batch_size, (batch + 1) * self.batch_size
            chosen = order[start : None if whole and batch == len(self) - 1 else end]
            augmented = draw(len(chosen), (height, width), self.augment, random) if self.augment else {}
            yield {"chosen": chosen, **augmented}
