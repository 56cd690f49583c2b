"""newcomer: three convolutions that halve the image, and a linear layer; a place to start from.

LeCun et al. 1998, doi:10.1109/5.726791, with ReLU for the sigmoid and a mean over the image before the linear layer,
so that any image size will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Backbone, hookimpl

if TYPE_CHECKING:
    from torch import nn


def build(input_shape: tuple[int, ...], outputs: int, width: int = 16) -> nn.Module:
    """Return the network for images ``[B, C, H, W]`` -> ``[B, outputs]``; ``input_shape`` is (C, H, W)."""
    from torch import nn

    channels, layers = input_shape[0], list[nn.Module]()
    for wide in (width, 2 * width, 4 * width):
        layers += [nn.Conv2d(channels, wide, kernel_size=3, stride=2, padding=1), nn.ReLU()]
        channels = wide
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, outputs))


@hookimpl
def harness_backbones() -> list[Backbone]:
    """Offer newcomer, with 16, 32 and 64 channels."""
    return [Backbone(name="newcomer", build=build, reference="doi:10.1109/5.726791")]
