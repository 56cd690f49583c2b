"""Outlines, and the pen that fills and strokes them where the pose puts them.

An outline is an array of complex numbers, [N], the real axis to the right and the imaginary axis down. In head
coordinates the origin lies between the eyes and the nose, and the skull is about one unit in radius; in scene
coordinates the picture is the unit square.
"""

from __future__ import annotations

import cmath
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from harness_plugins.datasets._drawings.colours import Colour
from harness_plugins.datasets._drawings.traits import Pose

if TYPE_CHECKING:
    from collections.abc import Iterator

Outline = NDArray[np.complex128]

_CIRCLE: Outline = np.exp(2j * np.pi * np.arange(28) / 28)
_STEPS = np.linspace(0.0, 1.0, 7)


def path(*points: complex) -> Outline:
    """Return the outline with these corners."""
    return np.array(points, dtype=np.complex128)


def ellipse(centre: complex, width: float, height: float, slant: float = 0.0) -> Outline:
    """Return an ellipse with the given half axes."""
    return centre + (width * _CIRCLE.real + 1j * height * _CIRCLE.imag) * cmath.exp(1j * slant)


def box(corner: complex, width: float, height: float) -> Outline:
    """Return a rectangle from its upper left corner."""
    return path(corner, corner + width, corner + width + 1j * height, corner + 1j * height)


def bend(start: complex, control: complex, end: complex) -> Outline:
    """Return a quadratic Bezier curve."""
    t = _STEPS
    curve: Outline = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    return curve


def smooth(*corners: complex) -> Outline:
    """Return a closed, smooth outline: a quadratic B-spline with these control points."""
    points = path(*corners)
    start, end = (np.roll(points, 1) + points) / 2, (np.roll(points, -1) + points) / 2
    t = _STEPS[:-1, None]
    curve: Outline = ((1 - t) ** 2 * start + 2 * t * (1 - t) * points + t**2 * end).T.ravel()
    return curve


def closed(outline: Outline) -> Outline:
    """Return the outline with its first point again at the end, to be stroked all around."""
    return np.append(outline, outline[:1])


def flip(outline: Outline, side: int) -> Outline:
    """Return the outline for the right (side 1) or mirrored for the left (side -1)."""
    return outline if side > 0 else -outline.conj()


class Pen:
    """Fills and strokes outlines on an image, moved to where the pose puts them; widths are in the outlines' units."""

    def __init__(self, image: Image.Image, origin: complex, scale: complex, squeeze: float, mirrored: bool) -> None:
        self.image = image
        self.side = image.width
        self._draw = ImageDraw.Draw(image)
        self._origin, self._scale, self._squeeze, self._mirrored = origin, scale, squeeze, mirrored

    @classmethod
    def on_scene(cls, image: Image.Image) -> Pen:
        """Return the pen for scene coordinates."""
        return cls(image, 0j, 1 + 0j, 1.0, False)

    @classmethod
    def on_animal(cls, image: Image.Image, pose: Pose, tilt: float) -> Pen:
        """Return the pen for head coordinates."""
        return cls(image, pose.centre, pose.scale * cmath.exp(1j * (pose.lean + tilt)), pose.squeeze, pose.mirrored)

    def _pixels(self, outline: Outline) -> list[float]:
        points = outline * self._scale
        points.real *= -self._squeeze if self._mirrored else self._squeeze
        points += self._origin
        points *= self.side
        pixels: list[float] = points.view(np.float64).tolist()
        return pixels

    def fill(self, outline: Outline, colour: Colour, edge: Colour | None = None) -> None:
        """Fill an outline; with an edge, draw its border too."""
        pixels = self._pixels(outline)
        if edge is None:
            self._draw.polygon(pixels, fill=colour)
        else:
            self._draw.polygon(pixels, fill=colour, outline=edge, width=max(1, round(self.side / 96)))

    def stroke(self, line: Outline, colour: Colour, width: float) -> None:
        """Draw an open line; the width is in head (or scene) units."""
        thick = max(1, round(width * abs(self._scale) * self.side))
        self._draw.line(self._pixels(line), fill=colour, width=thick, joint="curve" if thick > 3 else None)

    def mask(self, outline: Outline) -> Image.Image:
        """Return the inside of an outline as a mask."""
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon(self._pixels(outline), fill=255)
        return mask

    @contextmanager
    def inside(self, outline: Outline) -> Iterator[Pen]:
        """Give a pen whose marks stay inside the outline."""
        inner = Pen(self.image.copy(), self._origin, self._scale, self._squeeze, self._mirrored)
        yield inner
        self.image.paste(inner.image, mask=self.mask(outline))
