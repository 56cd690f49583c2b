"""Traits: everything there is to know about one picture, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from harness_plugins.datasets._drawings.colours import Colour

Kind = Literal["cat", "dog"]
Pattern = Literal["plain", "tabby", "patches", "spots", "mask", "blaze", "half"]
EarForm = Literal["pointed", "pricked", "tipped", "hanging", "folded"]
Backdrop = Literal["plain", "room", "meadow", "stripes", "bricks", "shapes", "sofa"]
Foreground = Literal["grass", "box", "curtain", "ball", "fence", "leaves"]
Dress = Literal["collar", "scarf", "bow"]

BACKDROPS: tuple[Backdrop, ...] = get_args(Backdrop)
FOREGROUNDS: tuple[Foreground, ...] = get_args(Foreground)


@dataclass(frozen=True)
class Pose:
    """Where the head is in the picture and how it is held."""

    centre: complex  # scene coordinates
    scale: float  # scene units per head unit
    lean: float  # rotation of the whole animal, radians
    tilt: float  # further rotation of the head
    turn: float  # -1 .. 1: the face looks to the left or right; what stands out of the face moves most
    mirrored: bool
    squeeze: float  # width over height of everything


@dataclass(frozen=True)
class Coat:
    """Colours and pattern of the fur."""

    base: Colour
    marking: Colour  # stripes, spots, patches
    pale: Colour  # muzzle and chest
    pattern: Pattern
    ears: Colour
    texture: int  # contrast of single hairs, 0 .. 255


@dataclass(frozen=True)
class Skull:
    """The outline of the head."""

    width: float
    height: float
    taper: float  # positive: wide cheeks; negative: narrow jaw
    tufts: float  # how far cheek hair stands out


@dataclass(frozen=True)
class Ear:
    """One ear; left and right are sampled with a common form and small differences."""

    form: EarForm
    length: float
    breadth: float
    swing: float  # rotation about the root, radians


@dataclass(frozen=True)
class Eyes:
    """Both eyes."""

    gap: float  # half the distance of the centres
    height: float  # imaginary part of the centres
    size: float
    openness: float  # height over width; zero is closed
    slant: float
    iris: Colour
    pupil: float  # width over height of the pupil: a slit is 0.2, a disc is 1
    pupil_size: float  # relative to the eye


@dataclass(frozen=True)
class Muzzle:
    """Snout, nose, mouth and whiskers."""

    width: float
    length: float  # how far the snout reaches down from the nose
    pale: bool  # in the pale colour of the coat, else in its base colour
    nose: Colour
    nose_size: float
    nose_form: Literal["triangle", "oval"]
    nose_height: float  # imaginary part of its centre
    smile: float
    tongue: float  # length; zero is a closed mouth
    whiskers: int  # on either side
    whisker_length: float


@dataclass(frozen=True)
class Scene:
    """All that is not the animal."""

    top: Colour
    bottom: Colour
    accents: tuple[Colour, Colour, Colour]
    backdrop: Backdrop
    foreground: Foreground | None
    dress: Dress | None
    felt: Colour


@dataclass(frozen=True)
class Light:
    """What the camera adds."""

    exposure: float
    contrast: float
    cast: tuple[float, float, float]
    slope: complex  # brightness gradient across the picture
    vignette: float
    blur: float  # radius, in hundredths of the picture
    noise: float  # standard deviation, in grey levels
    saturation: float


@dataclass(frozen=True)
class Portrait:
    """Everything there is to know about one picture."""

    kind: Kind
    seed: int
    pose: Pose
    coat: Coat
    skull: Skull
    ears: tuple[Ear, Ear]
    eyes: Eyes
    muzzle: Muzzle
    body: bool
    scene: Scene
    light: Light

    def dice(self, part: str) -> Random:
        """Return the random numbers for the details of one part, the same at every size."""
        return dice(self.kind, self.seed, part)

    def noise_seed(self, part: int) -> list[int]:
        """Return the seed of NumPy's random numbers for one part: 0 for a cat or 1 for a dog, the seed, the part."""
        return [int(self.kind == "dog"), self.seed, part]


def dice(kind: Kind, seed: int, part: str) -> Random:
    """Return the random numbers for one part of one picture, the same in every process."""
    key = int.from_bytes(f"{kind} {part}".encode(), "big")
    return Random(key << 64 | seed)
