"""The plane through three points of a space of many dimensions, with axes at right angles and in the space's own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Plane:
    """``origin + x * across + y * up``; ``across`` and ``up`` are unit vectors ``[d]`` at right angles.

    ``places [3, 2]`` are the three points in it: the first at 0, the second on the axis x, the third above that axis.
    """

    origin: torch.Tensor
    across: torch.Tensor
    up: torch.Tensor
    places: NDArray[np.float64]

    @staticmethod
    def through(first: torch.Tensor, second: torch.Tensor, third: torch.Tensor) -> Plane:
        """Return the plane, by Gram-Schmidt in float64; where the points lie on a line an axis is zero."""
        to_second, to_third = second.double() - first.double(), third.double() - first.double()
        length = float(to_second.norm())
        across = to_second / (length or 1.0)
        along = float(to_third @ across)
        rest = to_third - along * across
        rest = rest - (rest @ across) * across
        height = float(rest.norm())
        up = rest / (height or 1.0)
        places = np.array([[0.0, 0.0], [length, 0.0], [along, height]])
        return Plane(first, across.to(first), up.to(first), places)

    @property
    def sides(self) -> tuple[float, float, float]:
        """The distances from the first to the second, the first to the third, and the second to the third."""
        a, b, c = self.places
        return float(np.linalg.norm(b - a)), float(np.linalg.norm(c - a)), float(np.linalg.norm(c - b))

    def axis(self, which: int, points: int, margin: float) -> NDArray[Any]:
        """Return ``points`` coordinates x (0) or y (1), from ``margin`` of the points' extent before them to after."""
        low, high = self.places[:, which].min(), self.places[:, which].max()
        more = margin * (high - low)
        return np.linspace(low - more, high + more, points)

    def at(self, x: float, y: float) -> torch.Tensor:
        """Return the point ``[d]`` of the space that is at (x, y)."""
        return self.origin + x * self.across + y * self.up
