"""The drawn sample: seeded portraits of cats and dogs, a stand-in for photographs that are not there.

``draw("cat", 7, 32)`` is the seventh cat at 32 x 32 pixels; the same arguments give the same bytes in every process,
and the same kind and seed show the same animal at every size.  The module has two halves:

* *what is in the picture*: frozen dataclasses of traits (:class:`Portrait` and its parts) and the ``_choose_*``
  functions that sample them.  Cats and dogs share coat colours, poses, backgrounds, things in front and light; they
  differ in ears, skull, muzzle, nose, eyes and whiskers, and each of these has exceptions (pricked dog ears, folded
  cat ears), so that no single trait tells the two apart.
* *how it is drawn*: a :class:`_Pen` that fills and strokes complex-valued outlines under a pose, and one small
  function per part of the animal, called back to front by :func:`draw`.

Head coordinates: the origin lies between the eyes and the nose, the skull is about one unit in radius, the real axis
points to the right and the imaginary axis down.  Scene coordinates: the picture is the unit square.
"""

from __future__ import annotations

import cmath
import math
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION = 1
"""Raised whenever the pixels change; part of the data's fingerprint."""

CLASSES = ("cat", "dog")
"""The two kinds of animal, in label order."""

_SUPERSAMPLING = 3  # canvas pixels per picture pixel, along each axis
_SMALLEST_CANVAS = 96  # a smaller picture is still drawn on a canvas of this size

Colour = tuple[int, int, int]
Outline = NDArray[np.complex128]

