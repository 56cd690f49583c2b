"""The ears: one function per form, which returns its outlines about the root, the first in the colour of the ears."""

from __future__ import annotations

import cmath
from typing import TYPE_CHECKING

import numpy as np

from harness_plugins.datasets._drawings.colours import PINK, mix, shade
from harness_plugins.datasets._drawings.pen import Outline, Pen, bend, flip, smooth
from harness_plugins.datasets._drawings.traits import Ear, EarForm, Portrait

if TYPE_CHECKING:
    from collections.abc import Callable


def draw_ear(pen: Pen, who: Portrait, ear: Ear, side: int) -> None:
    """Draw one ear, turned about its root."""
    width, height = who.skull.width, who.skull.height
    root = complex(0.6 * width, -0.62 * height)
    spin = cmath.exp(1j * ear.swing)
    shapes = _FORMS[ear.form](ear)
    second = mix(PINK, who.coat.ears, 0.45) if ear.form in ("pointed", "pricked") else shade(who.coat.ears, 0.82)
    near = 1.0 - 0.12 * side * who.pose.turn
    for shape, colour in zip(shapes, (who.coat.ears, second), strict=False):
        placed = root + shape * spin * near
        pen.fill(flip(placed, side), colour, shade(colour, 0.75))


def _pointed(ear: Ear) -> list[Outline]:
    """Return a cat's ear: an upright triangle with a pink inside."""
    tip = complex(0.2, -0.78 * ear.length)
    inner, outer = complex(-0.46, -0.05) * ear.breadth, complex(0.4, 0.45) * ear.breadth
    rim = np.concatenate([bend(inner, (inner + tip) / 2 - 0.1, tip), bend(tip, (outer + tip) / 2 + 0.08, outer)])
    centre = (inner + tip + outer) / 3
    return [rim, centre + (rim - centre) * 0.6]


def _pricked(ear: Ear) -> list[Outline]:
    """Return a shepherd's ear: upright, taller and rounder than a cat's."""
    tip, base = complex(0.14, -0.95 * ear.length), 0.36 * ear.breadth
    rim = smooth(-base + 0.1j, -base - 0.35j, tip - 0.12, tip + 0.12, base + 0.1 - 0.2j, base + 0.1 + 0.4j)
    return [rim, (rim + 0.3j) * 0.6 - 0.3j]


def _tipped(ear: Ear) -> list[Outline]:
    """Return a terrier's ear: half upright, the tip hangs over."""
    top, base = -0.55j * ear.length, 0.38 * ear.breadth
    rim = smooth(-base + 0.2j, top - base * 0.8, top + base * 1.2, base + 0.15 + 0.4j)
    flap = smooth(top - base * 0.7, top + base * 1.3, complex(base + 0.32, 0.1 * ear.length), complex(base, 0.0))
    return [rim, flap]


def _hanging(ear: Ear) -> list[Outline]:
    """Return a spaniel's ear: long and soft, down along the cheek."""
    end, wide = 1.15 * ear.length, 0.34 * ear.breadth
    return [
        smooth(
            -0.25 - 0.16j,
            0.2 - 0.25j,
            complex(0.2 + wide, 0.1),
            complex(0.3 + wide, 0.65 * end),
            complex(0.2 + wide * 0.6, end),
            complex(0.22 - wide * 0.4, 0.9 * end),
            complex(0.12 - wide * 0.2, 0.4 * end),
        )
    ]


def _folded(ear: Ear) -> list[Outline]:
    """Return a small ear folded forward, as of a Scottish fold or a pug."""
    wide, end = 0.4 * ear.breadth, 0.35 * ear.length
    return [smooth(-wide - 0.2j, wide - 0.3j, complex(wide + 0.25, end), complex(wide * 0.3, end * 0.9))]


_FORMS: dict[EarForm, Callable[[Ear], list[Outline]]] = {
    "pointed": _pointed,
    "pricked": _pricked,
    "tipped": _tipped,
    "hanging": _hanging,
    "folded": _folded,
}
IN_FRONT = ("hanging", "folded")  # these lie over the head, the others stand behind it
