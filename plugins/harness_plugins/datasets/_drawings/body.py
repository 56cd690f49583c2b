"""The body: tail, neck, shoulders and chest, and what is worn about the neck."""

from __future__ import annotations

from random import Random

from harness_plugins.datasets._drawings.coat import draw_body_coat
from harness_plugins.datasets._drawings.colours import shade
from harness_plugins.datasets._drawings.pen import Pen, bend, closed, ellipse, flip, path, smooth
from harness_plugins.datasets._drawings.traits import Portrait


def draw_body(pen: Pen, who: Portrait) -> None:
    """Draw tail, neck, shoulders and chest, and what is worn about the neck."""
    coat, rng = who.coat, who.dice("body")
    neck, shoulder, fur = rng.uniform(0.5, 0.75), rng.uniform(0.95, 1.5), shade(coat.base, 0.88)
    if rng.random() < 0.35:
        _draw_tail(pen, who, shoulder, rng)
    outline = smooth(
        *(-neck + 0.2j, neck + 0.2j, neck + 0.9j, complex(shoulder, 1.5), complex(shoulder, 4)),
        *(complex(-shoulder, 4), complex(-shoulder, 1.5), -neck + 0.9j),
    )
    pen.fill(outline, fur)
    with pen.inside(outline) as inner:
        draw_body_coat(inner, who, rng)
        if rng.random() < 0.6:
            inner.fill(ellipse(1.7j, neck * 0.7, 0.8), coat.pale)
        inner.fill(ellipse(0.65j, 0.9, 0.5), shade(fur, 0.7))  # the head's shadow
    pen.stroke(closed(outline), shade(fur, 0.7), 0.03)
    _draw_dress(pen, who, neck)


def _draw_tail(pen: Pen, who: Portrait, shoulder: float, rng: Random) -> None:
    """Draw a tail that swings up behind the shoulder."""
    reach, top = shoulder + rng.uniform(0.3, 0.7), rng.uniform(-0.2, 1.0)
    tip, middle = complex(reach + rng.uniform(-0.3, 0.3), top), complex(reach, (top + 2.0) / 2)
    width, fur = rng.uniform(0.18, 0.28), shade(who.coat.base, 0.8)
    pen.stroke(bend(complex(shoulder * 0.8, 2.4), complex(reach, 2.2), middle), fur, width)
    pen.stroke(bend(middle, complex(reach, top), tip), fur, width)
    pen.fill(ellipse(tip, width / 2, width / 2), fur)


def _draw_dress(pen: Pen, who: Portrait, neck: float) -> None:
    """Draw a collar, a scarf or a bow."""
    felt, dress = who.scene.felt, who.scene.dress
    low = 1.1j
    if dress in ("collar", "bow"):
        pen.stroke(bend(low - neck * 1.1, low + 0.35j, low + neck * 1.1), felt, 0.16)
    if dress == "collar":
        pen.fill(ellipse(low + 0.32j, 0.11, 0.11), (240, 204, 90), (150, 116, 40))
    if dress == "bow":
        for side in (-1, 1):
            pen.fill(flip(path(low + 0.2j, low + 0.45 - 0.02j, low + 0.45 + 0.45j), side), felt, shade(felt, 0.7))
    if dress == "scarf":
        pen.fill(path(low - neck * 1.2 - 0.1j, low + neck * 1.2 - 0.1j, low + 0.85j), felt, shade(felt, 0.7))
