"""lesson_cnn: the project's own small network, five 3x3 convolutions and one linear layer.

Source: "multiply, add, ReLU, again" is how the first lesson of Practical Deep Learning for Coders (fast.ai, 2017)
draws a convolutional network before it takes a large one from the shelf; this is that drawing, made runnable.

What differs from the lesson: batch normalisation does the "add" (its shift takes the place of the convolution's bias)
and keeps the layers trainable over a wide range of learning rates; max pooling comes *before* normalisation and ReLU,
which work on a quarter of the values then and change little (ReLU and a positive scale commute with the maximum);
and the network trains from scratch.  With the default width, 3 input channels and 2 outputs it has 49,266 parameters;
widths 10 to 19 span 19,452 to 69,276.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Backbone, hookimpl
from harness_plugins._sequential import as_text

if TYPE_CHECKING:
    from torch import nn

_WIDTHS = (1, 2, 2, 3, 3)  # channels of the five convolutions, in multiples of the width
_POOLED = 3  # so many of them, from the first, halve the sides of the image


def build(input_shape: tuple[int, ...], outputs: int, width: int = 16) -> nn.Module:
    """Return the network for images [B, C, H, W] -> [B, outputs]; input_shape is (C, H, W).

    Any image size will do: a side too short to be halved is left alone, and the last feature map is averaged over
    the image before the linear layer.
    """
    from torch import nn

    channels, *sides = input_shape
    layers: list[nn.Module] = []
    for index, multiple in enumerate(_WIDTHS):
        convolution = nn.Conv2d(channels, multiple * width, kernel_size=3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        layers.append(convolution)
        if index < _POOLED and min(sides) > 1:
            layers.append(nn.MaxPool2d(2))
            sides = [side // 2 for side in sides]
        channels = multiple * width
        layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, outputs)]
    return nn.Sequential(*layers)


def plain(input_shape: tuple[int, ...], outputs: int) -> str:
    """Return the same network in torch's own words."""
    return as_text(build(input_shape, outputs))


@hookimpl
def harness_backbones() -> list[Backbone]:
    """Offer lesson_cnn."""
    return [Backbone(name="lesson_cnn", build=build, plain=plain, reference="fast.ai 2017, lesson 1")]
