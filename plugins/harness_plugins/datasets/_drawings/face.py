"""The face: snout, mouth, nose, eyes and whiskers, which move with the turn of the head."""

from __future__ import annotations

from harness_plugins.datasets._drawings.colours import INK, WHITE, Colour, mix, shade
from harness_plugins.datasets._drawings.pen import Pen, bend, ellipse, flip, path, smooth
from harness_plugins.datasets._drawings.traits import Muzzle, Portrait


def draw_face(pen: Pen, who: Portrait) -> None:
    """Draw what is not covered with fur."""
    _draw_mouth(pen, who)
    for side in (-1, 1):
        _draw_eye(pen, who, side)
    _draw_whiskers(pen, who)


def draw_snout(pen: Pen, who: Portrait) -> None:
    """Draw the furry part of the muzzle."""
    muzzle, nose, fur = who.muzzle, _nose_centre(who), _muzzle_fur(who)
    if muzzle.nose_form == "oval":
        _draw_long_snout(pen, muzzle, nose, fur)
        return
    pen.fill(ellipse(nose + 1j * muzzle.length * 1.5, muzzle.width * 0.5, muzzle.length * 0.5), fur)
    for side in (-1, 1):
        puff = nose + complex(side * muzzle.width * 0.62, muzzle.length * 0.75)
        pen.fill(ellipse(puff, muzzle.width * 0.8, muzzle.length * 0.85), fur)


def _draw_long_snout(pen: Pen, muzzle: Muzzle, nose: complex, fur: Colour) -> None:
    """Draw a dog's snout: a bridge from between the eyes, broad at the lips."""
    width, length = muzzle.width, muzzle.length
    top = complex(nose.real * 0.5, nose.imag - 0.6)
    bottom = nose + 1j * length
    outline = smooth(
        top - width * 0.4,
        top + width * 0.4,
        nose + width * 0.95,
        nose + complex(width * 1.25, length * 0.6),
        bottom + width * 0.6,
        bottom - width * 0.6,
        nose + complex(-width * 1.25, length * 0.6),
        nose - width * 0.95,
    )
    pen.fill(outline, fur, shade(fur, 0.82))


def _draw_mouth(pen: Pen, who: Portrait) -> None:
    """Draw mouth, tongue and nose."""
    muzzle, nose, line = who.muzzle, _nose_centre(who), mix(_muzzle_fur(who), INK, 0.7)
    mouth = nose + 1j * (muzzle.nose_size + muzzle.length * 0.35)
    if muzzle.tongue:
        _draw_tongue(pen, mouth + 1j * muzzle.smile * 0.5, muzzle)
    pen.stroke(path(nose, mouth), line, 0.045)
    for side in (-1, 1):
        lip = bend(0j, complex(0.1, muzzle.smile), complex(muzzle.width * 0.85, muzzle.smile * 0.5))
        pen.stroke(mouth + flip(lip, side), line, 0.05)
    _draw_nose(pen, muzzle, nose)


def _draw_tongue(pen: Pen, root: complex, muzzle: Muzzle) -> None:
    width = 0.07 + muzzle.tongue * 0.22
    end = root + 1j * muzzle.tongue
    pen.fill(smooth(root - width, root + width, end + width * 1.1, end - width * 1.1), (224, 104, 116), (168, 62, 80))
    pen.stroke(path(root, root + 0.7j * muzzle.tongue), (184, 74, 90), 0.03)


def _draw_nose(pen: Pen, muzzle: Muzzle, centre: complex) -> None:
    size, dark = muzzle.nose_size, shade(muzzle.nose, 0.6)
    if muzzle.nose_form == "triangle":
        pen.fill(
            path(centre - size - 0.6j * size, centre + size - 0.6j * size, centre + 0.8j * size), muzzle.nose, dark
        )
        return
    pen.fill(smooth(*(centre + size * c for c in (-1.2 - 0.8j, 1.2 - 0.8j, 1.3 + 0.1j, 1j, -1.3 + 0.1j))), muzzle.nose)
    pen.fill(ellipse(centre - size * (0.3 + 0.4j), size * 0.35, size * 0.15), shade(muzzle.nose, 1.5))


def _draw_eye(pen: Pen, who: Portrait, side: int) -> None:
    """Draw one eye: rim, iris, pupil and a glint."""
    eyes = who.eyes
    centre = complex(side * eyes.gap + who.pose.turn * 0.16, eyes.height)
    slant = -side * eyes.slant
    width, height = eyes.size, eyes.size * eyes.openness
    rim = mix(who.coat.base, INK, 0.85)
    if eyes.openness == 0.0:
        pen.stroke(bend(centre - width, centre + 1j * width * 0.7, centre + width), rim, 0.06)
        return
    pen.fill(ellipse(centre, width * 1.18, height * 1.2, slant), rim)
    pen.fill(ellipse(centre, width, height, slant), eyes.iris)
    gaze = centre + who.pose.turn * 0.03
    pupil = min(height, width) * eyes.pupil_size
    pen.fill(ellipse(gaze, pupil * eyes.pupil, pupil), INK)
    pen.fill(ellipse(gaze - (0.25 + 0.3j) * width, width * 0.2, width * 0.2), WHITE)


def _draw_whiskers(pen: Pen, who: Portrait) -> None:
    """Draw whiskers, light on a dark coat and dark on a light one."""
    muzzle, nose, rng = who.muzzle, _nose_centre(who), who.dice("whiskers")
    colour: Colour = (246, 244, 240) if sum(who.coat.base) < 480 else (92, 84, 80)
    for side in (-1, 1):
        for index in range(muzzle.whiskers):
            root = complex(muzzle.width * 0.6, muzzle.length * 0.5 + 0.07 * index)
            rise = (index - (muzzle.whiskers - 1) / 2) * 0.22 + rng.gauss(0.0, 0.05)
            tip = root + muzzle.whisker_length * complex(1.0, rise)
            line = bend(root, (root + tip) / 2 - 0.08j, tip)
            pen.stroke(nose + flip(line, side), colour, 0.02)


def _nose_centre(who: Portrait) -> complex:
    """Return where the nose is: the longer the muzzle, the further it moves as the head turns."""
    return complex(who.pose.turn * (0.16 + 0.25 * who.muzzle.length), who.muzzle.nose_height)


def _muzzle_fur(who: Portrait) -> Colour:
    if who.coat.pattern == "mask":
        return mix(who.coat.base, INK, 0.6)
    return who.coat.pale if who.muzzle.pale else shade(who.coat.base, 1.08)
