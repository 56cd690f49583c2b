"""Functions of two parameters with one minimum, where they are 0, that optimizers find hard, each for its own reason.

Rosenbrock 1960, https://doi.org/10.1093/comjnl/3.3.175: a curved valley, steep across and nearly flat along.
Beale 1958, "On an iterative method of finding a local minimum of a function of more than one variable": plateaus
between steep walls. The ravine is a quadratic, 100 times as steep across as along, and turned by 36.9 degrees, so that
no optimizer gets it for nothing by scaling each parameter on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]
ALONG, ACROSS = (0.8, 0.6), (-0.6, 0.8)  # the ravine's own axes
STEEP = 100.0  # the ravine's condition number


@dataclass(frozen=True)
class Landscape:
    """A function of two parameters, where it begins, and what of it is drawn."""

    name: str
    value: Callable[[Any, Any], Any]  # of x and y: numbers, arrays or tensors
    gradient: Callable[[float, float], Point]
    minimum: Point  # where the value is 0
    start: Point
    window: tuple[Point, Point]  # (left, right), (bottom, top)

    def is_far(self, x: float, y: float) -> bool:
        """Return whether a point lies outside the window by more than three times its size, or is not finite."""
        sides = zip((x, y), self.window, strict=True)
        return not all(low - 3 * (high - low) <= place <= high + 3 * (high - low) for place, (low, high) in sides)


# Products, not powers: they serve numbers, arrays and tensors alike, and where they are too large they are infinite.


def _rosenbrock(x: Any, y: Any) -> Any:
    off = y - x * x
    return (1 - x) * (1 - x) + 100 * off * off


def _rosenbrock_gradient(x: float, y: float) -> Point:
    off = y - x * x
    return -2 * (1 - x) - 400 * x * off, 200 * off


def _beale(x: Any, y: Any) -> Any:
    first, second, third = _beale_terms(x, y)
    return first * first + second * second + third * third


def _beale_gradient(x: float, y: float) -> Point:
    first, second, third = _beale_terms(x, y)
    by_x = 2 * (first * (y - 1) + second * (y * y - 1) + third * (y * y * y - 1))
    return by_x, 2 * x * (first + 2 * second * y + 3 * third * y * y)


def _beale_terms(x: Any, y: Any) -> tuple[Any, Any, Any]:
    return 1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y


def _ravine(x: Any, y: Any) -> Any:
    along, across = ALONG[0] * x + ALONG[1] * y, ACROSS[0] * x + ACROSS[1] * y
    return (along * along + STEEP * across * across) / 2


def _ravine_gradient(x: float, y: float) -> Point:
    along, across = ALONG[0] * x + ALONG[1] * y, ACROSS[0] * x + ACROSS[1] * y
    return ALONG[0] * along + STEEP * ACROSS[0] * across, ALONG[1] * along + STEEP * ACROSS[1] * across


LANDSCAPES: Mapping[str, Landscape] = {
    points.name: points
    for points in (
        Landscape("Rosenbrock", _rosenbrock, _rosenbrock_gradient, (1.0, 1.0), (-1.2, 1.0), ((-2.0, 2.0), (-1.0, 2.6))),
        Landscape("Beale", _beale, _beale_gradient, (3.0, 0.5), (1.0, 1.5), ((-1.0, 4.2), (-1.9, 2.3))),
        Landscape("ravine", _ravine, _ravine_gradient, (0.0, 0.0), (-3.2, -1.2), ((-4.0, 1.4), (-3.2, 1.6))),
    )
}
