"""A map of all solutions. Two marks are as far apart as the solutions are, as well as two dimensions can show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.axes import set_ticks
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.interactive import Views
from harness_reports._draw.svg import WIDE, Tip, house_style, new_panel, to_svg
from harness_reports._draw.theme import SURFACE
from harness_reports._page.minima.network import Solution
from harness_reports._page.minima.signs import Sign
from harness_reports._words.names import title_with_unit

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from pandas import DataFrame

    Matrix = NDArray[np.float64]

BESIDE, TALLEST = 0.75, 3.5  # inches: what stands beside and below the axes, and the height of the tallest map
COLUMNS = ["arm", "seed", "x", "y", "says"]
SYMBOLS = {  # plotly's, by matplotlib's marker
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "x",
    "<": "triangle-left", ">": "triangle-right", "p": "pentagon",
}  # fmt: skip
NOTE = "Each mark is a solution. Point at it to read its scores. A click on an arm in the legend hides it; drag to zoom in."


def scaled(distances: Matrix) -> tuple[Matrix, float]:
    """Return points [R, 2] by classical scaling of distances [R, R], and how much of the squared distances they show.

    The points are the first two eigenvectors of -1/2 J D^2 J, J = I - 11'/R, times the roots of their eigenvalues (Torgerson 1952,
    doi:10.1007/BF02288916). The part is of the sum of the positive eigenvalues: 1 where the points lie in a plane.
    """
    import numpy as np

    many = len(distances)
    centre = np.eye(many) - 1 / many
    values, vectors = np.linalg.eigh(-centre @ np.square(distances) @ centre / 2)
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    points = np.zeros((many, 2))
    points[:, : min(2, many)] = (vectors * np.sqrt(values))[:, :2]
    largest = np.abs(points).argmax(axis=0)  # the sign of an eigenvector is arbitrary, but a page must be reproducible
    points *= np.where(points[largest, [0, 1]] < 0, -1.0, 1.0)
    return points, float(values[:2].sum() / values.sum()) if values.sum() > 0 else 1.0


def points_of(matrix: Matrix, solutions: Sequence[Solution], texts: Mapping[Solution, str]) -> tuple[DataFrame, float]:
    """Return the points of the map, and how much of the squared distances they show.

    A solution without any distance is left out. The table is empty where fewer than three are left, or where a distance between two
    of them is not known.
    """
    import numpy as np
    import pandas as pd

    placed = [i for i in range(len(solutions)) if np.isfinite(matrix[i]).sum() > 1]
    between = matrix[np.ix_(placed, placed)]
    if len(placed) < 3 or not np.isfinite(between).all():
        return pd.DataFrame(columns=COLUMNS), 0.0
    points, part = scaled(between)
    rows = [(*solutions[i], x, y, texts.get(solutions[i], "")) for i, (x, y) in zip(placed, points, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS), part


def figure(points: DataFrame, signs: Mapping[str, Sign], title: str, unit: str, name: str) -> Markup:
    """Return the map; ``points`` has arm, seed, x, y and says."""
    tips: dict[str, Sequence[Tip]] = {}
    with house_style():
        drawing, axes = new_panel(3.5, WIDE)
        for place, (arm, sign) in enumerate(signs.items()):
            of_arm = points[points["arm"] == arm]
            group = f"solutions-{place}"
            mark: dict[str, Any] = {
                "s": 34,
                "color": sign.color,
                "marker": sign.marker,
                "edgecolor": SURFACE,
                "lw": 0.6,
            }
            axes.scatter(of_arm["x"], of_arm["y"], **mark, gid=group, zorder=3)
            seeds = zip(of_arm["seed"], of_arm["says"], strict=True)
            tips[group] = [Tip(says, f"{sign.label}, seed {seed}") for seed, says in seeds]
        axes.set_aspect("equal", adjustable="box")
        _set_even_ends(axes, points)
        drawing.set_size_inches(WIDE, _height(axes))
        axes.set_xlabel(title_with_unit(title, unit))
        return to_svg(drawing, name, f"map of all solutions by {title}", tips, named_arms(points[COLUMNS], signs))


def _height(axes: Axes) -> float:
    """Return the inches that a figure with equal scales needs, so that nothing of it is empty."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    return min(BESIDE + (WIDE - BESIDE) * (high - low) / (right - left), TALLEST)


def _set_even_ends(axes: Axes, points: DataFrame) -> None:
    """Give both axes the same scale, with room around the points, and round numbers."""
    span = max(float(points[side].max() - points[side].min()) for side in ("x", "y")) or 1.0
    for side, which in (("x", axes.set_xlim), ("y", axes.set_ylim)):
        middle = float(points[side].max() + points[side].min()) / 2
        half = max(float(points[side].max() - points[side].min()) / 2 + 0.08 * span, 0.25 * span)
        which(middle - half, middle + half)
    set_ticks(axes)
    set_ticks(axes, which="y")


def view(points: DataFrame, signs: Mapping[str, Sign], title: str, unit: str, views: Views) -> Markup:
    """Return the interactive map."""
    traces = []
    for arm, sign in signs.items():
        of_arm = points[points["arm"] == arm]
        if len(of_arm):
            hover = [Markup("<br>").join(text.split("; ")) for text in of_arm["says"]]
            marker = {"color": sign.color, "symbol": SYMBOLS[sign.marker], "size": 10, "opacity": 0.9}
            traces.append(
                {
                    "type": "scatter", "mode": "markers", "name": sign.label, "x": of_arm["x"], "y": of_arm["y"],
                    "ids": [f"{sign.label}, seed {seed}" for seed in of_arm["seed"]],
                    "hovertext": hover, "hoverinfo": "text", "marker": marker,
                }
            )  # fmt: skip
    x_axis = {"title": {"text": title_with_unit(title, unit)}}
    layout = {"xaxis": x_axis, "yaxis": {"scaleanchor": "x", "title": {"text": ""}}}
    return views.add("map of all solutions", traces, layout, NOTE, 520)
