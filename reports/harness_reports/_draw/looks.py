"""How an arm is drawn: the same colour and the same dashes in every figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from harness_reports._draw.svg import SURFACE, house_style, to_svg

DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
PALETTE = (0, 1, 2, 3, 4, 5, 9, 7, 6, 8)  # seaborn's "colorblind", its palest colours last


@dataclass(frozen=True)
class ArmLook:
    """How an arm is drawn, the same in every figure."""

    label: str
    color: str  # "#rrggbb"
    dashes: Any


def arm_looks(labels: Mapping[str, str]) -> dict[str, ArmLook]:
    """Return a look for every arm; beyond ten arms the colours come again with other dashes."""
    import seaborn

    palette = seaborn.color_palette("colorblind").as_hex()
    colors = [palette[i] for i in PALETTE]
    looks = {}
    for i, (arm, label) in enumerate(labels.items()):
        dashes = DASHES[(i // 4 + i // len(colors)) % len(DASHES)]
        looks[arm] = ArmLook(label, colors[i % len(colors)], dashes)
    return looks


def swatch(color: str, dashes: Any, name: str, marker: str = "o", size: float = 6) -> Markup:
    """Return the line and the mark of an arm for a legend of the page."""
    from matplotlib.figure import Figure

    with house_style():
        figure = Figure(figsize=(0.42, 0.18))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.plot([0.06, 0.94], [0, 0], color=color, ls=dashes, lw=2)
        axes.plot([0.5], [0], color=color, marker=marker, ms=size, mec=SURFACE, mew=0.8)
        axes.set(xlim=(0, 1), ylim=(-1, 1))
        axes.axis("off")
        return to_svg(figure, name, "", {})
