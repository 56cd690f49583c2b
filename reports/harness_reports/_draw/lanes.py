"""Marks of a row in a lane of their own, where none lies on the place of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

MARK = 0.018  # part of the axis that a mark covers
Lane = tuple[float, float]  # its upper and its lower end, below the place of the row


def separate(axes: Axes, marks: PathCollection, lane: Lane) -> None:
    """Move marks from the place of their row into a lane; call it when the ends of the axis stand."""
    import numpy as np

    points = np.array(marks.get_offsets(), dtype=float)
    if len(points):
        places = (axes.transData + axes.transAxes.inverted()).transform(points)[:, 0]
        points[:, 1] += lane_heights(places.tolist(), lane)
        marks.set_offsets(points)


def lane_heights(places: Sequence[float], lane: Lane, width: float = MARK) -> list[float]:
    """Return the height of every mark, so that marks nearer to each other than a ``width`` differ in it.

    There are as many levels as the densest place has marks. A single level is in the middle of the lane.
    """
    free_from: list[float] = []  # of each level, where its next mark may be
    levels = [0] * len(places)
    for number in sorted(range(len(places)), key=lambda number: places[number]):
        level = next((i for i, free in enumerate(free_from) if free <= places[number]), len(free_from))
        free_from[level : level + 1] = [places[number] + width]
        levels[number] = level
    top, bottom = lane
    return [top + (bottom - top) * (level + 0.5) / len(free_from) for level in levels]
