"""The distances of all solutions as a picture: a row and a column a solution, in blocks of arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.axes import set_ticks
from harness_reports._draw.interactive import Views
from harness_reports._draw.svg import NARROW, house_style, to_svg
from harness_reports._draw.theme import GRID, INK, MUTED, SURFACE, paint
from harness_reports._page.minima.network import Solution
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from pandas import DataFrame

    Matrix = NDArray[np.float64]

MOST_SOLUTIONS = 120  # of a matrix; of more solutions the first seeds of every arm are drawn
COLORS = "viridis"


def drawn_solutions(solutions: DataFrame, signs: Mapping[str, Sign]) -> list[Solution]:
    """Return the solutions that are drawn: as many seeds of every arm, and at most ``MOST_SOLUTIONS`` in all."""
    seeds_per_arm = max(2, MOST_SOLUTIONS // max(1, len(signs)))
    drawn: list[Solution] = []
    for arm in signs:
        seeds = sorted(solutions.loc[solutions["arm"] == arm, "seed"])
        drawn += [(arm, int(seed)) for seed in seeds[:seeds_per_arm]]
    return drawn


def matrix_of(distances: DataFrame, measure: str, solutions: Sequence[Solution]) -> Matrix:
    """Return a measure's distances [R, R] between these solutions, 0 on the diagonal, NaN where there is none."""
    import numpy as np

    indices = {solution: i for i, solution in enumerate(solutions)}
    matrix = np.full((len(solutions), len(solutions)), np.nan)
    np.fill_diagonal(matrix, 0.0)
    rows = distances[distances["measure"] == measure]
    columns = (rows[column] for column in ("arm", "seed", "other", "other_seed", "distance"))
    for arm, seed, other, other_seed, distance in zip(*columns, strict=True):
        i, j = indices.get((arm, int(seed))), indices.get((other, int(other_seed)))
        if i is not None and j is not None:
            matrix[i, j] = matrix[j, i] = distance
    return matrix