_FURS: tuple[Colour, ...] = (
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
_IRISES: tuple[Colour, ...] = ((150, 176, 72), (222, 176, 52), (104, 168, 196), (178, 106, 40), (92, 56, 30))
_FELT: tuple[Colour, ...] = ((196, 52, 48), (52, 96, 176), (44, 138, 96), (232, 182, 56), (140, 76, 150), (40, 40, 48))
_PINK: Colour = (232, 150, 148)
_INK: Colour = (26, 22, 24)
_WHITE: Colour = (255, 255, 255)


# ------------------------------------------------------------------------------------- what is in the picture: traits


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
    pattern: str  # one of _PATTERNS
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

    form: str  # one of _EARS
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
    nose_form: str  # "triangle" or "oval"
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
    backdrop: str  # one of _BACKDROPS
    foreground: str  # one of _FOREGROUNDS, or ""
    dress: str  # "collar", "scarf", "bow" or ""
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

    kind: str
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
        return _dice(self.kind, self.seed, part)


def _dice(kind: str, seed: int, part: str) -> Random:
    key = int.from_bytes(f"{kind} {part}".encode(), "big")
    return Random(key << 64 | seed)


# ------------------------------------------------------------------------------------------- sampling: common traits


def portrait(kind: str, seed: int) -> Portrait:
    """Sample all traits of one picture."""
    if kind not in CLASSES:
        raise ValueError(f"kind must be one of {CLASSES}, not {kind!r}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be a non-negative 64-bit integer, not {seed}")
    rng = _dice(kind, seed, "portrait")
    cat = kind == "cat"
    coat = _choose_coat(rng, cat)
    return Portrait(
        kind=kind,
        seed=seed,
        pose=_choose_pose(rng),
        coat=coat,
        skull=_choose_cat_skull(rng) if cat else _choose_dog_skull(rng),
        ears=_choose_ears(rng, cat),
        eyes=_choose_cat_eyes(rng) if cat else _choose_dog_eyes(rng),
        muzzle=_choose_cat_muzzle(rng) if cat else _choose_dog_muzzle(rng),
        body=rng.random() < 0.8,
        scene=_choose_scene(rng),
        light=_choose_light(rng),
    )


def _choose_pose(rng: Random) -> Pose:
    return Pose(
        centre=complex(_clip(rng.gauss(0.5, 0.075), 0.28, 0.72), _clip(rng.gauss(0.5, 0.06), 0.36, 0.66)),
        scale=rng.triangular(0.21, 0.36, 0.28),
        lean=rng.gauss(0.0, 0.08),
        tilt=rng.gauss(0.0, 0.17),
        turn=_clip(rng.gauss(0.0, 0.4), -1.0, 1.0),
        mirrored=rng.random() < 0.5,
        squeeze=rng.uniform(0.9, 1.1),
    )


def _choose_coat(rng: Random, cat: bool) -> Coat:
    base = _vary(rng, rng.choice(_FURS), 12)
    marking = _vary(rng, _contrasting(rng, base), 12)
    pattern = _weighted(rng, _COAT_ODDS["cat" if cat else "dog"])
    pale = _mix(base, (244, 238, 228), rng.uniform(0.25, 0.9))
    ears = rng.choice((base, base, marking, _shade(base, rng.uniform(0.6, 0.9))))
    return Coat(base, marking, pale, pattern, ears, rng.randint(20, 70))


def _contrasting(rng: Random, base: Colour) -> Colour:
    """Return a fur colour that can be told from the base."""
    far = [fur for fur in _FURS if abs(sum(fur) - sum(base)) > 120]
    return rng.choice(far)


def _choose_scene(rng: Random) -> Scene:
    top = _any_colour(rng)
    bottom = _mix(top, _any_colour(rng), rng.uniform(0.2, 1.0))
    return Scene(
        top=top,
        bottom=bottom,
        accents=(_any_colour(rng), _any_colour(rng), _any_colour(rng)),
        backdrop=rng.choice(tuple(_BACKDROPS)),
        foreground=rng.choice(tuple(_FOREGROUNDS)) if rng.random() < 0.3 else "",
        dress=_weighted(rng, {"": 5, "collar": 3, "scarf": 1, "bow": 1}),
        felt=_vary(rng, rng.choice(_FELT), 20),
    )


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


# ------------------------------------------------------------------------------ sampling: what makes a cat or a dog

_PATTERNS = ("plain", "tabby", "patches", "spots", "mask", "blaze", "half")
_COAT_ODDS: dict[str, dict[str, float]] = {
    "cat": {"plain": 3, "tabby": 4, "patches": 2, "spots": 1, "mask": 2, "blaze": 2, "half": 1},
    "dog": {"plain": 4, "tabby": 2, "patches": 3, "spots": 2, "mask": 2, "blaze": 2, "half": 1},
}
_EAR_ODDS: dict[str, dict[str, float]] = {
    "cat": {"pointed": 22, "folded": 1.5},
    "dog": {"hanging": 12, "tipped": 6, "pricked": 3, "folded": 2},
}


def _choose_cat_skull(rng: Random) -> Skull:
    return Skull(rng.uniform(0.94, 1.1), rng.uniform(0.8, 0.94), rng.uniform(0.0, 0.12), rng.uniform(0.0, 0.2))


def _choose_dog_skull(rng: Random) -> Skull:
    return Skull(rng.uniform(0.8, 1.0), rng.uniform(0.84, 1.02), rng.uniform(-0.16, 0.06), rng.uniform(-0.15, 0.14))


def _choose_ears(rng: Random, cat: bool) -> tuple[Ear, Ear]:
    odds = _EAR_ODDS["cat" if cat else "dog"]
    form, length, breadth = _weighted(rng, odds), rng.uniform(0.8, 1.2), rng.uniform(0.85, 1.15)
    other = _weighted(rng, odds) if not cat and rng.random() < 0.12 else form  # one ear up, one ear down

    def ear(which: str) -> Ear:
        return Ear(which, length * rng.uniform(0.92, 1.08), breadth * rng.uniform(0.92, 1.08), rng.gauss(0.0, 0.13))

    return ear(form), ear(other)


def _choose_cat_eyes(rng: Random) -> Eyes:
    return Eyes(
        gap=rng.uniform(0.38, 0.48),
        height=rng.uniform(-0.2, -0.06),
        size=rng.uniform(0.19, 0.27),
        openness=0.0 if rng.random() < 0.07 else rng.uniform(0.55, 0.95),
        slant=rng.uniform(-0.05, 0.35),
        iris=_vary(rng, rng.choice(_IRISES[:4]), 16),
        pupil=rng.uniform(0.2, 0.45) if rng.random() < 0.8 else rng.uniform(0.6, 0.95),
        pupil_size=rng.uniform(0.75, 0.95),
    )


def _choose_dog_eyes(rng: Random) -> Eyes:
    return Eyes(
        gap=rng.uniform(0.32, 0.44),
        height=rng.uniform(-0.3, -0.12),
        size=rng.uniform(0.14, 0.22),
        openness=0.0 if rng.random() < 0.07 else rng.uniform(0.7, 1.0),
        slant=rng.uniform(-0.35, 0.12),
        iris=_vary(rng, rng.choice(_IRISES[2:]), 16),
        pupil=rng.uniform(0.9, 1.0),
        pupil_size=rng.uniform(0.55, 0.8),
    )


def _choose_cat_muzzle(rng: Random) -> Muzzle:
    return Muzzle(
        width=rng.uniform(0.24, 0.34),
        length=rng.uniform(0.16, 0.28),
        pale=rng.random() < 0.7,
        nose=_vary(rng, _PINK if rng.random() < 0.7 else (96, 62, 58), 16),
        nose_size=rng.uniform(0.09, 0.14),
        nose_form="triangle",
        nose_height=rng.uniform(0.2, 0.32),
        smile=rng.uniform(0.08, 0.2),
        tongue=rng.uniform(0.08, 0.16) if rng.random() < 0.06 else 0.0,
        whiskers=rng.choice((0, 2, 3, 3, 4)),
        whisker_length=rng.uniform(0.7, 1.15),
    )


def _choose_dog_muzzle(rng: Random) -> Muzzle:
    return Muzzle(
        width=rng.uniform(0.34, 0.48),
        length=rng.uniform(0.4, 0.7),
        pale=rng.random() < 0.7,
        nose=_vary(rng, _INK if rng.random() < 0.8 else (112, 72, 62), 14),
        nose_size=rng.uniform(0.16, 0.25),
        nose_form="oval",
        nose_height=rng.uniform(0.24, 0.42),
        smile=rng.uniform(0.12, 0.3),
        tongue=rng.uniform(0.2, 0.5) if rng.random() < 0.35 else 0.0,
        whiskers=rng.choice((0, 0, 0, 2)),
        whisker_length=rng.uniform(0.3, 0.6),
    )


# ---------------------------------------------------------------------------------------------------- colours, chances


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _weighted(rng: Random, odds: dict[str, float]) -> str:
    return rng.choices(tuple(odds), tuple(odds.values()))[0]


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return a colour between two others: share zero is the first, one the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _shade(colour: Colour, factor: float) -> Colour:
    """Return the colour darkened (factor below one) or lightened (above one, towards white)."""
    return _mix((0, 0, 0), colour, factor) if factor <= 1 else _mix(colour, _WHITE, factor - 1)


def _vary(rng: Random, colour: Colour, spread: float) -> Colour:
    light = rng.gauss(0.0, spread)
    red, green, blue = (round(_clip(c + light + rng.gauss(0.0, spread / 3), 0, 255)) for c in colour)
    return red, green, blue


def _any_colour(rng: Random) -> Colour:
    """Return a background colour; two in five are fur colours, so that colour alone does not find the animal."""
    if rng.random() < 0.4:
        return _vary(rng, rng.choice(_FURS), 16)
    red, green, blue = (rng.randint(30, 235) for _ in range(3))
    mean = (red + green + blue) // 3
    return _mix((red, green, blue), (mean, mean, mean), rng.uniform(0.0, 0.8))


# ------------------------------------------------------------------------------------------------------- pen and paper

_CIRCLE: Outline = np.exp(2j * np.pi * np.arange(28) / 28)
_STEPS = np.linspace(0.0, 1.0, 7)


def _path(*points: complex) -> Outline:
    return np.array(points, dtype=np.complex128)


def _ellipse(centre: complex, width: float, height: float, slant: float = 0.0) -> Outline:
    """Return an ellipse with the given half axes."""
    return centre + (width * _CIRCLE.real + 1j * height * _CIRCLE.imag) * cmath.exp(1j * slant)


def _box(corner: complex, width: float, height: float) -> Outline:
    return _path(corner, corner + width, corner + width + 1j * height, corner + 1j * height)


def _bend(start: complex, control: complex, end: complex) -> Outline:
    """Return a quadratic Bezier curve."""
    t = _STEPS
    curve: Outline = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    return curve


def _smooth(*corners: complex) -> Outline:
    """Return a closed, smooth outline: a quadratic B-spline with these control points."""
    points = _path(*corners)
    start, end = (np.roll(points, 1) + points) / 2, (np.roll(points, -1) + points) / 2
    t = _STEPS[:-1, None]
    curve: Outline = ((1 - t) ** 2 * start + 2 * t * (1 - t) * points + t**2 * end).T.ravel()
    return curve


def _flip(outline: Outline, side: int) -> Outline:
    """Return the outline for the right (side 1) or mirrored for the left (side -1)."""
    return outline if side > 0 else -outline.conj()


class _Pen:
    """Fills and strokes outlines on an image, moved to where the pose puts them."""

    def __init__(self, image: Image.Image, origin: complex, scale: complex, squeeze: float, mirrored: bool) -> None:
        self.image = image
        self.side = image.width
        self._draw = ImageDraw.Draw(image)
        self._origin, self._scale, self._squeeze, self._mirrored = origin, scale, squeeze, mirrored

    @classmethod
    def on_scene(cls, image: Image.Image) -> _Pen:
        """Return the pen for scene coordinates."""
        return cls(image, 0j, 1 + 0j, 1.0, False)

    @classmethod
    def on_animal(cls, image: Image.Image, pose: Pose, tilt: float) -> _Pen:
        """Return the pen for head coordinates."""
        return cls(image, pose.centre, pose.scale * cmath.exp(1j * (pose.lean + tilt)), pose.squeeze, pose.mirrored)

    def _pixels(self, outline: Outline) -> list[float]:
        points = outline * self._scale
        points.real *= -self._squeeze if self._mirrored else self._squeeze
        points += self._origin
        points *= self.side
        pixels: list[float] = points.view(np.float64).tolist()
        return pixels

    def fill(self, outline: Outline, colour: Colour, edge: Colour | None = None) -> None:
        """Fill an outline; with an edge, draw its border too."""
        pixels = self._pixels(outline)
        if edge is None:
            self._draw.polygon(pixels, fill=colour)
        else:
            self._draw.polygon(pixels, fill=colour, outline=edge, width=max(1, round(self.side / 96)))

    def stroke(self, line: Outline, colour: Colour, width: float) -> None:
        """Draw an open line; the width is in head (or scene) units."""
        thick = max(1, round(width * abs(self._scale) * self.side))
        self._draw.line(self._pixels(line), fill=colour, width=thick, joint="curve" if thick > 3 else None)

    def mask(self, outline: Outline) -> Image.Image:
        """Return the inside of an outline as a mask."""
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon(self._pixels(outline), fill=255)
        return mask

    @contextmanager
    def inside(self, outline: Outline) -> Iterator[_Pen]:
        """Give a pen whose marks stay inside the outline."""
        inner = _Pen(self.image.copy(), self._origin, self._scale, self._squeeze, self._mirrored)
        yield inner
        self.image.paste(inner.image, mask=self.mask(outline))


# ------------------------------------------------------------------------------------------------- drawing: the whole


def draw(kind: str, seed: int, size: int) -> Image.Image:
    """Return one portrait: RGB, size x size pixels, the same bytes for the same arguments."""
    who = portrait(kind, seed)
    canvas = _draw_background(who, max(_SMALLEST_CANVAS, size * _SUPERSAMPLING))
    empty = canvas.copy()
    if who.body:
        _draw_body(_Pen.on_animal(canvas, who.pose, 0.0), who)
    head = _Pen.on_animal(canvas, who.pose, who.pose.tilt)
    _draw_head(head, who)
    _add_hair(canvas, empty, who)
    _draw_face(head, who)
    _draw_foreground(_Pen.on_scene(canvas), who)
    return _develop(canvas, who, size)


def _draw_head(pen: _Pen, who: Portrait) -> None:
    """Draw all that is covered with fur, back to front."""
    behind = [(ear, side) for ear, side in zip(who.ears, (-1, 1), strict=True) if ear.form not in _IN_FRONT]
    before = [(ear, side) for ear, side in zip(who.ears, (-1, 1), strict=True) if ear.form in _IN_FRONT]
    for ear, side in behind:
        _draw_ear(pen, who, ear, side)
    outline = _head_outline(who)
    pen.fill(outline, who.coat.base)
    with pen.inside(outline) as inner:
        _draw_coat(inner, who)
    pen.stroke(np.append(outline, outline[:1]), _shade(who.coat.base, 0.7), 0.03)
    for ear, side in before:
        _draw_ear(pen, who, ear, side)
    _draw_snout(pen, who)


def _draw_face(pen: _Pen, who: Portrait) -> None:
    """Draw what is not covered with fur."""
    _draw_mouth(pen, who)
    for side in (-1, 1):
        _draw_eye(pen, who, side)
    _draw_whiskers(pen, who)


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


# --------------------------------------------------------------------------------------------------- drawing: the coat


def _draw_coat(pen: _Pen, who: Portrait) -> None:
    """Draw the pattern of the coat; the pen keeps inside the head."""
    pattern = _COATS.get(who.coat.pattern)
    if pattern is not None:
        pattern(pen, who, who.dice("coat"))
    forehead = _ellipse(-0.35 - 0.5j, 0.3, 0.18, -0.5)
    if who.coat.pattern in ("plain", "mask"):
        pen.fill(forehead, _shade(who.coat.base, 1.1))


def _draw_tabby(pen: _Pen, who: Portrait, rng: Random) -> None:
    dark = _mix(who.coat.base, who.coat.marking, 0.7)
    turn = who.pose.turn * 0.15
    for x in (-0.3, -0.1, 0.1, 0.3)[: rng.choice((3, 4))]:
        foot = turn + x + rng.uniform(-0.03, 0.03)
        pen.stroke(_bend(foot - 0.95j, foot - x * 0.1 - 0.7j, foot - x * 0.4 - 0.45j), dark, 0.09)
    for side in (-1, 1):
        for level in (0.0, 0.22, 0.44):
            y = level + rng.uniform(-0.05, 0.05)
            line = _bend(complex(1.1, y - 0.1), complex(0.8, y), complex(0.6, y + 0.02))
            pen.stroke(_flip(line, side), dark, rng.uniform(0.06, 0.1))


def _draw_patches(pen: _Pen, who: Portrait, rng: Random) -> None:
    for _ in range(rng.randint(1, 3)):
        centre = cmath.rect(rng.uniform(0.4, 0.9), rng.uniform(0.0, math.tau))
        corners = [centre + cmath.rect(rng.uniform(0.25, 0.6), k * math.tau / 6) for k in range(6)]
        pen.fill(_smooth(*corners), who.coat.marking)


def _draw_spots(pen: _Pen, who: Portrait, rng: Random) -> None:
    for _ in range(rng.randint(8, 18)):
        centre = cmath.rect(math.sqrt(rng.random()), rng.uniform(0.0, math.tau))
        pen.fill(_ellipse(centre, rng.uniform(0.04, 0.12), rng.uniform(0.04, 0.1)), who.coat.marking)


def _draw_mask(pen: _Pen, who: Portrait, rng: Random) -> None:
    """Draw a dark face, as of a Siamese cat or a pug."""
    dark = _mix(who.coat.base, _INK, rng.uniform(0.4, 0.7))
    turn = who.pose.turn * 0.2
    pen.fill(_ellipse(turn + 0.25j, rng.uniform(0.55, 0.75), rng.uniform(0.55, 0.7)), _mix(who.coat.base, dark, 0.5))
    pen.fill(_ellipse(turn + 0.3j, 0.5, 0.5), dark)


def _draw_blaze(pen: _Pen, who: Portrait, rng: Random) -> None:
    """Draw a pale stripe from the forehead to the mouth."""
    turn, width = who.pose.turn * 0.2, rng.uniform(0.08, 0.2)
    left, right = turn - width, turn + width
    pen.fill(
        _smooth(left - 1j, right - 1j, right * 1.1 - 0.2j, turn + 0.6 + 1j, turn - 0.6 + 1j, left * 1.1 - 0.2j),
        who.coat.pale,
    )


def _draw_half(pen: _Pen, who: Portrait, rng: Random) -> None:
    edge = who.pose.turn * 0.2 + rng.uniform(-0.15, 0.15)
    pen.fill(_path(edge - 1.2j, 1.4 - 1.2j, 1.4 + 1.2j, edge * 0.5 + 1.2j, edge + 0.1), who.coat.marking)


_COATS: dict[str, Callable[[_Pen, Portrait, Random], None]] = {
    "tabby": _draw_tabby,
    "patches": _draw_patches,
    "spots": _draw_spots,
    "mask": _draw_mask,
    "blaze": _draw_blaze,
    "half": _draw_half,
}


# ------------------------------------------------------------------------------------------ drawing: ears, eyes, nose


def _draw_ear(pen: _Pen, who: Portrait, ear: Ear, side: int) -> None:
    """Draw one ear, turned about its root."""
    width, height = who.skull.width, who.skull.height
    root = complex(0.6 * width, -0.62 * height)
    spin = cmath.exp(1j * ear.swing)
    shapes = _EARS[ear.form](ear)
    second = _mix(_PINK, who.coat.ears, 0.45) if ear.form in ("pointed", "pricked") else _shade(who.coat.ears, 0.82)
    near = 1.0 - 0.12 * side * who.pose.turn
    for shape, colour in zip(shapes, (who.coat.ears, second), strict=False):
        placed = root + shape * spin * near
        pen.fill(_flip(placed, side), colour, _shade(colour, 0.75))


def _pointed_ear(ear: Ear) -> list[Outline]:
    """Return a cat's ear: an upright triangle with a pink inside."""
    tip = complex(0.2, -0.78 * ear.length)
    inner, outer = complex(-0.46, -0.05) * ear.breadth, complex(0.4, 0.45) * ear.breadth
    rim = np.concatenate([_bend(inner, (inner + tip) / 2 - 0.1, tip), _bend(tip, (outer + tip) / 2 + 0.08, outer)])
    centre = (inner + tip + outer) / 3
    return [rim, centre + (rim - centre) * 0.6]


def _pricked_ear(ear: Ear) -> list[Outline]:
    """Return a shepherd's ear: upright, taller and rounder than a cat's."""
    tip, base = complex(0.14, -0.95 * ear.length), 0.36 * ear.breadth
    rim = _smooth(-base + 0.1j, -base - 0.35j, tip - 0.12, tip + 0.12, base + 0.1 - 0.2j, base + 0.1 + 0.4j)
    return [rim, (rim + 0.3j) * 0.6 - 0.3j]


def _tipped_ear(ear: Ear) -> list[Outline]:
    """Return a terrier's ear: half upright, the tip hangs over."""
    top, base = -0.55j * ear.length, 0.38 * ear.breadth
    rim = _smooth(-base + 0.2j, top - base * 0.8, top + base * 1.2, base + 0.15 + 0.4j)
    flap = _smooth(top - base * 0.7, top + base * 1.3, complex(base + 0.32, 0.1 * ear.length), complex(base, 0.0))
    return [rim, flap]


def _hanging_ear(ear: Ear) -> list[Outline]:
    """Return a spaniel's ear: long and soft, down along the cheek."""
    end, wide = 1.15 * ear.length, 0.34 * ear.breadth
    return [
        _smooth(
            -0.25 - 0.16j,
            0.2 - 0.25j,
            complex(0.2 + wide, 0.1),
            complex(0.3 + wide, 0.65 * end),
            complex(0.2 + wide * 0.6, end),
            complex(0.22 - wide * 0.4, 0.9 * end),
            complex(0.12 - wide * 0.2, 0.4 * end),
        )
    ]


def _folded_ear(ear: Ear) -> list[Outline]:
    """Return a small ear folded forward, as of a Scottish fold or a pug."""
    wide, end = 0.4 * ear.breadth, 0.35 * ear.length
    return [_smooth(-wide - 0.2j, wide - 0.3j, complex(wide + 0.25, end), complex(wide * 0.3, end * 0.9))]


_EARS: dict[str, Callable[[Ear], list[Outline]]] = {
    "pointed": _pointed_ear,
    "pricked": _pricked_ear,
    "tipped": _tipped_ear,
    "hanging": _hanging_ear,
    "folded": _folded_ear,
}
_IN_FRONT = ("hanging", "folded")  # these lie over the head, the others stand behind it


def _draw_eye(pen: _Pen, who: Portrait, side: int) -> None:
    """Draw one eye: rim, iris, pupil and a glint."""
    eyes = who.eyes
    centre = complex(side * eyes.gap + who.pose.turn * 0.16, eyes.height)
    slant = -side * eyes.slant
    width, height = eyes.size, eyes.size * eyes.openness
    rim = _mix(who.coat.base, _INK, 0.85)
    if eyes.openness == 0.0:
        pen.stroke(_bend(centre - width, centre + 1j * width * 0.7, centre + width), rim, 0.06)
        return
    pen.fill(_ellipse(centre, width * 1.18, height * 1.2, slant), rim)
    pen.fill(_ellipse(centre, width, height, slant), eyes.iris)
    gaze = centre + who.pose.turn * 0.03
    pupil = min(height, width) * eyes.pupil_size
    pen.fill(_ellipse(gaze, pupil * eyes.pupil, pupil), _INK)
    pen.fill(_ellipse(gaze - (0.25 + 0.3j) * width, width * 0.2, width * 0.2), _WHITE)


def _nose_centre(who: Portrait) -> complex:
    """Return where the nose is: the longer the muzzle, the further it moves as the head turns."""
    return complex(who.pose.turn * (0.16 + 0.25 * who.muzzle.length), who.muzzle.nose_height)


def _muzzle_fur(who: Portrait) -> Colour:
    if who.coat.pattern == "mask":
        return _mix(who.coat.base, _INK, 0.6)
    return who.coat.pale if who.muzzle.pale else _shade(who.coat.base, 1.08)


def _draw_snout(pen: _Pen, who: Portrait) -> None:
    """Draw the furry part of the muzzle."""
    muzzle, nose, fur = who.muzzle, _nose_centre(who), _muzzle_fur(who)
    if muzzle.nose_form == "oval":
        _draw_long_snout(pen, muzzle, nose, fur)
        return
    pen.fill(_ellipse(nose + 1j * muzzle.length * 1.5, muzzle.width * 0.5, muzzle.length * 0.5), fur)
    for side in (-1, 1):
        puff = nose + complex(side * muzzle.width * 0.62, muzzle.length * 0.75)
        pen.fill(_ellipse(puff, muzzle.width * 0.8, muzzle.length * 0.85), fur)


def _draw_mouth(pen: _Pen, who: Portrait) -> None:
    """Draw mouth, tongue and nose."""
    muzzle, nose, line = who.muzzle, _nose_centre(who), _mix(_muzzle_fur(who), _INK, 0.7)
    mouth = nose + 1j * (muzzle.nose_size + muzzle.length * 0.35)
    if muzzle.tongue:
        _draw_tongue(pen, mouth + 1j * muzzle.smile * 0.5, muzzle)
    pen.stroke(_path(nose, mouth), line, 0.045)
    for side in (-1, 1):
        lip = _bend(0j, complex(0.1, muzzle.smile), complex(muzzle.width * 0.85, muzzle.smile * 0.5))
        pen.stroke(mouth + _flip(lip, side), line, 0.05)
    _draw_nose(pen, muzzle, nose)


def _draw_long_snout(pen: _Pen, muzzle: Muzzle, nose: complex, fur: Colour) -> None:
    """Draw a dog's snout: a bridge from between the eyes, broad at the lips."""
    width, length = muzzle.width, muzzle.length
    top = complex(nose.real * 0.5, nose.imag - 0.6)
    bottom = nose + 1j * length
    outline = _smooth(
        top - width * 0.4,
        top + width * 0.4,
        nose + width * 0.95,
        nose + complex(width * 1.25, length * 0.6),
        bottom + width * 0.6,
        bottom - width * 0.6,
        nose + complex(-width * 1.25, length * 0.6),
        nose - width * 0.95,
    )
    pen.fill(outline, fur, _shade(fur, 0.82))


def _draw_tongue(pen: _Pen, root: complex, muzzle: Muzzle) -> None:
    width = 0.07 + muzzle.tongue * 0.22
    end = root + 1j * muzzle.tongue
    pen.fill(_smooth(root - width, root + width, end + width * 1.1, end - width * 1.1), (224, 104, 116), (168, 62, 80))
    pen.stroke(_path(root, root + 0.7j * muzzle.tongue), (184, 74, 90), 0.03)


def _draw_nose(pen: _Pen, muzzle: Muzzle, centre: complex) -> None:
    size, dark = muzzle.nose_size, _shade(muzzle.nose, 0.6)
    if muzzle.nose_form == "triangle":
        pen.fill(
            _path(centre - size - 0.6j * size, centre + size - 0.6j * size, centre + 0.8j * size), muzzle.nose, dark
        )
        return
    pen.fill(_smooth(*(centre + size * c for c in (-1.2 - 0.8j, 1.2 - 0.8j, 1.3 + 0.1j, 1j, -1.3 + 0.1j))), muzzle.nose)
    pen.fill(_ellipse(centre - size * (0.3 + 0.4j), size * 0.35, size * 0.15), _shade(muzzle.nose, 1.5))


def _draw_whiskers(pen: _Pen, who: Portrait) -> None:
    """Draw whiskers, light on a dark coat and dark on a light one."""
    muzzle, nose, rng = who.muzzle, _nose_centre(who), who.dice("whiskers")
    colour: Colour = (246, 244, 240) if sum(who.coat.base) < 480 else (92, 84, 80)
    for side in (-1, 1):
        for index in range(muzzle.whiskers):
            root = complex(muzzle.width * 0.6, muzzle.length * 0.5 + 0.07 * index)
            rise = (index - (muzzle.whiskers - 1) / 2) * 0.22 + rng.gauss(0.0, 0.05)
            tip = root + muzzle.whisker_length * complex(1.0, rise)
            line = _bend(root, (root + tip) / 2 - 0.08j, tip)
            pen.stroke(nose + _flip(line, side), colour, 0.02)


# ------------------------------------------------------------------------------------------------- drawing: the body


def _draw_body(pen: _Pen, who: Portrait) -> None:
    """Draw tail, neck, shoulders and chest, and what is worn about the neck."""
    coat, rng = who.coat, who.dice("body")
    neck, shoulder, fur = rng.uniform(0.5, 0.75), rng.uniform(0.95, 1.5), _shade(coat.base, 0.88)
    if rng.random() < 0.35:
        _draw_tail(pen, who, shoulder, rng)
    outline = _smooth(
        *(-neck + 0.2j, neck + 0.2j, neck + 0.9j, complex(shoulder, 1.5), complex(shoulder, 4)),
        *(complex(-shoulder, 4), complex(-shoulder, 1.5), -neck + 0.9j),
    )
    pen.fill(outline, fur)
    with pen.inside(outline) as inner:
        _draw_body_coat(inner, who, rng)
        if rng.random() < 0.6:
            inner.fill(_ellipse(1.7j, neck * 0.7, 0.8), coat.pale)
        inner.fill(_ellipse(0.65j, 0.9, 0.5), _shade(fur, 0.7))  # the head's shadow
    pen.stroke(np.append(outline, outline[:1]), _shade(fur, 0.7), 0.03)
    _draw_dress(pen, who, neck)


def _draw_body_coat(pen: _Pen, who: Portrait, rng: Random) -> None:
    """Go on with the pattern of the head."""
    if who.coat.pattern in ("patches", "spots", "half"):
        for _ in range(4):
            centre = complex(rng.uniform(-1.2, 1.2), rng.uniform(1.0, 2.4))
            pen.fill(_ellipse(centre, rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.4)), who.coat.marking)
    if who.coat.pattern == "tabby":
        dark = _mix(who.coat.base, who.coat.marking, 0.7)
        for y in (1.25, 1.55, 1.85, 2.15):
            for side in (-1, 1):
                pen.stroke(
                    _flip(_bend(complex(1.5, y), complex(0.9, y + 0.1), complex(0.55, y + 0.2)), side), dark, 0.1
                )


