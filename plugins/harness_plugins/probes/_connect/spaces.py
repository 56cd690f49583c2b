"""Spaces of units: which axes of which tensors number the same units, and must be permuted together.

An axis is over a space, in blocks: flattening maps ``[C, H, W]`` makes an axis of C blocks of H*W entries each, and
whoever permutes the C channels moves whole blocks. Joining two axes makes one space of both, in the coarser blocks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """One axis of a tensor: as many blocks as the space has units, each of ``block`` entries."""

    space: int
    block: int = 1


class Spaces:
    """A union-find over spaces. One that is fixed can only be permuted by the identity; so can an axis that is None."""

    def __init__(self) -> None:
        self.sizes: list[int] = []  # units, by space
        self._above: list[Axis] = []  # the space that a space is part of, and its blocks there; itself for a root
        self._fixed: list[bool] = []

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
        while self._above[axis.space].space != axis.space:
            above = self._above[axis.space]
            axis = Axis(above.space, above.block * axis.block)
        return axis

    def free(self, axis: Axis | None) -> Axis | None:
        """Return the axis' root, or None where it is fixed."""
        root = None if axis is None else self.root(axis)
        return None if root is None or self._fixed[root.space] else root

    def fix(self, axis: Axis | None) -> None:
        """Let nobody permute this axis."""
        root = self.free(axis)
        if root is not None:
            self._fixed[root.space] = True

    def join(self, first: Axis | None, second: Axis | None) -> Axis | None:
        """Let both axes, of one length, be permuted together; return that axis, None where it is fixed."""
        first, second = self.free(first), self.free(second)
        if first == second:
            return first
        if first is None or second is None or first.space == second.space:
            self.fix(first)
            self.fix(second)
            return None
        if first.block % second.block:
            first, second = second, first
        if (
            first.block % second.block
            or self.sizes[first.space] * first.block != self.sizes[second.space] * second.block
        ):
            self.fix(first)
            self.fix(second)
            return None
        self._above[second.space] = Axis(first.space, first.block // second.block)
        return first