def figure(
    matrix: Matrix, solutions: Sequence[Solution], signs: Mapping[str, Sign], title: str, unit: str, name: str
) -> Markup:
    """Return the picture; a distance that was not measured is hatched, and the diagonal is empty."""
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    many = len(solutions)
    shown = np.where(np.eye(many, dtype=bool), np.nan, matrix)
    low, high = _color_ends(shown)
    with house_style():
        drawing = Figure(figsize=(NARROW, NARROW - 0.05))
        axes = drawing.add_axes((0.33, 0.195, 0.645, 0.69))  # the same in every matrix, so that they line up
        axes.set(xlim=(0, many), ylim=(many, 0), aspect="equal", xticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        if np.isnan(matrix).any():
            _hatch_unmeasured(axes, many)
        axes.imshow(shown, cmap=COLORS, vmin=low, vmax=high, interpolation="none", extent=(0, many, many, 0), zorder=2)
        _draw_blocks(axes, solutions, signs)
        axes.set_title(title, loc="left", fontsize=8.5, color=INK, pad=9)
        _draw_colors(axes, low, high, unit)
        texts = _solution_texts(solutions, signs)
        data = pd.DataFrame(matrix, columns=texts)
        data.insert(0, "solution", texts)
        return to_svg(drawing, name, f"{title} of every two solutions", {}, data)


def _blocks(solutions: Sequence[Solution]) -> list[tuple[str, int, int]]:
    """Return every arm with the place of its first solution and the number of its solutions."""
    arms = [arm for arm, _ in solutions]
    return [(arm, arms.index(arm), arms.count(arm)) for arm in dict.fromkeys(arms)]


def _borders(blocks: Sequence[tuple[str, int, int]], many: int) -> list[dict[str, Any]]:
    """Return the lines between the arms' blocks as shapes of plotly's, whose categories are half a step wide to either side."""
    line, ends, lines = {"color": paint(SURFACE), "width": 3}, (-0.5, many - 0.5), list[dict[str, Any]]()
    for _, first, _ in blocks[1:]:
        border = first - 0.5
        lines.append({"type": "line", "x0": border, "x1": border, "y0": ends[0], "y1": ends[1], "line": line})
        lines.append({"type": "line", "x0": ends[0], "x1": ends[1], "y0": border, "y1": border, "line": line})
    return lines


def _solution_texts(solutions: Sequence[Solution], signs: Mapping[str, Sign]) -> list[str]:
    return [f"{signs[arm].label}, seed {seed}" for arm, seed in solutions]


def _hatch_unmeasured(axes: Axes, many: int) -> None:
    """Hatch the whole matrix but for its diagonal; what was measured is drawn above it."""
    import numpy as np
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path

    axes.add_patch(Rectangle((0, 0), many, many, fc="none", ec=GRID, hatch="/////", lw=0))
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
    diagonal = Path.make_compound_path(*(Path(square + i, closed=True) for i in range(many)))
    axes.add_patch(PathPatch(diagonal, fc=SURFACE, lw=0, zorder=1.5))


def _color_ends(shown: Matrix) -> tuple[float, float]:
    """Return the distances of the first and the last colour."""
    import numpy as np

    finite = shown[np.isfinite(shown)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def _draw_blocks(axes: Axes, solutions: Sequence[Solution], signs: Mapping[str, Sign]) -> None:
    """Draw the borders of the arms' blocks, and the colour of each arm beside its rows and above its columns."""
    from matplotlib.patches import Rectangle

    many, centres, blocks = len(solutions), list[tuple[float, Sign]](), _blocks(solutions)
    for place, (arm, first, size) in enumerate(blocks):
        centres.append((first + size / 2, signs[arm]))
        left_mark, top_mark = (-0.035 * many, first), (first, -0.035 * many)
        for corner, width, height in ((left_mark, 0.022 * many, size), (top_mark, size, 0.022 * many)):
            mark = Rectangle(corner, width, height, fc=signs[arm].color, ec=SURFACE, lw=0.8, clip_on=False)
            axes.add_patch(mark)
        if first:
            first_control = bool(signs[arm].control) and not signs[blocks[place - 1][0]].control
            for line in (axes.axhline, axes.axvline):
                line(first, color=SURFACE, lw=3.0 if first_control else 1.6, zorder=4)
    axes.set_yticks([place for place, _ in centres], [sign.short for _, sign in centres])
    axes.tick_params(left=False, pad=7, labelcolor=INK)


def _draw_colors(axes: Axes, low: float, high: float, unit: str) -> None:
    """Draw below the matrix what its colours mean."""
    import numpy as np

    bar = axes.inset_axes((0, -0.085, 1, 0.04))
    bar.imshow(np.linspace(0, 1, 64)[None], aspect="auto", cmap=COLORS, extent=(low, high, 0, 1), interpolation="none")
    bar.set(yticks=[], xlim=(low, high))
    bar.grid(visible=False)
    bar.spines[:].set_visible(False)
    set_ticks(bar, most=5)
    bar.set_xlabel(unit, color=MUTED)


def view(
    matrix: Matrix, solutions: Sequence[Solution], signs: Mapping[str, Sign], title: str, unit: str, views: Views
) -> Markup:
    """Return the interactive matrix, which names any two solutions that a reader points at."""
    import numpy as np

    texts = _solution_texts(solutions, signs)
    shown = np.where(np.eye(len(solutions), dtype=bool), np.nan, matrix)
    hover = Markup("%{y}<br>%{x}<br>%{z:.3g} ") + unit + Markup("<extra></extra>")
    trace = {
        "type": "heatmap", "x": texts, "y": texts, "z": shown, "colorscale": "Viridis", "hoverongaps": False,
        "hovertemplate": hover, "colorbar": {"title": {"text": unit}, "thickness": 12}, "xgap": 0.5, "ygap": 0.5,
    }  # fmt: skip
    blocks = _blocks(solutions)
    names = {
        "tickvals": [texts[first + size // 2] for _, first, size in blocks],
        "ticktext": [signs[arm].short for arm, _, _ in blocks],
    }
    axis = {"showgrid": False, "ticks": "", "type": "category", "constrain": "domain", **names}
    y_axis = {**axis, "autorange": "reversed", "scaleanchor": "x"}
    layout = {"xaxis": axis, "yaxis": y_axis, "shapes": _borders(blocks, len(solutions))}
    note = "Point at a field to read it; drag to zoom in."
    return views.add(f"{title} of every two solutions", [trace], layout, note, 520)
