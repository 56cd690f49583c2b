"""A map of all solutions, on which they lie as far apart as they are, as well as two dimensions can show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from harness_reports._draw.axes import with_unit
from harness_reports._draw.interactive import Views
from harness_reports._draw.svg import SURFACE, WIDE, panel, style, svg
from harness_reports._page.minima.matrices import Place
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    Matrix = NDArray[np.float64]

SYMBOLS = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "x",
    "<": "triangle-left", ">": "triangle-right", "p": "pentagon",
}  # fmt: skip


def scaled(distances: Matrix) -> tuple[Matrix, float]:
    """Return points [R, 2] by classical scaling of distances [R, R], and how much of the squared distances they show.

    The first two eigenvectors of -1/2 J D^2 J, J = I - 11'/R, times the roots of their eigenvalues (Torgerson 1952,
    doi:10.1007/BF02288916); the part is of the sum of the positive ones: 1 where the points lie in a plane.
    """
    import numpy as np

    count = len(distances)
    centre = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-centre @ np.square(distances) @ centre / 2)
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    points = np.zeros((count, 2))
    points[:, : min(2, count)] = (vectors * np.sqrt(values))[:, :2]
    largest = np.abs(points).argmax(axis=0)  # an eigenvector's sign is arbitrary, a page's must not be
    points *= np.where(points[largest, [0, 1]] < 0, -1.0, 1.0)
    return points, float(values[:2].sum() / values.sum()) if values.sum() > 0 else 1.0


def chart(points: DataFrame, signs: Mapping[str, Sign], title: str, unit: str, name: str) -> Markup:
    """Return the map; ``points`` has arm, seed, x, y and says."""
    tips: dict[str, Sequence[str]] = {}
    with style():
        figure, axes = panel(3.5, WIDE)
        for place, (arm, sign) in enumerate(signs.items()):
            mine = points[points["arm"] == arm]
            group = f"solutions-{place}"
            axes.scatter(
                mine["x"], mine["y"], s=34, color=sign.color, marker=sign.marker, edgecolor=SURFACE, lw=0.6, gid=group,
                zorder=3,
            )  # fmt: skip
            tips[group] = list(mine["says"])
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.08)
        axes.set_xlabel(with_unit(title, unit))
        return Markup(
            svg(figure, name, f"map of all solutions by {title}", tips, points[["arm", "seed", "x", "y", "says"]])
        )


def view(points: DataFrame, signs: Mapping[str, Sign], title: str, unit: str, views: Views) -> Markup:
    """Return the interactive map."""
    traces = []
    for arm, sign in signs.items():
        mine = points[points["arm"] == arm]
        if len(mine):
            traces.append(
                {
                    "type": "scatter", "mode": "markers", "name": sign.label, "x": mine["x"], "y": mine["y"],
                    "hovertext": [Markup("<br>").join(text.split("; ")) for text in mine["says"]], "hoverinfo": "text",
                    "marker": {"color": sign.color, "symbol": SYMBOLS[sign.marker], "size": 10, "opacity": 0.9},
                }
            )  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": with_unit(title, unit)}},
        "yaxis": {"scaleanchor": "x", "title": {"text": ""}},
    }
    note = "A mark a solution: point at it to read its scores. Click an arm in the legend to hide it; drag to zoom."
    return views.add("map of all solutions", traces, layout, note, 520)


def placed(matrix: Matrix, places: Sequence[Place], says: Mapping[Place, str]) -> tuple[DataFrame, float]:
    """Return the table of points of solutions whose distances to each other are all known, and the part shown."""
    import numpy as np
    import pandas as pd

    kept = [i for i in range(len(places)) if np.isfinite(matrix[i]).sum() > 1]
    inside = matrix[np.ix_(kept, kept)]
    if len(kept) < 3 or not np.isfinite(inside).all():
        return pd.DataFrame(columns=["arm", "seed", "x", "y", "says"]), 0.0
    points, part = scaled(inside)
    rows = [(*places[i], x, y, says.get(places[i], "")) for i, (x, y) in zip(kept, points, strict=True)]
    return pd.DataFrame(rows, columns=["arm", "seed", "x", "y", "says"]), part