def _draw_tail(pen: _Pen, who: Portrait, shoulder: float, rng: Random) -> None:
    """Draw a tail that swings up behind the shoulder."""
    reach, top = shoulder + rng.uniform(0.3, 0.7), rng.uniform(-0.2, 1.0)
    tip, middle = complex(reach + rng.uniform(-0.3, 0.3), top), complex(reach, (top + 2.0) / 2)
    width, fur = rng.uniform(0.18, 0.28), _shade(who.coat.base, 0.8)
    pen.stroke(_bend(complex(shoulder * 0.8, 2.4), complex(reach, 2.2), middle), fur, width)
    pen.stroke(_bend(middle, complex(reach, top), tip), fur, width)
    pen.fill(_ellipse(tip, width / 2, width / 2), fur)


def _draw_dress(pen: _Pen, who: Portrait, neck: float) -> None:
    """Draw a collar, a scarf or a bow."""
    felt, dress = who.scene.felt, who.scene.dress
    low = 1.1j
    if dress in ("collar", "bow"):
        pen.stroke(_bend(low - neck * 1.1, low + 0.35j, low + neck * 1.1), felt, 0.16)
    if dress == "collar":
        pen.fill(_ellipse(low + 0.32j, 0.11, 0.11), (240, 204, 90), (150, 116, 40))
    if dress == "bow":
        for side in (-1, 1):
            pen.fill(_flip(_path(low + 0.2j, low + 0.45 - 0.02j, low + 0.45 + 0.45j), side), felt, _shade(felt, 0.7))
    if dress == "scarf":
        pen.fill(_path(low - neck * 1.2 - 0.1j, low + neck * 1.2 - 0.1j, low + 0.85j), felt, _shade(felt, 0.7))


