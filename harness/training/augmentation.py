"""Augmentation on the device, a batch at a time and another draw for every image of it.

What an image may go through, in this order; numbers are drawn on the CPU, so they are the same on every device:

- ``crop``: shifted by up to an eighth, mirrored at the border; ``flip``: left and right exchanged, half the time. Both
  are one gather of the stored ``uint8`` pixels;
- ``resized_crop``: a part of 35 to 100 % of the area, sides 3:4 to 4:3, resized to the whole (Szegedy et al. 2015,
  arXiv:1409.4842, who take 8 to 100 %); ``rotate``: by up to 10 degrees. Both are one bilinear resampling;
- ``brightness`` and ``contrast``: up to 20 % more or less, of the pixels and of their distance from the image's mean,
  without clipping;
- ``mixup`` (Zhang et al. 2018, arXiv:1710.09412; alpha 0.2) and ``cutmix`` (Yun et al. 2019, arXiv:1905.04899; alpha 1):
  every image is blended with another one of the batch, or has a rectangle of it. Where both are asked for, a coin decides
  for each batch. The loss is blended, not the targets, so any task can be trained this way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

DEGREES = 10.0
AREA, RATIO = (0.35, 1.0), (3 / 4, 4 / 3)
LIGHT = 0.2
ALPHA = {"mixup": 0.2, "cutmix": 1.0}


Draws = Mapping[str, torch.Tensor]  # what is random in a batch of B images, by name; the rest follows from it


@dataclass(frozen=True)
class Mixed:
    """The targets of a blended batch: each image is a part of one example and the rest of another."""

    first: torch.Tensor  # [B, ...]
    second: torch.Tensor
    parts: torch.Tensor  # [2] in [0, 1], of the first and of the second; their sum is 1


Targets = torch.Tensor | Mixed
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def copy_targets(targets: Targets) -> Targets:
    """Return targets in memory of their own."""
    if isinstance(targets, Mixed):
        return Mixed(targets.first.clone(), targets.second.clone(), targets.parts.clone())
    return targets.clone()


def blend_loss(loss: Loss, outputs: torch.Tensor, targets: Targets) -> torch.Tensor:
    """Return the loss of outputs ``[B, K]``; of a blended batch the mean of both losses, weighted by the parts."""
    if isinstance(targets, Mixed):
        part, rest = targets.parts
        blended: torch.Tensor = part * loss(outputs.clone(), targets.first) + rest * loss(outputs, targets.second)
        return blended
    return loss(outputs, targets)


def draw(count: int, size: tuple[int, int], kinds: frozenset[str], random: torch.Generator) -> dict[str, torch.Tensor]:
    """Return what is random in a batch of so many images of a size, height and width, on the CPU."""
    height, width = size
    draws: dict[str, torch.Tensor] = {}
    if "crop" in kinds:
        draws["down"], draws["right"] = _draw_shifts(count, height, random), _draw_shifts(count, width, random)
    if "flip" in kinds:
        draws["flip"] = torch.rand(count, 1, generator=random) < 0.5
    if kinds & {"resized_crop", "rotate"}:
        draws["maps"] = _draw_maps(count, kinds, random)
    for kind in ("brightness", "contrast"):
        if kind in kinds:
            draws[kind] = _draw_uniform(count, 1 - LIGHT, 1 + LIGHT, random)
    return draws | _draw_mix(count, size, kinds, random)


def gather(stored: torch.Tensor, chosen: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Return the ``chosen`` ``[B]`` of the stored images ``uint8 [N, H, W, 3]``, shifted and flipped as drawn."""
    if not draws.keys() & {"down", "flip"}:
        return stored.index_select(0, chosen)
    count, (height, width) = len(chosen), stored.shape[1:3]
    rows = torch.arange(height, device=chosen.device).expand(count, height)
    columns = torch.arange(width, device=chosen.device).expand(count, width)
    if "down" in draws:
        rows, columns = _fold_back(rows + draws["down"], height), _fold_back(columns + draws["right"], width)
    if "flip" in draws:
        columns = torch.where(draws["flip"], columns.flip(1), columns)
    return stored[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]


def transform(images: torch.Tensor, draws: Draws, black: torch.Tensor) -> torch.Tensor:
    """Return normalised images ``[B, 3, H, W]``, resampled and lit as drawn; ``black`` ``[1 or 3]`` is a black pixel."""
    if "maps" in draws:
        grid = torch.nn.functional.affine_grid(draws["maps"], list(images.shape), align_corners=False)
        images = torch.nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    if "brightness" in draws:
        dark = black[:, None, None]
        images = dark + (images - dark) * draws["brightness"][:, None, None, None]
    if "contrast" in draws:
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = mean + (images - mean) * draws["contrast"][:, None, None, None]
    return images


