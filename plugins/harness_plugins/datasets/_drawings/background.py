"""The background: one function per backdrop, in scene coordinates."""

from __future__ import annotations

import cmath
import math
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from harness_plugins.datasets._drawings.colours import Colour, mix, shade
from harness_plugins.datasets._drawings.pen import Pen, box, ellipse, path, smooth
from harness_plugins.datasets._drawings.traits import Backdrop, Portrait, Scene

if TYPE_CHECKING:
    from collections.abc import Callable


def draw_background(who: Portrait, side: int) -> Image.Image:
    """Return a canvas with the backdrop on it."""
    scene, rng = who.scene, who.dice("background")
    ramp = np.array([[scene.top, mix(scene.top, scene.bottom, rng.random())], [scene.bottom, scene.bottom]], np.uint8)
    canvas = Image.fromarray(ramp).resize((side, side), Image.Resampling.BILINEAR)
    _BACKDROPS[scene.backdrop](Pen.on_scene(canvas), scene, rng)
    return canvas


def _plain(pen: Pen, scene: Scene, rng: Random) -> None:
    """Draw soft spots of light out of focus."""
    for _ in range(rng.randint(0, 9)):
        colour = mix(scene.top, rng.choice(scene.accents), 0.5)
        radius = rng.uniform(0.03, 0.12)
        pen.fill(ellipse(complex(rng.random(), rng.random()), radius, radius), colour)


def _room(pen: Pen, scene: Scene, rng: Random) -> None:
    """Draw a floor, a picture or window, and something like furniture."""
    floor = rng.uniform(0.6, 0.85)
    pen.fill(box(complex(0, floor), 1, 1), scene.accents[0])
    x, y, width, height = rng.random() * 0.7, rng.random() * 0.2, rng.uniform(0.2, 0.4), rng.uniform(0.2, 0.45)
    pen.fill(box(complex(x, y), width, height), scene.accents[1], shade(scene.accents[1], 0.6))
    if rng.random() < 0.6:
        pen.stroke(path(complex(x + width / 2, y), complex(x + width / 2, y + height)), scene.top, 0.02)
    left = rng.uniform(-0.2, 0.8)
    pen.fill(box(complex(left, rng.uniform(0.35, 0.6)), rng.uniform(0.2, 0.5), 1), scene.accents[2])


def _meadow(pen: Pen, scene: Scene, rng: Random) -> None:
    """Draw hills or roofs on the horizon and blades of grass."""
    horizon = rng.uniform(0.4, 0.75)
    for _ in range(rng.randint(1, 4)):
        x, width, height = rng.random(), rng.uniform(0.1, 0.3), rng.uniform(0.1, 0.45)
        peak = path(complex(x - width, horizon), complex(x, horizon - height), complex(x + width, horizon))
        pen.fill(peak, rng.choice(scene.accents))
    green = mix(scene.accents[0], (86, 138, 56), 0.75)
    pen.fill(box(complex(0, horizon), 1, 1), green)
    _draw_blades(pen, green, rng, 16, horizon, 1.0)


def _draw_blades(pen: Pen, green: Colour, rng: Random, count: int, top: float, bottom: float) -> None:
    for _ in range(count):
        x, y, height = rng.random(), rng.uniform(top, bottom), rng.uniform(0.06, 0.16)
        blade = path(complex(x, y), complex(x + rng.uniform(-0.05, 0.05), y - height), complex(x + 0.02, y))
        pen.fill(blade, shade(green, rng.uniform(0.7, 1.25)))


def _stripes(pen: Pen, scene: Scene, rng: Random) -> None:
    """Draw wallpaper, boards or blinds."""
    count, slant = rng.randint(4, 10), rng.choice((0.0, math.pi / 2, rng.uniform(0, math.pi)))
    turn, colour = cmath.exp(1j * slant), mix(scene.top, scene.accents[0], rng.uniform(0.2, 0.7))
    for index in range(count):
        middle = 0.5 + 0.5j + turn * complex((index + 0.5) / count - 0.5, 0) * 1.4
        pen.stroke(path(middle - turn * 0.9j, middle + turn * 0.9j), colour, 0.6 / count)


def _bricks(pen: Pen, scene: Scene, rng: Random) -> None:
    rows, joint = rng.randint(5, 8), mix(scene.top, scene.accents[0], 0.4)
    for row in range(rows):
        y = row / rows
        pen.stroke(path(complex(0, y), complex(1, y)), joint, 0.015)
        for column in range(4):
            x = (column + 0.5 * (row % 2)) / 3.5
            pen.stroke(path(complex(x, y), complex(x, y + 1 / rows)), joint, 0.015)


def _shapes(pen: Pen, scene: Scene, rng: Random) -> None:
    """Draw cushions, balls and tents: round and pointed things of any colour."""
    for _ in range(rng.randint(4, 9)):
        centre, size = complex(rng.random(), rng.random()), rng.uniform(0.06, 0.2)
        colour = rng.choice(scene.accents)
        spin = cmath.exp(1j * rng.uniform(0, math.tau))
        corners = rng.choice((3, 3, 4, 0))
        if corners:
            ring = [size * cmath.exp(1j * math.tau * k / corners) * spin for k in range(corners)]
            pen.fill(centre + path(*ring), colour)
        else:
            pen.fill(ellipse(centre, size * 0.8, size * rng.uniform(0.5, 0.8)), colour, shade(colour, 0.8))


def _sofa(pen: Pen, scene: Scene, rng: Random) -> None:
    """Draw a back rest and two cushions."""
    top, felt = rng.uniform(0.2, 0.5), scene.accents[0]
    pen.fill(smooth(-0.3 + 1j * top, 1.3 + 1j * top, 1.3 + 1.4j, -0.3 + 1.4j), felt, shade(felt, 0.7))
    for x in (rng.uniform(0.0, 0.3), rng.uniform(0.7, 1.0)):
        middle, size = complex(x, top + rng.uniform(0.1, 0.4)), rng.uniform(0.15, 0.3)
        spin = cmath.exp(1j * rng.uniform(-0.4, 0.4))
        pillow = middle + smooth(*(size * c * spin for c in (-1 - 1j, -0.9j, 1 - 1j, 1 + 1j, 0.9j, -1 + 1j)))
        pen.fill(pillow, rng.choice(scene.accents[1:]), shade(felt, 0.6))


_BACKDROPS: dict[Backdrop, Callable[[Pen, Scene, Random], None]] = {
    "plain": _plain,
    "room": _room,
    "meadow": _meadow,
    "stripes": _stripes,
    "bricks": _bricks,
    "shapes": _shapes,
    "sofa": _sofa,
}