def _add_hair(canvas: Image.Image, empty: Image.Image, who: Portrait) -> None:
    """Give the animal, and only what differs from the empty scene, the texture of hair and a soft uneven light."""
    rng = np.random.default_rng([CLASSES.index(who.kind), who.seed, 1])
    texture = Image.new("L", canvas.size, 255)
    for rows, columns, depth in ((52, 88, who.coat.texture), (5, 5, 50)):
        grain = rng.integers(255 - depth, 256, size=(rows, columns), dtype=np.uint8)
        texture = ImageChops.multiply(texture, Image.fromarray(grain).resize(canvas.size, Image.Resampling.BICUBIC))
    animal = ImageChops.difference(canvas, empty).convert("L").point([0] + [255] * 255)
    canvas.paste(ImageChops.multiply(canvas, Image.merge("RGB", (texture,) * 3)), mask=animal)


# ------------------------------------------------------------------------------------------ drawing: the background


def _draw_background(who: Portrait, side: int) -> Image.Image:
    """Return a canvas with the backdrop on it."""
    scene, rng = who.scene, who.dice("background")
    ramp = np.array([[scene.top, _mix(scene.top, scene.bottom, rng.random())], [scene.bottom, scene.bottom]], np.uint8)
    canvas = Image.fromarray(ramp).resize((side, side), Image.Resampling.BILINEAR)
    _BACKDROPS[scene.backdrop](_Pen.on_scene(canvas), scene, rng)
    return canvas


