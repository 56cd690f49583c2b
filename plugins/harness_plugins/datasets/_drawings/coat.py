"""The coat: its pattern on the head and on the body, and the texture of the hair."""

from __future__ import annotations

import cmath
import math
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops

from harness_plugins.datasets._drawings.colours import INK, mix, shade
from harness_plugins.datasets._drawings.pen import Pen, bend, ellipse, flip, path, smooth
from harness_plugins.datasets._drawings.traits import Pattern, Portrait

if TYPE_CHECKING:
    from collections.abc import Callable


def draw_coat(pen: Pen, who: Portrait) -> None:
    """Draw the pattern of the coat; the pen keeps inside the head."""
    pattern = _PATTERNS.get(who.coat.pattern)
    if pattern is not None:
        pattern(pen, who, who.dice("coat"))
    forehead = ellipse(-0.35 - 0.5j, 0.3, 0.18, -0.5)
    if who.coat.pattern in ("plain", "mask"):
        pen.fill(forehead, shade(who.coat.base, 1.1))


def _tabby(pen: Pen, who: Portrait, rng: Random) -> None:
    dark = mix(who.coat.base, who.coat.marking, 0.7)
    turn = who.pose.turn * 0.15
    for x in (-0.3, -0.1, 0.1, 0.3)[: rng.choice((3, 4))]:
        foot = turn + x + rng.uniform(-0.03, 0.03)
        pen.stroke(bend(foot - 0.95j, foot - x * 0.1 - 0.7j, foot - x * 0.4 - 0.45j), dark, 0.09)
    for side in (-1, 1):
        for level in (0.0, 0.22, 0.44):
            y = level + rng.uniform(-0.05, 0.05)
            line = bend(complex(1.1, y - 0.1), complex(0.8, y), complex(0.6, y + 0.02))
            pen.stroke(flip(line, side), dark, rng.uniform(0.06, 0.1))


def _patches(pen: Pen, who: Portrait, rng: Random) -> None:
    for _ in range(rng.randint(1, 3)):
        centre = cmath.rect(rng.uniform(0.4, 0.9), rng.uniform(0.0, math.tau))
        corners = [centre + cmath.rect(rng.uniform(0.25, 0.6), k * math.tau / 6) for k in range(6)]
        pen.fill(smooth(*corners), who.coat.marking)


def _spots(pen: Pen, who: Portrait, rng: Random) -> None:
    for _ in range(rng.randint(8, 18)):
        centre = cmath.rect(math.sqrt(rng.random()), rng.uniform(0.0, math.tau))
        pen.fill(ellipse(centre, rng.uniform(0.04, 0.12), rng.uniform(0.04, 0.1)), who.coat.marking)


def _mask(pen: Pen, who: Portrait, rng: Random) -> None:
    """Draw a dark face, as of a Siamese cat or a pug."""
    dark = mix(who.coat.base, INK, rng.uniform(0.4, 0.7))
    turn = who.pose.turn * 0.2
    pen.fill(ellipse(turn + 0.25j, rng.uniform(0.55, 0.75), rng.uniform(0.55, 0.7)), mix(who.coat.base, dark, 0.5))
    pen.fill(ellipse(turn + 0.3j, 0.5, 0.5), dark)


def _blaze(pen: Pen, who: Portrait, rng: Random) -> None:
    """Draw a pale stripe from the forehead to the mouth."""
    turn, width = who.pose.turn * 0.2, rng.uniform(0.08, 0.2)
    left, right = turn - width, turn + width
    pen.fill(
        smooth(left - 1j, right - 1j, right * 1.1 - 0.2j, turn + 0.6 + 1j, turn - 0.6 + 1j, left * 1.1 - 0.2j),
        who.coat.pale,
    )


def _half(pen: Pen, who: Portrait, rng: Random) -> None:
    edge = who.pose.turn * 0.2 + rng.uniform(-0.15, 0.15)
    pen.fill(path(edge - 1.2j, 1.4 - 1.2j, 1.4 + 1.2j, edge * 0.5 + 1.2j, edge + 0.1), who.coat.marking)


_PATTERNS: dict[Pattern, Callable[[Pen, Portrait, Random], None]] = {
    "tabby": _tabby,
    "patches": _patches,
    "spots": _spots,
    "mask": _mask,
    "blaze": _blaze,
    "half": _half,
}


def draw_body_coat(pen: Pen, who: Portrait, rng: Random) -> None:
    """Go on with the pattern of the head."""
    if who.coat.pattern in ("patches", "spots", "half"):
        for _ in range(4):
            centre = complex(rng.uniform(-1.2, 1.2), rng.uniform(1.0, 2.4))
            pen.fill(ellipse(centre, rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.4)), who.coat.marking)
    if who.coat.pattern == "tabby":
        dark = mix(who.coat.base, who.coat.marking, 0.7)
        for y in (1.25, 1.55, 1.85, 2.15):
            for side in (-1, 1):
                pen.stroke(flip(bend(complex(1.5, y), complex(0.9, y + 0.1), complex(0.55, y + 0.2)), side), dark, 0.1)


def add_hair(canvas: Image.Image, empty: Image.Image, who: Portrait) -> None:
    """Give the animal, and only what differs from the empty scene, the texture of hair and a soft uneven light."""
    rng = np.random.default_rng(who.noise_seed(1))
    texture = Image.new("L", canvas.size, 255)
    for rows, columns, depth in ((52, 88, who.coat.texture), (5, 5, 50)):
        grain = rng.integers(255 - depth, 256, size=(rows, columns), dtype=np.uint8)
        texture = ImageChops.multiply(texture, Image.fromarray(grain).resize(canvas.size, Image.Resampling.BICUBIC))
    animal = ImageChops.difference(canvas, empty).convert("L").point([0] + [255] * 255)
    canvas.paste(ImageChops.multiply(canvas, Image.merge("RGB", (texture,) * 3)), mask=animal)
