"""What makes a cat or a dog: the odds of coats and ears, and how skull, eyes and muzzle are sampled."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from harness_plugins.datasets._drawings.colours import INK, PINK, Colour, vary
from harness_plugins.datasets._drawings.traits import EarForm, Eyes, Kind, Muzzle, Pattern, Skull

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_IRISES: tuple[Colour, ...] = ((150, 176, 72), (222, 176, 52), (104, 168, 196), (178, 106, 40), (92, 56, 30))


@dataclass(frozen=True)
class Species:
    """How the traits of one kind of animal are sampled; each has exceptions, so that none tells the two apart."""

    coats: Mapping[Pattern, float]  # odds
    ears: Mapping[EarForm, float]  # odds
    mixed_ears: float  # the chance that the two ears are sampled apart
    skull: Callable[[Random], Skull]
    eyes: Callable[[Random], Eyes]
    muzzle: Callable[[Random], Muzzle]


def _cat_skull(rng: Random) -> Skull:
    return Skull(rng.uniform(0.94, 1.1), rng.uniform(0.8, 0.94), rng.uniform(0.0, 0.12), rng.uniform(0.0, 0.2))


def _dog_skull(rng: Random) -> Skull:
    return Skull(rng.uniform(0.8, 1.0), rng.uniform(0.84, 1.02), rng.uniform(-0.16, 0.06), rng.uniform(-0.15, 0.14))


def _cat_eyes(rng: Random) -> Eyes:
    return Eyes(
        gap=rng.uniform(0.38, 0.48),
        height=rng.uniform(-0.2, -0.06),
        size=rng.uniform(0.19, 0.27),
        openness=0.0 if rng.random() < 0.07 else rng.uniform(0.55, 0.95),
        slant=rng.uniform(-0.05, 0.35),
        iris=vary(rng, rng.choice(_IRISES[:4]), 16),
        pupil=rng.uniform(0.2, 0.45) if rng.random() < 0.8 else rng.uniform(0.6, 0.95),
        pupil_size=rng.uniform(0.75, 0.95),
    )


def _dog_eyes(rng: Random) -> Eyes:
    return Eyes(
        gap=rng.uniform(0.32, 0.44),
        height=rng.uniform(-0.3, -0.12),
        size=rng.uniform(0.14, 0.22),
        openness=0.0 if rng.random() < 0.07 else rng.uniform(0.7, 1.0),
        slant=rng.uniform(-0.35, 0.12),
        iris=vary(rng, rng.choice(_IRISES[2:]), 16),
        pupil=rng.uniform(0.9, 1.0),
        pupil_size=rng.uniform(0.55, 0.8),
    )


def _cat_muzzle(rng: Random) -> Muzzle:
    return Muzzle(
        width=rng.uniform(0.24, 0.34),
        length=rng.uniform(0.16, 0.28),
        pale=rng.random() < 0.7,
        nose=vary(rng, PINK if rng.random() < 0.7 else (96, 62, 58), 16),
        nose_size=rng.uniform(0.09, 0.14),
        nose_form="triangle",
        nose_height=rng.uniform(0.2, 0.32),
        smile=rng.uniform(0.08, 0.2),
        tongue=rng.uniform(0.08, 0.16) if rng.random() < 0.06 else 0.0,
        whiskers=rng.choice((0, 2, 3, 3, 4)),
        whisker_length=rng.uniform(0.7, 1.15),
    )


def _dog_muzzle(rng: Random) -> Muzzle:
    return Muzzle(
        width=rng.uniform(0.34, 0.48),
        length=rng.uniform(0.4, 0.7),
        pale=rng.random() < 0.7,
        nose=vary(rng, INK if rng.random() < 0.8 else (112, 72, 62), 14),
        nose_size=rng.uniform(0.16, 0.25),
        nose_form="oval",
        nose_height=rng.uniform(0.24, 0.42),
        smile=rng.uniform(0.12, 0.3),
        tongue=rng.uniform(0.2, 0.5) if rng.random() < 0.35 else 0.0,
        whiskers=rng.choice((0, 0, 0, 2)),
        whisker_length=rng.uniform(0.3, 0.6),
    )


SPECIES: dict[Kind, Species] = {
    "cat": Species(
        coats={"plain": 3, "tabby": 4, "patches": 2, "spots": 1, "mask": 2, "blaze": 2, "half": 1},
        ears={"pointed": 22, "folded": 1.5},
        mixed_ears=0.0,
        skull=_cat_skull,
        eyes=_cat_eyes,
        muzzle=_cat_muzzle,
    ),
    "dog": Species(
        coats={"plain": 4, "tabby": 2, "patches": 3, "spots": 2, "mask": 2, "blaze": 2, "half": 1},
        ears={"hanging": 12, "tipped": 6, "pricked": 3, "folded": 2},
        mixed_ears=0.12,
        skull=_dog_skull,
        eyes=_dog_eyes,
        muzzle=_dog_muzzle,
    ),
}