def _backdrop_plain(pen: _Pen, scene: Scene, rng: Random) -> None:
    """Draw soft spots of light out of focus."""
    for _ in range(rng.randint(0, 9)):
        colour = _mix(scene.top, rng.choice(scene.accents), 0.5)
        radius = rng.uniform(0.03, 0.12)
        pen.fill(_ellipse(complex(rng.random(), rng.random()), radius, radius), colour)


def _backdrop_room(pen: _Pen, scene: Scene, rng: Random) -> None:
    """Draw a floor, a picture or window, and something like furniture."""
    floor = rng.uniform(0.6, 0.85)
    pen.fill(_box(complex(0, floor), 1, 1), scene.accents[0])
    x, y, width, height = rng.random() * 0.7, rng.random() * 0.2, rng.uniform(0.2, 0.4), rng.uniform(0.2, 0.45)
    pen.fill(_box(complex(x, y), width, height), scene.accents[1], _shade(scene.accents[1], 0.6))
    if rng.random() < 0.6:
        pen.stroke(_path(complex(x + width / 2, y), complex(x + width / 2, y + height)), scene.top, 0.02)
    left = rng.uniform(-0.2, 0.8)
    pen.fill(_box(complex(left, rng.uniform(0.35, 0.6)), rng.uniform(0.2, 0.5), 1), scene.accents[2])


