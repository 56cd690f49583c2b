"""How an arm is drawn: the same colour, dashes and mark in every figure.

The colour says which optimizer it is, dashes and mark say which schedule (and which network, where there are several).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from harness_reports._draw.markers import NAMES, marker_of
from harness_reports._draw.theme import HUES, SURFACE, paint
from harness_reports._words.names import ArmParts

WIDE, HIGH, LINE = 30, 13, 2  # of a swatch, and of its line
DASHES: tuple[Any, ...] = (
    "solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.2, 1.5)), (0, (9, 2)), (0, (3, 1, 1, 1, 1, 1)),
)  # fmt: skip


@dataclass(frozen=True)
class ArmLook:
    """How an arm is drawn, the same in every figure."""

    label: str
    color: str  # "#rrggbb", of a light ground
    dashes: Any
    marker: str  # matplotlib's

    @property
    def paint(self) -> str:
        """The colour as the style sheet of the page has it, which is another one on a dark ground."""
        return paint(self.color)

    @property
    def mark(self) -> str:
        """The mark as the style sheet of the page names it."""
        return NAMES[self.marker]


def arm_looks(labels: Mapping[str, str], parts: Sequence[ArmParts] = ()) -> dict[str, ArmLook]:
    """Return a look for every arm.

    With the ``parts`` of the arms, a colour is an optimizer, and dashes and mark are a schedule. Where the arms differ in one of
    the two alone, and without parts, each arm has a colour and a mark. Beyond ten colours they come again, with other dashes.
    """
    optimizers = list(dict.fromkeys(part.optimizer for part in parts))
    variants = list(dict.fromkeys((part.network, part.scheduler) for part in parts))
    if len(optimizers) < 2 or len(variants) < 2:
        return {arm: _look_alone(label, place) for place, (arm, label) in enumerate(labels.items())}
    looks = {}
    for part in parts:
        again, hue = divmod(optimizers.index(part.optimizer), len(HUES))
        variant = variants.index((part.network, part.scheduler)) + again
        looks[part.arm] = ArmLook(labels[part.arm], HUES[hue], DASHES[variant % len(DASHES)], marker_of(variant))
    return looks


def _look_alone(label: str, place: int) -> ArmLook:
    """Return the look of an arm whose colour is its own; dashes and marks help eyes that do not tell all colours apart."""
    dashes = DASHES[(place // 4 + place // len(HUES)) % len(DASHES)]
    return ArmLook(label, HUES[place % len(HUES)], dashes, marker_of(place))


def swatch(color: str, dashes: Any, marker: str = "o", size: float = 6) -> Markup:
    """Return the line and the mark of an arm for a legend of the page, without ids, for a legend may stand there twice."""
    pattern = "" if dashes == "solid" else f";stroke-dasharray:{' '.join(f'{LINE * part:g}' for part in dashes[1])}"
    return Markup(
        '<svg aria-hidden="true" viewBox="0 0 {} {}"><path d="M2 {}H28" style="stroke:{};stroke-width:{}{}"/>'
        '<path d="{}" style="fill:{};stroke:{};stroke-width:.8"/></svg>'
    ).format(WIDE, HIGH, HIGH / 2, paint(color), LINE, pattern, _mark_path(marker, size), paint(color), paint(SURFACE))


def _mark_path(marker: str, size: float) -> str:
    """Return a mark in the middle of a swatch as the path of an SVG."""
    from matplotlib.markers import MarkerStyle
    from matplotlib.path import Path

    letters = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
    style = MarkerStyle(marker)
    steps = []
    for points, code in style.get_path().iter_segments(style.get_transform(), simplify=False):
        places = [
            f"{start + sign * size * value:.2f}"
            for value, (start, sign) in zip(points, [(WIDE / 2, 1), (HIGH / 2, -1)] * (len(points) // 2), strict=True)
        ]
        steps.append("Z" if letters[code] == "Z" else letters[code] + " ".join(places))
    return "".join(steps)
