"""The distances of all solutions as a picture: a row and a column a solution, in blocks of arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from harness_reports._draw.interactive import Views
from harness_reports._draw.svg import GRID, INK, MUTED, NARROW, SURFACE, style, svg
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from pandas import DataFrame

    Matrix = NDArray[np.float64]

Place = tuple[str, int]  # arm, seed
MOST = 120  # solutions of a matrix: beyond, the first seeds of every arm
SCALE = "viridis"


def chosen(solutions: DataFrame, signs: Mapping[str, Sign]) -> list[Place]:
    """Return arm and seed of the solutions that are drawn: of equally many seeds of every arm, at most ``MOST`` in all."""
    each = max(2, MOST // max(1, len(signs)))
    found = []
    for arm in signs:
        mine = solutions[solutions["arm"] == arm]
        found += [(arm, int(seed)) for seed in sorted(mine["seed"])[:each]]
    return found


def matrix_of(distances: DataFrame, measure: str, places: Sequence[Place]) -> Matrix:
    """Return a measure's distances [R, R] between these solutions, 0 on the diagonal, NaN where there is none."""
    import numpy as np

    at = {place: i for i, place in enumerate(places)}
    found = np.full((len(places), len(places)), np.nan)
    np.fill_diagonal(found, 0.0)
    mine = distances[distances["measure"] == measure]
    columns = (mine[name] for name in ("arm", "seed", "other", "other_seed", "distance"))
    for arm, seed, other, other_seed, distance in zip(*columns, strict=True):
        i, j = at.get((arm, int(seed))), at.get((other, int(other_seed)))
        if i is not None and j is not None:
            found[i, j] = found[j, i] = distance
    return found


def matrix(
    matrix: Matrix, places: Sequence[Place], signs: Mapping[str, Sign], title: str, unit: str, name: str
) -> Markup:
    """Return the picture; what was not measured is hatched, and the diagonal left empty."""
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path

    count = len(places)
    shown = np.where(np.eye(count, dtype=bool), np.nan, matrix)
    low, high = _ends(shown)
    texts = [f"{signs[arm].label}, seed {seed}" for arm, seed in places]
    with style():
        figure = Figure(figsize=(NARROW, NARROW - 0.05))
        axes = figure.add_axes((0.295, 0.18, 0.68, 0.7))  # the same in every matrix, so that they line up
        axes.set(xlim=(0, count), ylim=(count, 0), aspect="equal", xticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        if np.isnan(matrix).any():
            axes.add_patch(Rectangle((0, 0), count, count, fc="none", ec=GRID, hatch="/////", lw=0))
            square = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
            diagonal = Path.make_compound_path(*(Path(square + i, closed=True) for i in range(count)))
            axes.add_patch(PathPatch(diagonal, fc=SURFACE, lw=0, zorder=1.5))
        axes.imshow(shown, cmap=SCALE, vmin=low, vmax=high, interpolation="none", extent=(0, count, count, 0), zorder=2)
        _blocks(axes, places, signs)
        axes.set_title(title, loc="left", fontsize=8.5, color=INK, pad=9)
        _scale(axes, low, high, unit)
        data = pd.DataFrame(matrix, columns=texts)
        data.insert(0, "solution", texts)
        return Markup(svg(figure, name, f"{title} of every two solutions", {}, data))


def view(
    matrix: Matrix, places: Sequence[Place], signs: Mapping[str, Sign], title: str, unit: str, views: Views
) -> Markup:
    """Return the interactive one, which names every two solutions that are pointed at."""
    import numpy as np

    texts = [f"{signs[arm].label}, seed {seed}" for arm, seed in places]
    shown = np.where(np.eye(len(places), dtype=bool), np.nan, matrix)
    hover = Markup("%{y}<br>%{x}<br>%{z:.3g} ") + unit + Markup("<extra></extra>")
    trace = {
        "type": "heatmap", "x": texts, "y": texts, "z": shown, "colorscale": "Viridis", "hoverongaps": False,
        "hovertemplate": hover, "colorbar": {"title": {"text": unit}, "thickness": 12}, "xgap": 0.5, "ygap": 0.5,
    }  # fmt: skip
    axis = {"showticklabels": False, "showgrid": False, "ticks": "", "type": "category", "constrain": "domain"}
    layout = {
        "xaxis": axis,
        "yaxis": {**axis, "autorange": "reversed", "scaleanchor": "x"},
        "margin": {"l": 20, "r": 20, "t": 20, "b": 20},
    }
    return views.add(
        f"{title} of every two solutions", [trace], layout, "Point at a field to read it; drag to zoom.", 520
    )


def _ends(shown: Matrix) -> tuple[float, float]:
    import numpy as np

    known = shown[np.isfinite(shown)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def _blocks(axes: Axes, places: Sequence[Place], signs: Mapping[str, Sign]) -> None:
    """Draw the borders of the arms' blocks, and beside each row and above each column of them the arm's colour."""
    from matplotlib.patches import Rectangle

    count, centres = len(places), []
    arms = [arm for arm, _ in places]
    for arm in dict.fromkeys(arms):
        first, many = arms.index(arm), arms.count(arm)
        centres.append((first + many / 2, signs[arm]))
        for corner, wide, high in (
            ((-0.035 * count, first), 0.022 * count, many),
            ((first, -0.035 * count), many, 0.022 * count),
        ):
            mark = Rectangle(corner, wide, high, fc=signs[arm].color, ec=SURFACE, lw=0.8, clip_on=False)
            axes.add_patch(mark)
        if first:
            control = bool(signs[arm].control) and not signs[arms[first - 1]].control
            for line in (axes.axhline, axes.axvline):
                line(first, color=SURFACE, lw=3.0 if control else 1.6, zorder=4)
    axes.set_yticks([at for at, _ in centres], [sign.short for _, sign in centres])
    axes.tick_params(left=False, pad=7, labelcolor=INK)


def _scale(axes: Axes, low: float, high: float, unit: str) -> None:
    """Draw below the matrix what its colours mean."""
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    bar = axes.inset_axes((0, -0.085, 1, 0.04))
    bar.imshow(np.linspace(0, 1, 64)[None], aspect="auto", cmap=SCALE, extent=(low, high, 0, 1), interpolation="none")
    bar.set(yticks=[], xlim=(low, high))
    bar.grid(visible=False)
    bar.spines[:].set_visible(False)
    bar.xaxis.set_major_locator(MaxNLocator(nbins=4))
    bar.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    bar.set_xlabel(unit, color=MUTED)