def _backdrop_meadow(pen: _Pen, scene: Scene, rng: Random) -> None:
    """Draw hills or roofs on the horizon and blades of grass."""
    horizon = rng.uniform(0.4, 0.75)
    for _ in range(rng.randint(1, 4)):
        x, width, height = rng.random(), rng.uniform(0.1, 0.3), rng.uniform(0.1, 0.45)
        peak = _path(complex(x - width, horizon), complex(x, horizon - height), complex(x + width, horizon))
        pen.fill(peak, rng.choice(scene.accents))
    green = _mix(scene.accents[0], (86, 138, 56), 0.75)
    pen.fill(_box(complex(0, horizon), 1, 1), green)
    _draw_blades(pen, green, rng, 16, horizon, 1.0)


def _draw_blades(pen: _Pen, green: Colour, rng: Random, count: int, top: float, bottom: float) -> None:
    for _ in range(count):
        x, y, height = rng.random(), rng.uniform(top, bottom), rng.uniform(0.06, 0.16)
        blade = _path(complex(x, y), complex(x + rng.uniform(-0.05, 0.05), y - height), complex(x + 0.02, y))
        pen.fill(blade, _shade(green, rng.uniform(0.7, 1.25)))


def _backdrop_stripes(pen: _Pen, scene: Scene, rng: Random) -> None:
    """Draw wallpaper, boards or blinds."""
    count, slant = rng.randint(4, 10), rng.choice((0.0, math.pi / 2, rng.uniform(0, math.pi)))
    turn, colour = cmath.exp(1j * slant), _mix(scene.top, scene.accents[0], rng.uniform(0.2, 0.7))
    for index in range(count):
        middle = 0.5 + 0.5j + turn * complex((index + 0.5) / count - 0.5, 0) * 1.4
        pen.stroke(_path(middle - turn * 0.9j, middle + turn * 0.9j), colour, 0.6 / count)


