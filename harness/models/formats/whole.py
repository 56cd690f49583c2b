"""A trained model as one torch module, from the pixels of a square to probabilities, and squares to check it on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.models.trained import Model, load_networks
from harness.plugin.contracts import Task
from harness.plugin.registry import Registry
from harness.training.device import Device

if TYPE_CHECKING:
    from numpy.typing import NDArray

SQUARES = 16  # on which an exported model is compared
BLOCKS = (1, 2, 4, 8, 16, 32)  # pixels: the sizes of the blocks that they consist of


class Whole(torch.nn.Module):
    """Pixels ``float32 [B, 3, size, size]`` in [0, 1] to probabilities ``[B, K]``, the mean over the model's networks."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        backbone: torch.nn.Module | None,
        networks: Sequence[torch.nn.Module],
        predict: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(-1, 1, 1))
        self.backbone = backbone or torch.nn.Identity()
        self.networks = torch.nn.ModuleList(networks)
        self._predict = predict

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the probabilities."""
        seen = self.backbone((pixels - self.mean) / self.std)
        return torch.stack([self._predict(network(seen)) for network in self.networks]).mean(dim=0)


def build_whole(model: Model, registry: Registry, chosen: Device) -> Whole:
    """Return the model as one module, in evaluation mode."""
    backbone, networks = load_networks(model, registry, chosen)
    task = registry.get("task", model.task, Task, str(model.origin.folder))
    model_whole = Whole(model.mean, model.std, backbone, networks, task.predict)
    contiguous: Any = model_whole  # torch's types lack the keyword
    contiguous.to(memory_format=torch.contiguous_format)
    return model_whole.eval().requires_grad_(False)


def squares_to_check(size: int) -> NDArray[np.uint8]:
    """Return squares ``uint8 [SQUARES, size, size, 3]`` of coarse and fine noise around different colours, always the same."""
    random = np.random.default_rng(0)
    squares = np.empty((SQUARES, size, size, 3), np.uint8)
    for number, square in enumerate(squares):
        block = BLOCKS[number % len(BLOCKS)]
        coarse = random.integers(-90, 91, (-(-size // block), -(-size // block), 3)).repeat(block, 0).repeat(block, 1)
        square[...] = np.clip(random.integers(30, 226, 3) + coarse[:size, :size], 0, 255)
    return squares


def as_pixels(squares: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return squares ``uint8 [B, size, size, 3]`` as ``float32 [B, 3, size, size]`` in [0, 1]."""
    return np.ascontiguousarray(squares.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
