"""The foreground: what stands between the camera and the animal, in scene coordinates."""

from __future__ import annotations

import cmath
import math
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from harness_plugins.datasets._drawings.colours import mix, shade
from harness_plugins.datasets._drawings.pen import Pen, bend, ellipse, path
from harness_plugins.datasets._drawings.traits import Foreground, Portrait

if TYPE_CHECKING:
    from collections.abc import Callable


def draw_foreground(pen: Pen, who: Portrait) -> None:
    """Draw what stands between the camera and the animal, if anything."""
    if who.scene.foreground:
        _FOREGROUNDS[who.scene.foreground](pen, who, who.dice("foreground"))


def _grass(pen: Pen, who: Portrait, rng: Random) -> None:
    green = mix(who.scene.accents[0], (86, 138, 56), 0.8)
    for _ in range(rng.randint(8, 18)):
        x, height = rng.random(), rng.uniform(0.2, 0.6)
        tip = complex(x + rng.uniform(-0.15, 0.15), 1.0 - height)
        pen.fill(path(complex(x - 0.02, 1.02), tip, complex(x + 0.02, 1.02)), shade(green, rng.uniform(0.6, 1.3)))


def _cardboard(pen: Pen, who: Portrait, rng: Random) -> None:
    """Hide, with a cardboard box or a table's edge, what is below the chin."""
    card = rng.choice(((186, 146, 96), who.scene.accents[1]))
    chin = who.pose.centre.imag + who.pose.scale * rng.uniform(0.6, 1.1)
    lean = rng.uniform(-0.05, 0.05)
    pen.fill(
        path(complex(-0.1, chin - lean), complex(1.1, chin + lean), 1.1 + 1.1j, -0.1 + 1.1j), card, shade(card, 0.6)
    )


def _curtain(pen: Pen, who: Portrait, rng: Random) -> None:
    """Hide one side with a door frame or a curtain."""
    side = rng.choice((-1, 1))
    edge = who.pose.centre.real + side * who.pose.scale * rng.uniform(0.35, 0.9)
    cloth = who.scene.accents[2]
    pen.fill(
        path(edge - 0.1j, edge + side - 0.1j, edge + side + 1.1j, edge + 0.03 * side + 1.1j), cloth, shade(cloth, 0.6)
    )


def _ball(pen: Pen, who: Portrait, rng: Random) -> None:
    centre = who.pose.centre + cmath.rect(who.pose.scale * rng.uniform(0.8, 1.2), rng.uniform(0, math.tau))
    radius, felt = rng.uniform(0.08, 0.17), who.scene.felt
    pen.fill(ellipse(centre, radius, radius), felt, shade(felt, 0.6))
    pen.stroke(centre + bend(-radius * 0.9 + 0j, 0.6j * radius, radius * 0.9 + 0j), shade(felt, 1.5), radius * 0.2)


def _fence(pen: Pen, who: Portrait, rng: Random) -> None:
    """Draw thin bars or a branch in front of the face."""
    wood = rng.choice(((120, 84, 54), (224, 220, 212), (60, 58, 60), who.scene.felt))
    turn = cmath.exp(1j * rng.choice((0.0, 0.0, rng.uniform(0, math.pi))))
    count, width = rng.randint(2, 4), rng.uniform(0.025, 0.05)
    offset = rng.uniform(-0.1, 0.1)
    for index in range(count):
        middle = 0.5 + 0.5j + turn * ((index + 0.5) / count - 0.5 + offset)
        pen.stroke(path(middle - 0.9j * turn, middle + 0.9j * turn), wood, width)


def _leaves(pen: Pen, who: Portrait, rng: Random) -> None:
    """Draw some leaves, close to the camera."""
    green = mix(who.scene.accents[1], (70, 120, 60), 0.6)
    for _ in range(rng.randint(2, 5)):
        centre = who.pose.centre + cmath.rect(who.pose.scale * rng.uniform(0.5, 1.5), rng.uniform(0, math.tau))
        axis = cmath.rect(rng.uniform(0.08, 0.16), rng.uniform(0, math.tau))
        leaf = centre + np.concatenate([bend(-axis, axis * 0.7j, axis), bend(axis, axis * -0.7j, -axis)])
        pen.fill(leaf, shade(green, rng.uniform(0.8, 1.2)), shade(green, 0.6))


_FOREGROUNDS: dict[Foreground, Callable[[Pen, Portrait, Random], None]] = {
    "grass": _grass,
    "box": _cardboard,
    "curtain": _curtain,
    "ball": _ball,
    "fence": _fence,
    "leaves": _leaves,
}