def _backdrop_bricks(pen: _Pen, scene: Scene, rng: Random) -> None:
    rows, joint = rng.randint(5, 8), _mix(scene.top, scene.accents[0], 0.4)
    for row in range(rows):
        y = row / rows
        pen.stroke(_path(complex(0, y), complex(1, y)), joint, 0.015)
        for column in range(4):
            x = (column + 0.5 * (row % 2)) / 3.5
            pen.stroke(_path(complex(x, y), complex(x, y + 1 / rows)), joint, 0.015)


def _backdrop_shapes(pen: _Pen, scene: Scene, rng: Random) -> None:
    """Draw cushions, balls and tents: round and pointed things of any colour."""
    for _ in range(rng.randint(4, 9)):
        centre, size = complex(rng.random(), rng.random()), rng.uniform(0.06, 0.2)
        colour = rng.choice(scene.accents)
        spin = cmath.exp(1j * rng.uniform(0, math.tau))
        corners = rng.choice((3, 3, 4, 0))
        if corners:
            ring = [size * cmath.exp(1j * math.tau * k / corners) * spin for k in range(corners)]
            pen.fill(centre + _path(*ring), colour)
        else:
            pen.fill(_ellipse(centre, size * 0.8, size * rng.uniform(0.5, 0.8)), colour, _shade(colour, 0.8))


def _backdrop_sofa(pen: _Pen, scene: Scene, rng: Random) -> None:
    """Draw a back rest and two cushions."""
    top, felt = rng.uniform(0.2, 0.5), scene.accents[0]
    pen.fill(_smooth(-0.3 + 1j * top, 1.3 + 1j * top, 1.3 + 1.4j, -0.3 + 1.4j), felt, _shade(felt, 0.7))
    for x in (rng.uniform(0.0, 0.3), rng.uniform(0.7, 1.0)):
        middle, size = complex(x, top + rng.uniform(0.1, 0.4)), rng.uniform(0.15, 0.3)
        spin = cmath.exp(1j * rng.uniform(-0.4, 0.4))
        pillow = middle + _smooth(*(size * c * spin for c in (-1 - 1j, -0.9j, 1 - 1j, 1 + 1j, 0.9j, -1 + 1j)))
        pen.fill(pillow, rng.choice(scene.accents[1:]), _shade(felt, 0.6))