def mix_batch(images: torch.Tensor, targets: torch.Tensor, draws: Draws) -> tuple[torch.Tensor, Targets]:
    """Return images ``[B, 3, H, W]`` blended with others of their batch, and what their targets are then."""
    if "partner" not in draws:
        return images, targets
    order = draws["partner"]
    partners, mixed = images[order], Mixed(targets, targets[order], draws["parts"])
    blend = draws.get("blend")  # absent: every batch is blended, or every batch is cut
    if "box" not in draws or blend is not None:
        part, rest = mixed.parts
        blended = part * images + rest * partners
        if "box" not in draws:
            return blended, mixed
    cut = torch.where(_inside(draws["box"], images.shape[2], images.shape[3]), partners, images)
    return cut if blend is None else torch.where(blend, blended, cut), mixed


def _inside(box: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the mask ``[H, W]`` of a box: its first row, the row after its last one, and the same of columns."""
    rows, columns = torch.arange(height, device=box.device)[:, None], torch.arange(width, device=box.device)
    top, bottom, left, right = box
    inside: torch.Tensor = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    return inside


def _draw_mix(
    count: int, size: tuple[int, int], kinds: frozenset[str], random: torch.Generator
) -> dict[str, torch.Tensor]:
    """Return how a batch is blended: every image's partner, the parts, and the box that is cut or the coin."""
    chosen_kinds = sorted(kinds & ALPHA.keys())
    if not chosen_kinds:
        return {}
    kind = chosen_kinds[int(torch.randint(len(chosen_kinds), (), generator=random))]
    draws = {"partner": torch.randperm(count, generator=random)}
    part = _draw_beta(ALPHA[kind], random)
    box = [0, 0, 0, 0]
    if kind == "cutmix":
        rows, columns = (_draw_stretch(side, math.sqrt(1 - part), random) for side in size)
        box = [rows.start, rows.stop, columns.start, columns.stop]
        part = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (size[0] * size[1])
    draws["parts"] = torch.tensor([part, 1 - part])
    if "cutmix" in chosen_kinds:
        draws["box"] = torch.tensor(box)
    if len(chosen_kinds) > 1:
        draws["blend"] = torch.tensor(kind == "mixup")
    return draws


def _draw_maps(count: int, kinds: frozenset[str], random: torch.Generator) -> torch.Tensor:
    """Return affine maps ``[B, 2, 3]`` from places in the new image, in [-1, 1], to places in the old one."""
    width = height = torch.ones(count)
    x = y = torch.zeros(count)
    angle = torch.zeros(count)
    if "resized_crop" in kinds:
        area = _draw_uniform(count, *AREA, random)
        ratio = _draw_uniform(count, math.log(RATIO[0]), math.log(RATIO[1]), random).exp()
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        x, y = (_draw_uniform(count, -1, 1, random) * (1 - side) for side in (width, height))
    if "rotate" in kinds:
        angle = torch.deg2rad(_draw_uniform(count, -DEGREES, DEGREES, random))
    cos, sin = angle.cos(), angle.sin()
    first = torch.stack([width * cos, -height * sin, x], dim=1)
    second = torch.stack([width * sin, height * cos, y], dim=1)
    return torch.stack([first, second], dim=1)


def _draw_uniform(count: int, low: float, high: float, random: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, generator=random)


def _draw_beta(alpha: float, random: torch.Generator) -> float:
    """Return a draw of Beta(alpha, alpha), by Joehnk's method (1964), which needs uniform numbers only."""
    while True:
        u, v = (torch.rand(2, generator=random, dtype=torch.float64) ** (1 / alpha)).tolist()
        if 0 < u + v <= 1:
            return float(u / (u + v))


def _draw_stretch(side: int, part: float, random: torch.Generator) -> slice:
    """Return a stretch of ``part`` of a side around a point anywhere on it, clipped at both ends."""
    length = round(side * part)
    start = int(torch.randint(side, (), generator=random)) - length // 2
    return slice(max(0, start), max(0, min(side, start + length)))


def _draw_shifts(count: int, length: int, random: torch.Generator) -> torch.Tensor:
    return torch.randint(-(length // 8), length // 8 + 1, (count, 1), generator=random)


def _fold_back(index: torch.Tensor, length: int) -> torch.Tensor:
    """Return indices folded back into ``[0, length)`` at both borders."""
    index = index.abs()
    return (length - 1) - ((length - 1) - index).abs()
