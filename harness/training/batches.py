"""Batches made on the device from the store: no worker processes, no copies of what is already there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from harness.contracts import Split
from harness.device import Device
from harness.training.augmentation import Targets, gather, mix_batch, transform

MEAN, STD = (0.5,), (0.25,)  # of pixels in [0, 1]; a network trained from scratch asks no more than a common scale


def mix(*numbers: int) -> int:
    """Return one 63-bit seed from several numbers; nearby ones give unrelated seeds (splitmix64)."""
    seed = 0x9E3779B97F4A7C15
    for number in numbers:
        seed = (seed ^ (number & 0xFFFFFFFFFFFFFFFF)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        seed = (seed ^ (seed >> 31)) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        seed ^= seed >> 29
    return seed >> 1


@dataclass(frozen=True)
class Resident:
    """A split on the device, as it is stored: images stay ``uint8 [N, H, W, 3]`` until a batch is made."""

    inputs: torch.Tensor
    targets: torch.Tensor
    shift: torch.Tensor  # [1] or [3], in pixel values: what is taken off
    scale: torch.Tensor  # [1] or [3]: what is multiplied by after that
    mirrored: bool = False  # images are seen left for right

    @property
    def images(self) -> bool:
        """Whether the inputs are images."""
        return self.inputs.dtype == torch.uint8

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example as a network sees it: ``(3, H, W)`` or ``(F,)``."""
        shape = tuple(self.inputs.shape[1:])
        return (shape[2], shape[0], shape[1]) if self.images else shape

    def as_input(self, rows: torch.Tensor) -> torch.Tensor:
        """Return stored rows as the network takes them: ``uint8 [B, H, W, 3]`` to ``float32 [B, 3, H, W]``, normalised.

        The permuted view of pixel-last rows is channels_last for free. Rows that are no images pass unchanged.
        """
        if not self.images:
            return rows
        images = rows.to(torch.float32).sub_(self.shift).mul_(self.scale).permute(0, 3, 1, 2)
        return images.flip(3) if self.mirrored else images

    def __len__(self) -> int:
        return len(self.targets)


def resident(split: Split, device: Device, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> Resident:
    """Return the split on the device; on the CPU the memory-mapped store itself serves."""
    inputs, targets = torch.from_numpy(split.inputs), torch.from_numpy(split.targets)
    shift = torch.tensor(mean, device=device.name) * 255
    scale = 1 / (torch.tensor(std, device=device.name) * 255)
    return Resident(inputs.to(device.name), targets.to(device.name), shift, scale)


def shuffled(targets: torch.Tensor, part: float) -> torch.Tensor:
    """Return the targets ``[N, ...]`` with this part of them, in [0, 1], exchanged among each other, always alike.

    So it is with every task: of K classes of equal size, one in K of those keeps its label by chance.
    """
    random = torch.Generator().manual_seed(mix(len(targets)))
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
        torch.manual_seed(mix(self.seed, epoch, 1))  # for dropout, and whatever else a network draws
        random = torch.Generator().manual_seed(mix(self.seed, epoch))
        order = torch.randperm(len(self.split), generator=random).to(self.split.targets.device)
        black = -self.split.shift * self.split.scale
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            chosen = order[start : start + self.batch_size]
            rows = gather(self.split.inputs, chosen, self.augment, random)
            inputs = transform(self.split.as_input(rows), self.augment, random, black)
            yield mix_batch(inputs, self.split.targets.index_select(0, chosen), self.augment, random)
