"""Sampling: all traits of one picture from its kind and seed.

What cats and dogs share is sampled here; what tells them apart is in ``species``. The order of the calls is part
of the pixels: who changes it raises ``VERSION``.
"""

from __future__ import annotations

import cmath
import math
from random import Random
from typing import TYPE_CHECKING, TypeVar

from harness_plugins.datasets._drawings.colours import FURS, Colour, clip, mix, shade, vary
from harness_plugins.datasets._drawings.species import SPECIES, Species
from harness_plugins.datasets._drawings.traits import (
    BACKDROPS,
    FOREGROUNDS,
    Coat,
    Dress,
    Ear,
    EarForm,
    Kind,
    Light,
    Portrait,
    Pose,
    Scene,
    dice,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

_FELT: tuple[Colour, ...] = ((196, 52, 48), (52, 96, 176), (44, 138, 96), (232, 182, 56), (140, 76, 150), (40, 40, 48))
_DRESSES: dict[Dress | None, float] = {None: 5, "collar": 3, "scarf": 1, "bow": 1}  # odds


def portrait(kind: Kind, seed: int) -> Portrait:
    """Return all traits of one picture."""
    rng = dice(kind, seed, "portrait")
    species = SPECIES[kind]
    coat = _choose_coat(rng, species)  # before the pose, because this is the order of the seed's random numbers
    return Portrait(
        kind=kind,
        seed=seed,
        pose=_choose_pose(rng),
        coat=coat,
        skull=species.skull(rng),
        ears=_choose_ears(rng, species),
        eyes=species.eyes(rng),
        muzzle=species.muzzle(rng),
        body=rng.random() < 0.8,
        scene=_choose_scene(rng),
        light=_choose_light(rng),
    )


def _choose_pose(rng: Random) -> Pose:
    return Pose(
        centre=complex(clip(rng.gauss(0.5, 0.075), 0.28, 0.72), clip(rng.gauss(0.5, 0.06), 0.36, 0.66)),
        scale=rng.triangular(0.21, 0.36, 0.28),
        lean=rng.gauss(0.0, 0.08),
        tilt=rng.gauss(0.0, 0.17),
        turn=clip(rng.gauss(0.0, 0.4), -1.0, 1.0),
        mirrored=rng.random() < 0.5,
        squeeze=rng.uniform(0.9, 1.1),
    )


def _choose_coat(rng: Random, species: Species) -> Coat:
    base = vary(rng, rng.choice(FURS), 12)
    marking = vary(rng, _contrasting(rng, base), 12)
    pattern = _weighted(rng, species.coats)
    pale = mix(base, (244, 238, 228), rng.uniform(0.25, 0.9))
    ears = rng.choice((base, base, marking, shade(base, rng.uniform(0.6, 0.9))))
    return Coat(base, marking, pale, pattern, ears, rng.randint(20, 70))


def _contrasting(rng: Random, base: Colour) -> Colour:
    """Return a fur colour that can be told from the base."""
    contrasting = [fur for fur in FURS if abs(sum(fur) - sum(base)) > 120]
    return rng.choice(contrasting)


def _choose_ears(rng: Random, species: Species) -> tuple[Ear, Ear]:
    form, length, breadth = _weighted(rng, species.ears), rng.uniform(0.8, 1.2), rng.uniform(0.85, 1.15)
    mixed = species.mixed_ears and rng.random() < species.mixed_ears  # one ear up, one ear down
    second = _weighted(rng, species.ears) if mixed else form

    def ear(which: EarForm) -> Ear:
        return Ear(which, length * rng.uniform(0.92, 1.08), breadth * rng.uniform(0.92, 1.08), rng.gauss(0.0, 0.13))

    return ear(form), ear(second)


def _choose_scene(rng: Random) -> Scene:
    top = _any_colour(rng)
    bottom = mix(top, _any_colour(rng), rng.uniform(0.2, 1.0))
    return Scene(
        top=top,
        bottom=bottom,
        accents=(_any_colour(rng), _any_colour(rng), _any_colour(rng)),
        backdrop=rng.choice(BACKDROPS),
        foreground=rng.choice(FOREGROUNDS) if rng.random() < 0.3 else None,
        dress=_weighted(rng, _DRESSES),
        felt=vary(rng, rng.choice(_FELT), 20),
    )


def _any_colour(rng: Random) -> Colour:
    """Return a background colour; two in five are fur colours, so that colour alone does not find the animal."""
    if rng.random() < 0.4:
        return vary(rng, rng.choice(FURS), 16)
    red, green, blue = (rng.randint(30, 235) for _ in range(3))
    mean = (red + green + blue) // 3
    return mix((red, green, blue), (mean, mean, mean), rng.uniform(0.0, 0.8))


def _choose_light(rng: Random) -> Light:
    return Light(
        exposure=rng.uniform(0.8, 1.25),
        contrast=rng.uniform(0.75, 1.15),
        cast=(rng.gauss(1.0, 0.06), rng.gauss(1.0, 0.03), rng.gauss(1.0, 0.08)),
        slope=cmath.rect(rng.uniform(0.0, 0.5), rng.uniform(0.0, math.tau)),
        vignette=max(0.0, rng.uniform(-0.3, 0.45)),
        blur=max(0.0, rng.uniform(-0.8, 1.2)),
        noise=rng.triangular(1.0, 12.0, 3.0),
        saturation=0.0 if rng.random() < 0.05 else rng.uniform(0.6, 1.15),
    )


def _weighted(rng: Random, odds: Mapping[T, float]) -> T:
    """Return one of the keys of ``odds``."""
    return rng.choices(tuple(odds), tuple(odds.values()))[0]
