"""The head: all of it that is covered with fur, from the ears behind it to the snout in front."""

from __future__ import annotations

import math

import numpy as np

from harness_plugins.datasets._drawings.coat import draw_coat
from harness_plugins.datasets._drawings.colours import shade
from harness_plugins.datasets._drawings.ears import IN_FRONT, draw_ear
from harness_plugins.datasets._drawings.face import draw_snout
from harness_plugins.datasets._drawings.pen import Outline, Pen, closed
from harness_plugins.datasets._drawings.traits import Portrait


def draw_head(pen: Pen, who: Portrait) -> None:
    """Draw all that is covered with fur, back to front."""
    behind = [(ear, side) for ear, side in zip(who.ears, (-1, 1), strict=True) if ear.form not in IN_FRONT]
    before = [(ear, side) for ear, side in zip(who.ears, (-1, 1), strict=True) if ear.form in IN_FRONT]
    for ear, side in behind:
        draw_ear(pen, who, ear, side)
    outline = _head_outline(who)
    pen.fill(outline, who.coat.base)
    with pen.inside(outline) as inner:
        draw_coat(inner, who)
    pen.stroke(closed(outline), shade(who.coat.base, 0.7), 0.03)
    for ear, side in before:
        draw_ear(pen, who, ear, side)
    draw_snout(pen, who)


def _head_outline(who: Portrait) -> Outline:
    """Return the skull, with tufts of hair on the cheeks."""
    skull, angle = who.skull, np.linspace(0.0, math.tau, 64, endpoint=False)
    below = np.abs(angle - math.pi / 2)  # how far from the chin
    cheek = np.clip(1.0 - np.abs(below - 0.95) / 0.5, 0.0, 1.0)
    zigzag = np.abs((below * 3.2) % 2.0 - 1.0)
    reach = 1.0 + max(skull.tufts, 0.0) * cheek * (0.5 + zigzag)
    x = skull.width * np.cos(angle) * (1.0 + skull.taper * np.sin(angle))
    outline: Outline = (x + 1j * skull.height * np.sin(angle)) * reach
    return outline
