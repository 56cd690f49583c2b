"""linear: one linear layer on the flattened input.

With a convex loss and an L2 the objective has one minimum, which least squares knows in closed form: the plainest
network there is to check an optimizer on, and the usual head on frozen features. What differs from PyTorch's default
initialisation: biases begin at zero and weights so small that outputs begin near zero whatever the number of inputs,
so the loss begins at that of knowing nothing; not at exactly zero, so that seeds differ.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from harness import Backbone, hookimpl
from harness_plugins._sequential import as_text

if TYPE_CHECKING:
    from torch import nn

SPREAD = 0.1  # of the outputs at the start, for inputs of variance one


def build(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the network for rows ``[B, F]`` or images ``[B, C, H, W]`` -> ``[B, outputs]``."""
    from torch import nn

    count = prod(input_shape)
    layer = nn.Linear(count, outputs)
    nn.init.normal_(layer.weight, std=SPREAD / count**0.5)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(nn.Flatten(), layer)


def plain(input_shape: tuple[int, ...], outputs: int) -> str:
    """Return the same network in torch's own words."""
    return as_text(build(input_shape, outputs))


@hookimpl
def harness_backbones() -> list[Backbone]:
    """Offer linear."""
    return [Backbone(name="linear", build=build, plain=plain, convex=True)]
