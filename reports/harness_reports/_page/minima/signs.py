"""How a solution is drawn: an arm's in its colour, with a mark of its own; a control's in grey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.figures import Look
from harness_reports._draw.svg import SURFACE, style, svg
from harness_reports._page.paths import SIGNS

if TYPE_CHECKING:
    from pandas import DataFrame

MARKERS = tuple(SIGNS)
CONTROLS = {"aa": ("tuned again", "#6f7883", "P"), "different": ("noisy labels", "#a2a9b1", "X")}  # words, colour, mark
SHORT = 12  # characters of a label beside a block


@dataclass(frozen=True)
class Sign:
    """An arm or a control, as it is drawn."""

    label: str
    color: str
    marker: str
    dashes: Any
    control: str = ""  # what kind of one, in words

    @property
    def short(self) -> str:
        """The label, shortened for the edge of a figure; a control's kind alone."""
        text = self.control or self.label
        return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def signs(solutions: DataFrame, looks: Mapping[str, Look]) -> dict[str, Sign]:
    """Return a sign per arm and control of the table ``solutions``, in its order."""
    order = list(looks)
    found: dict[str, Sign] = {}
    about = solutions.drop_duplicates("arm")
    for arm, kind, of in zip(about["arm"], about["kind"], about["of"], strict=True):
        look = looks.get(of)
        if look is None:
            continue
        if kind in CONTROLS:
            words, color, marker = CONTROLS[kind]
            found[arm] = Sign(f"{look.label}, {words}", color, marker, (0, (1.5, 1.2)), words)
        else:
            found[arm] = Sign(look.label, look.color, MARKERS[order.index(of) % len(MARKERS)], look.dashes)
    return found


def legend(known: Mapping[str, Sign], name: str) -> list[dict[str, Any]]:
    """Return ``arm``, ``label`` and ``swatch`` of every sign."""
    return [
        {"arm": arm, "label": sign.label, "swatch": Markup(_swatch(sign, f"{name}-{place}"))}
        for place, (arm, sign) in enumerate(known.items())
    ]


def _swatch(sign: Sign, name: str) -> str:
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(0.42, 0.18))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.plot([0.06, 0.94], [0, 0], color=sign.color, ls=sign.dashes, lw=2)
        axes.plot([0.5], [0], color=sign.color, marker=sign.marker, ms=7, mec=SURFACE, mew=0.8)
        axes.set(xlim=(0, 1), ylim=(-1, 1))
        axes.axis("off")
        return svg(figure, name, "", {})
