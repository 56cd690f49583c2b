"""Spaces of units: which axes of which tensors number the same units, and must be permuted together.

An axis is over a space, in blocks and some times over: flattening maps ``[C, H, W]`` makes an axis of C blocks of H*W
entries each, and whoever permutes the C channels moves whole blocks. Joining two axes makes one space of both.

A space can be divided: its units, or some of them, are those of smaller spaces. Pieces of an axis make such spaces, and so do
axes side by side. And a space can be nested: it has as many units for each of some heads, and they stay with their head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Entries = tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """One axis of a tensor: ``outer`` times all units of a space in turn, each of ``block`` entries."""

    space: int
    block: int = 1
    outer: int = 1


SAME = Axis(-1)  # along this axis all entries are equal, so any order of them is as good as another


@dataclass(frozen=True)
class Nested:
    """A space whose units belong to heads, as many to each, one head after the other.

    Where they are ``rigid``, the units of a head keep their order.
    """

    units: Axis
    heads: Axis
    rigid: bool


class Spaces:
    """A union-find over spaces. One that is fixed can only be permuted by the identity; so can an axis that is None."""

    def __init__(self) -> None:
        self.sizes: list[int] = []  # units, by space
        self.nested: list[Nested] = []
        self._above: list[Axis] = []  # the space that a space is part of, and its blocks there; itself for a root
        self._fixed: list[bool] = []
        self._pieces: list[tuple[Axis, Axis, Entries]] = []  # a divided space, a space of its units, and which ones
        self._divided: dict[int, list[tuple[Entries, int]]] = {}  # the same by root space, once all has been seen

    def new(self, size: int) -> Axis | None:
        """Return an axis over a new space of so many units; None for one unit, which cannot be permuted."""
        if size == 1:
            return None
        space = len(self.sizes)
        self.sizes.append(size)
        self._above.append(Axis(space))
        self._fixed.append(False)
        return Axis(space)

    def root(self, axis: Axis) -> Axis:
        """Return the axis over the space that its own has become part of by now."""
        while axis.space >= 0 and self._above[axis.space].space != axis.space:
            above = self._above[axis.space]
            axis = Axis(above.space, above.block * axis.block, above.outer * axis.outer)
        return axis

    def free(self, axis: Axis | None) -> Axis | None:
        """Return the axis' root, or None where it is fixed."""
        root = None if axis is None or axis is SAME else self.root(axis)
        return None if root is None or self._fixed[root.space] else root

    def fix(self, axis: Axis | None) -> None:
        """Let nobody permute this axis."""
        root = self.free(axis)
        if root is not None:
            self._fixed[root.space] = True

    def join(self, first: Axis | None, second: Axis | None) -> Axis | None:
        """Let both axes, of one length, be permuted together; return that axis, None where it is fixed."""
        if first is SAME or second is SAME:
            return first if second is SAME else second
        first, second = self.free(first), self.free(second)
        if first == second:
            return first
        if first is None or second is None or first.space == second.space:
            self.fix(first)
            self.fix(second)
            return None
        if not self._covers(first, second):
            first, second = second, first
        if not self._covers(first, second):
            self.fix(first)
            self.fix(second)
            return None
        self._above[second.space] = Axis(first.space, first.block // second.block, first.outer // second.outer)
        return first

    def _covers(self, first: Axis, second: Axis) -> bool:
        """Return whether each unit of the second axis' space is a piece of a unit of the first one's."""
        lengths = [axis.outer * self.sizes[axis.space] * axis.block for axis in (first, second)]
        return lengths[0] == lengths[1] and first.block % second.block == 0 and first.outer % second.outer == 0

    def piece(self, axis: Axis | None, entries: Entries) -> Axis | None:
        """Return an axis over the space of some units of an axis, in this order; None where they cannot be permuted."""
        space = self.free(axis)
        if space is None or space.block > 1 or space.outer > 1:
            self.fix(space)
            return axis if axis is SAME else None
        if entries == tuple(range(self.sizes[space.space])):
            return space
        units = self.new(len(entries))
        if units is not None:
            self._pieces.append((space, units, entries))
        return units

    def side_by_side(self, axes: Sequence[Axis | None], lengths: Sequence[int]) -> Axis | None:
        """Return an axis along which others follow each other; None where none of them can be permuted."""
        roots = [self.free(axis) for axis in axes]
        usable = [root if root and root.block == root.outer == 1 else None for root in roots]
        for root, used in zip(roots, usable, strict=True):
            if used is None:
                self.fix(root)
        space = self.new(sum(lengths)) if any(usable) else None
        start = 0
        for used, length in zip(usable, lengths, strict=True):
            if space is not None and used is not None:
                self._pieces.append((space, used, tuple(range(start, start + length))))
            start += length
        return space

    def nest(self, units: Axis | None, heads: Axis | None, rigid: bool) -> None:
        """Let units stay with their heads. Where either cannot be permuted, neither can the other."""
        if units is None or heads is None:
            self.fix(units)
            self.fix(heads)
        else:
            self.nested.append(Nested(units, heads, rigid))

    # --- when all has been seen

    def settle(self, whole: bool = False) -> None:
        """Fix what cannot be permuted because of how spaces are divided and nested; ``whole``, all that is either."""
        before = -1
        while sum(self._fixed) != before:
            before = sum(self._fixed)
            for divided, units, _ in self._pieces:
                self._settle_piece(divided, units, whole)
            self._settle_overlaps()
            for nested in self.nested:
                self._settle_nested(nested, whole)
        self._divided = {}
        for divided, units, entries in self._pieces:
            pieces = self._divided.setdefault(self.root(divided).space, [])
            piece = entries, self.root(units).space
            if piece not in pieces:
                pieces.append(piece)

    def _settle_piece(self, divided: Axis, units: Axis, whole: bool) -> None:
        above, below = self.root(divided), self.root(units)
        plain = above.block == above.outer == below.block == below.outer == 1
        if not plain or above.space == below.space:
            self.fix(above)
        if whole or self.free(divided) is None:
            self.fix(units)

    def _settle_overlaps(self) -> None:
        """Join the spaces of the same units of a divided space; fix those that have only some of their units in common."""
        seen: dict[int, dict[Entries, Axis]] = {}
        for divided, units, entries in self._pieces:
            pieces = seen.setdefault(self.root(divided).space, {})
            if entries in pieces:
                self.join(pieces[entries], units)
                continue
            for piece, axis in pieces.items():
                if not set(entries).isdisjoint(piece):
                    self.fix(axis)
                    self.fix(units)
            pieces[entries] = units

    def _settle_nested(self, nested: Nested, whole: bool) -> None:
        units, heads = self.free(nested.units), self.free(nested.heads)
        plain = units and heads and units.block == units.outer == heads.block == heads.outer == 1
        if whole or not plain or self.is_divided(nested.units) or self.is_divided(nested.heads):
            self.fix(nested.units)
            self.fix(nested.heads)

    def is_divided(self, axis: Axis) -> bool:
        """Return whether the units of an axis are those of smaller spaces."""
        space = self.root(axis).space
        return any(self.root(divided).space == space for divided, _, _ in self._pieces)

    def leaves(self, space: int) -> list[tuple[int, Entries]]:
        """Return the spaces that can be permuted which a root space consists of, each with its units there.

        A space that is not divided consists of itself; for it there are no numbers of units.
        """
        if space not in self._divided:
            return [] if self._fixed[space] else [(space, ())]
        leaves = []
        for entries, piece in self._divided[space]:
            for leaf, inside in self.leaves(piece):
                leaves.append((leaf, tuple(entries[unit] for unit in inside) if inside else entries))
        return leaves
