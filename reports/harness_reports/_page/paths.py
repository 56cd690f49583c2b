"""What the page says of the optimizers' paths over two parameters: a panel a landscape, and in words how each arm went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Stroke, describe_walk, draw_walks
from harness_reports._draw.figures import Look
from harness_reports._draw.svg import GRID, INK, MUTED, NARROW, SURFACE, panel, style, svg

if TYPE_CHECKING:
    from pandas import DataFrame

SIGNS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖", "<": "◀", ">": "▶", "p": "⬟"}


def panels(walks: DataFrame, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return a panel per landscape: its name, the figure, and a line per arm; none where no paths are recorded."""
    markers = list(SIGNS)
    there = {arm: look for arm, look in looks.items() if (walks["arm"] == arm).any()}
    strokes = {arm: Stroke(looks[arm].color, markers[i % len(markers)]) for i, arm in enumerate(looks) if arm in there}
    found = []
    for place, landscape in enumerate(dict.fromkeys(walks["landscape"])):
        here = walks[walks["landscape"] == landscape]
        lines = [
            {"look": look, "sign": SIGNS[strokes[arm].marker], "says": describe_walk(here[here["arm"] == arm])}
            for arm, look in there.items()
        ]
        with style():
            figure, axes = panel(NARROW, NARROW)
            draw_walks(axes, walks, landscape, strokes, INK, MUTED, SURFACE)
            axes.spines[:].set(visible=True, color=GRID)
            steps = here[["arm", "step", "gradients", "x", "y", "value"]]
            drawn = svg(figure, f"path-{place}", f"{landscape}: where each arm's optimizer went", {}, steps)
        found.append({"name": landscape[:1].upper() + landscape[1:], "figure": Markup(drawn), "lines": lines})
    return found
