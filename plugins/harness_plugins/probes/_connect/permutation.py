"""A network's symmetry: which units may change places, and what moves with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

Weights = Mapping[str, torch.Tensor]  # a network's state by name
Orders = Mapping[int, torch.Tensor]  # by space, int64 [n]: unit i of the result is unit orders[space][i]


@dataclass(frozen=True)
class Place:
    """One axis of a tensor that numbers units, each with ``block`` entries next to each other."""

    name: str  # in the network's state
    dim: int
    block: int
    weight: bool  # it is trained; a buffer only follows


@dataclass(frozen=True)
class Symmetry:
    """The spaces of a network: ``(number, units, places)``, and the part in [0, 1] of hidden units that may move."""

    spaces: tuple[tuple[int, int, tuple[Place, ...]], ...]
    part: float


def permuted(state: Weights, symmetry: Symmetry, orders: Orders) -> dict[str, torch.Tensor]:
    """Return a network's state with its units in other orders; it computes the same."""
    result = dict(state)
    for space, _, places in symmetry.spaces:
        for place in places:
            result[place.name] = moved(result[place.name], place, orders[space])
    return result


def moved(tensor: torch.Tensor, place: Place, order: torch.Tensor) -> torch.Tensor:
    """Return a tensor with the units along one of its axes in another order."""
    order = order.to(tensor.device)
    if place.block > 1:
        order = (order[:, None] * place.block + torch.arange(place.block, device=order.device)).flatten()
    return tensor.index_select(place.dim, order)


def randomly(symmetry: Symmetry, random: torch.Generator) -> dict[int, torch.Tensor]:
    """Return a random order of the units of every space."""
    return {space: torch.randperm(units, generator=random) for space, units, _ in symmetry.spaces}


def unmoved(symmetry: Symmetry) -> dict[int, torch.Tensor]:
    """Return the orders that change nothing."""
    return {space: torch.arange(units) for space, units, _ in symmetry.spaces}
