"""Hand-made edge detectors, and maps as pictures.

As everywhere in torch, "convolution" is a cross-correlation: the kernel is laid over the photo as it is written, not
turned around, and what lies below each number is multiplied by it and summed.
"""

from __future__ import annotations

import torch

TOP = ((1, 2, 1), (0, 0, 0), (-1, -2, -1))  # bright above dark
RIGHT = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))  # bright to the right of dark
GREY = (0.299, 0.587, 0.114)  # of red, green and blue, as ITU-R BT.601 weighs them


def edges(photo: torch.Tensor) -> torch.Tensor:
    """Return the responses of the detectors TOP and RIGHT to the grey version of a photo ``uint8 [H, W, 3]``.

    ``float32 [2, H - 2, W - 2]``, in units of white (1) minus black (0): no border is made up around the photo.
    """
    kernels = torch.tensor([TOP, RIGHT], dtype=torch.float32, device=photo.device)[:, None]
    grey = (photo.float() / 255) @ torch.tensor(GREY, device=photo.device)
    return torch.nn.functional.conv2d(grey[None, None], kernels)[0]


def shades(maps: torch.Tensor, most: int) -> torch.Tensor:
    """Return maps ``[K, h, w]`` as ``uint8``: 128 is zero, and the strongest of each, up or down, is 255 or 1.

    A side longer than ``most`` is made that long, by averages.
    """
    maps = shrink(maps, most)
    strongest = maps.abs().amax((1, 2), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)
    return (128 + 127 * maps / strongest).round().to(torch.uint8)


def shrink(maps: torch.Tensor, most: int) -> torch.Tensor:
    """Return maps ``float [K, h, w]`` with no side longer than ``most``, by averages."""
    sides = [min(side, most) for side in maps.shape[1:]]
    return maps if sides == list(maps.shape[1:]) else torch.nn.functional.interpolate(maps[None], sides, mode="area")[0]
