"""Colours and how they are mixed: RGB, three whole numbers from 0 to 255."""

from __future__ import annotations

from random import Random

Colour = tuple[int, int, int]

FURS: tuple[Colour, ...] = (
    (38, 34, 36),  # black
    (84, 82, 86),  # charcoal
    (128, 134, 146),  # blue grey
    (172, 168, 162),  # silver
    (238, 233, 224),  # white
    (234, 212, 172),  # cream
    (206, 168, 116),  # sand
    (216, 138, 62),  # ginger
    (170, 92, 44),  # red
    (122, 80, 50),  # brown
    (78, 52, 40),  # chocolate
)
PINK: Colour = (232, 150, 148)
INK: Colour = (26, 22, 24)
WHITE: Colour = (255, 255, 255)


def clip(value: float, low: float, high: float) -> float:
    """Return the value, or the bound it lies beyond."""
    return min(max(value, low), high)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return a colour between two others: share zero is the first, one the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour darkened (factor below one) or lightened (above one, towards white)."""
    return mix((0, 0, 0), colour, factor) if factor <= 1 else mix(colour, WHITE, factor - 1)


def vary(rng: Random, colour: Colour, spread: float) -> Colour:
    """Return a colour near this one: ``spread`` is the standard deviation of its lightness."""
    light = rng.gauss(0.0, spread)
    red, green, blue = (round(clip(c + light + rng.gauss(0.0, spread / 3), 0, 255)) for c in colour)
    return red, green, blue
