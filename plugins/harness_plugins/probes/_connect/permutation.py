"""A network's symmetry: which units may change places, and what moves with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

Weights = Mapping[str, torch.Tensor]  # a network's state by name
Orders = Mapping[int, torch.Tensor]  # by space, int64 [n]: unit i of the result is unit orders[space][i]


@dataclass(frozen=True)
class Place:
    """One axis of a tensor that numbers units: ``outer`` times in turn, with ``block`` entries next to each other for each.

    Where it numbers more units than those of its space, ``entries`` says which ones they are, of ``total`` units.
    """

    name: str  # in the network's state
    dim: int
    block: int
    weight: bool  # it is trained; a buffer only follows
    outer: int = 1
    entries: tuple[int, ...] = ()
    total: int = 0

    @cached_property
    def is_plain(self) -> bool:
        """Whether the axis numbers the units of its space once, and none else."""
        return self.outer == 1 and not self.entries

    def positions(self, units: int) -> torch.Tensor:
        """Return where on the axis the entries of each of so many units are, ``[outer, units, block]``."""
        total = self.total if self.entries else units
        numbers = torch.tensor(self.entries) if self.entries else torch.arange(units)
        outer, block = torch.arange(self.outer)[:, None, None], torch.arange(self.block)
        return (outer * total + numbers[:, None]) * self.block + block


@dataclass(frozen=True)
class Bundle:
    """Spaces whose orders are sought together: one alone, or heads (the first) with the units that belong to them.

    The units of a head stay with it; where ``rigid`` says so of a space, in their order.
    """

    spaces: tuple[int, ...]
    rigid: tuple[bool, ...] = ()  # for each space after the first


@dataclass(frozen=True)
class Symmetry:
    """The spaces of a network: ``(number, units, places)``, and the part in [0, 1] of hidden units that may move."""

    spaces: tuple[tuple[int, int, tuple[Place, ...]], ...]
    part: float
    nested: tuple[Bundle, ...] = ()

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """All spaces, those that are nested with their heads."""
        inside = {space for bundle in self.nested for space in bundle.spaces}
        return (*(Bundle((space,)) for space, _, _ in self.spaces if space not in inside), *self.nested)


def permuted(state: Weights, symmetry: Symmetry, orders: Orders) -> dict[str, torch.Tensor]:
    """Return a network's state with its units in other orders; it computes the same."""
    result = dict(state)
    for space, _, places in symmetry.spaces:
        for place in places:
            result[place.name] = moved(result[place.name], place, orders[space])
    return result


def moved(tensor: torch.Tensor, place: Place, order: torch.Tensor) -> torch.Tensor:
    """Return a tensor with the units along one of its axes in another order."""
    if place.is_plain:
        order = order.to(tensor.device)
        if place.block > 1:
            order = (order[:, None] * place.block + torch.arange(place.block, device=order.device)).flatten()
        return tensor.index_select(place.dim, order)
    positions = place.positions(len(order))
    new, old = (indices.flatten().to(tensor.device) for indices in (positions, positions[:, order.cpu()]))
    return tensor.index_copy(place.dim, new, tensor.index_select(place.dim, old))


def randomly(symmetry: Symmetry, random: torch.Generator) -> dict[int, torch.Tensor]:
    """Return a random order of the units of every space."""
    orders = {space: torch.randperm(units, generator=random) for space, units, _ in symmetry.spaces}
    for bundle in symmetry.nested:
        heads = orders[bundle.spaces[0]]
        for space, rigid in zip(bundle.spaces[1:], bundle.rigid, strict=True):
            units_each = len(orders[space]) // len(heads)
            inside = [
                torch.arange(units_each) if rigid else torch.randperm(units_each, generator=random) for _ in heads
            ]
            orders[space] = by_heads(heads, inside)
    return orders


def by_heads(heads: torch.Tensor, inside: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the order of all units where heads have an order, and the units of each, in its new place, one of theirs."""
    return torch.cat([head * len(order) + order for head, order in zip(heads, inside, strict=True)])


def unmoved(symmetry: Symmetry) -> dict[int, torch.Tensor]:
    """Return the orders that change nothing."""
    return {space: torch.arange(units) for space, units, _ in symmetry.spaces}
