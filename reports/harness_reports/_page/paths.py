"""The paths of the optimizers over two parameters: a panel a landscape, and in words how each arm went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Stroke, describe_walk, draw_walks
from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.markers import SIGNS
from harness_reports._draw.svg import NARROW, house_style, new_panel, to_svg
from harness_reports._draw.theme import GRID, INK, MUTED, SURFACE
from harness_reports._page._section import Page, Section
from harness_reports._words.names import capitalized

if TYPE_CHECKING:
    from pandas import DataFrame


def paths(page: Page) -> dict[str, Any] | None:
    """Return a panel per landscape: its name, the figure, and a line per arm; None where no paths are recorded."""
    walks = page.records.paths
    looks = {arm: look for arm, look in page.looks.items() if (walks["arm"] == arm).any()}
    panels: list[dict[str, Any]] = []
    for landscape in dict.fromkeys(walks["landscape"]):
        of_landscape, lines = walks[walks["landscape"] == landscape], []
        for arm, look in looks.items():
            says = describe_walk(of_landscape[of_landscape["arm"] == arm])
            lines.append({"look": look, "sign": SIGNS[look.marker], "says": says})
        figure = _draw_paths(walks, landscape, looks, f"path-{landscape}")
        panels.append({"name": capitalized(landscape), "figure": figure, "lines": lines})
    return {"panels": panels} if panels else None


def _draw_paths(walks: DataFrame, landscape: str, looks: Mapping[str, ArmLook], name: str) -> Markup:
    """Return the paths of all arms over one landscape."""
    strokes = {arm: Stroke(look.color, look.marker) for arm, look in looks.items()}
    with house_style():
        figure, axes = new_panel(NARROW, NARROW)
        draw_walks(axes, walks, landscape, strokes, INK, MUTED, SURFACE)
        axes.spines[:].set(visible=True, color=GRID)
        steps = walks.loc[walks["landscape"] == landscape, ["arm", "step", "gradients", "x", "y", "value"]]
        return to_svg(figure, name, f"{landscape}: where each arm's optimizer went", {}, named_arms(steps, looks))


SECTION = Section(id="paths", title="Paths", place=80, data=paths, template="paths.html.j2")
