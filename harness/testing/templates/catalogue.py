"""newcomer: multilayer perceptrons by their width, ``w16`` or ``w256``; a place to start from.

A catalogue is a whole library whose plugins are looked up by name, only when one is asked for.
"""

from __future__ import annotations

import re
from functools import partial
from math import prod
from typing import TYPE_CHECKING

from harness import Backbone, Catalogue, hookimpl

if TYPE_CHECKING:
    from torch import nn


def build(width: int, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the network for inputs ``[B, *input_shape]`` -> ``[B, outputs]``, with one hidden layer."""
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), width), nn.ReLU(), nn.Linear(width, outputs))


def find(name: str) -> Backbone | None:
    """Return the network of that name, or None where there is none."""
    match = re.fullmatch(r"w([1-9]\d{0,4})", name)
    return Backbone(name=name, build=partial(build, int(match[1]))) if match else None


def names() -> list[str]:
    """Return some of the names, for lists and for "did you mean"."""
    return [f"w{2**power}" for power in range(4, 11)]


@hookimpl
def harness_catalogues() -> list[Catalogue]:
    """Offer newcomer; being ``qualified``, it wants its name in front, with a colon."""
    return [Catalogue(kind="backbone", name="newcomer", find=find, names=names, qualified=True)]
