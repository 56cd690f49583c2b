"""mlp: a multilayer perceptron with ReLU.

The flattened input, hidden layers of ReLU, one linear layer.

Hidden weights are drawn as in He et al. 2015, arXiv:1502.01852, which keeps the variance through ReLUs; biases begin
at zero, and the last layer so small that outputs begin near zero, where the loss is that of knowing nothing.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from harness import Backbone, hookimpl
from harness_plugins._sequential import as_text

if TYPE_CHECKING:
    from torch import nn

SPREAD = 0.1  # of the outputs at the start, for inputs of variance one


def build(input_shape: tuple[int, ...], outputs: int, widths: tuple[int, ...] = (256,)) -> nn.Module:
    """Return the network for rows ``[B, F]`` or images ``[B, C, H, W]`` -> ``[B, outputs]``; a hidden layer a width."""
    from torch import nn

    layers: list[nn.Module] = [nn.Flatten()]
    count = prod(input_shape)
    for width in widths:
        hidden = nn.Linear(count, width)
        nn.init.kaiming_normal_(hidden.weight, nonlinearity="relu")
        nn.init.zeros_(hidden.bias)
        layers += [hidden, nn.ReLU()]
        count = width
    last = nn.Linear(count, outputs)
    nn.init.normal_(last.weight, std=SPREAD / count**0.5)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def plain(input_shape: tuple[int, ...], outputs: int) -> str:
    """Return the same network in torch's own words."""
    return as_text(build(input_shape, outputs))


@hookimpl
def harness_backbones() -> list[Backbone]:
    """Offer mlp, with one hidden layer of 256."""
    return [Backbone(name="mlp", build=build, plain=plain, reference="arXiv:1502.01852")]