_BACKDROPS: dict[str, Callable[[_Pen, Scene, Random], None]] = {
    "plain": _backdrop_plain,
    "room": _backdrop_room,
    "meadow": _backdrop_meadow,
    "stripes": _backdrop_stripes,
    "bricks": _backdrop_bricks,
    "shapes": _backdrop_shapes,
    "sofa": _backdrop_sofa,
}


# ------------------------------------------------------------------------------------------ drawing: what is in front


def _draw_foreground(pen: _Pen, who: Portrait) -> None:
    """Draw what stands between the camera and the animal, if anything."""
    if who.scene.foreground:
        _FOREGROUNDS[who.scene.foreground](pen, who, who.dice("foreground"))


def _in_front_grass(pen: _Pen, who: Portrait, rng: Random) -> None:
    green = _mix(who.scene.accents[0], (86, 138, 56), 0.8)
    for _ in range(rng.randint(8, 18)):
        x, height = rng.random(), rng.uniform(0.2, 0.6)
        tip = complex(x + rng.uniform(-0.15, 0.15), 1.0 - height)
        pen.fill(_path(complex(x - 0.02, 1.02), tip, complex(x + 0.02, 1.02)), _shade(green, rng.uniform(0.6, 1.3)))


def _in_front_box(pen: _Pen, who: Portrait, rng: Random) -> None:
    """Hide, with a cardboard box or a table's edge, what is below the chin."""
    card = rng.choice(((186, 146, 96), who.scene.accents[1]))
    chin = who.pose.centre.imag + who.pose.scale * rng.uniform(0.6, 1.1)
    lean = rng.uniform(-0.05, 0.05)
    pen.fill(
        _path(complex(-0.1, chin - lean), complex(1.1, chin + lean), 1.1 + 1.1j, -0.1 + 1.1j), card, _shade(card, 0.6)
    )


def _in_front_curtain(pen: _Pen, who: Portrait, rng: Random) -> None:
    """Hide one side with a door frame or a curtain."""
    side = rng.choice((-1, 1))
    edge = who.pose.centre.real + side * who.pose.scale * rng.uniform(0.35, 0.9)
    cloth = who.scene.accents[2]
    pen.fill(
        _path(edge - 0.1j, edge + side - 0.1j, edge + side + 1.1j, edge + 0.03 * side + 1.1j), cloth, _shade(cloth, 0.6)
    )


def _in_front_ball(pen: _Pen, who: Portrait, rng: Random) -> None:
    where = who.pose.centre + cmath.rect(who.pose.scale * rng.uniform(0.8, 1.2), rng.uniform(0, math.tau))
    radius, felt = rng.uniform(0.08, 0.17), who.scene.felt
    pen.fill(_ellipse(where, radius, radius), felt, _shade(felt, 0.6))
    pen.stroke(where + _bend(-radius * 0.9 + 0j, 0.6j * radius, radius * 0.9 + 0j), _shade(felt, 1.5), radius * 0.2)


def _in_front_fence(pen: _Pen, who: Portrait, rng: Random) -> None:
    """Draw thin bars or a branch in front of the face."""
    wood = rng.choice(((120, 84, 54), (224, 220, 212), (60, 58, 60), who.scene.felt))
    turn = cmath.exp(1j * rng.choice((0.0, 0.0, rng.uniform(0, math.pi))))
    count, width = rng.randint(2, 4), rng.uniform(0.025, 0.05)
    offset = rng.uniform(-0.1, 0.1)
    for index in range(count):
        middle = 0.5 + 0.5j + turn * ((index + 0.5) / count - 0.5 + offset)
        pen.stroke(_path(middle - 0.9j * turn, middle + 0.9j * turn), wood, width)


def _in_front_leaves(pen: _Pen, who: Portrait, rng: Random) -> None:
    """Draw some leaves, close to the camera."""
    green = _mix(who.scene.accents[1], (70, 120, 60), 0.6)
    for _ in range(rng.randint(2, 5)):
        where = who.pose.centre + cmath.rect(who.pose.scale * rng.uniform(0.5, 1.5), rng.uniform(0, math.tau))
        axis = cmath.rect(rng.uniform(0.08, 0.16), rng.uniform(0, math.tau))
        leaf = where + np.concatenate([_bend(-axis, axis * 0.7j, axis), _bend(axis, axis * -0.7j, -axis)])
        pen.fill(leaf, _shade(green, rng.uniform(0.8, 1.2)), _shade(green, 0.6))


_FOREGROUNDS: dict[str, Callable[[_Pen, Portrait, Random], None]] = {
    "grass": _in_front_grass,
    "box": _in_front_box,
    "curtain": _in_front_curtain,
    "ball": _in_front_ball,
    "fence": _in_front_fence,
    "leaves": _in_front_leaves,
}


# ------------------------------------------------------------------------------------------------------- the photograph


def _develop(canvas: Image.Image, who: Portrait, size: int) -> Image.Image:
    """Blur, reduce to the picture's size, light and add noise."""
    light = who.light
    if light.blur > 0.0:
        canvas = canvas.filter(ImageFilter.GaussianBlur(light.blur / 100 * canvas.width))
    small = canvas.resize((size, size), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * np.float32(light.saturation)
    pixels = 128.0 + (pixels - 128.0) * np.float32(light.contrast)
    pixels *= _illumination(light, size)[:, :, None] * np.array(light.cast, dtype=np.float32)
    rng = np.random.default_rng([CLASSES.index(who.kind), who.seed, 2])
    pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(light.noise)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _illumination(light: Light, size: int) -> NDArray[np.float32]:
    """Return the brightness of every pixel: exposure, a gradient and dark corners."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = axis[None, :], axis[:, None]
    field = 1.0 + light.slope.real * x + light.slope.imag * y - light.vignette * 2.0 * (x * x + y * y)
    return np.asarray(light.exposure * field, dtype=np.float32)
