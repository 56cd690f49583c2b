"""The loss on the plane through three solutions: contours, and a surface that can be turned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import numbers
from harness_reports._draw.axes import set_ticks, tick_texts
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.interactive import Views
from harness_reports._draw.svg import WIDE, house_style, new_panel, to_svg
from harness_reports._draw.theme import INK, MUTED, SURFACE
from harness_reports._page.minima.chart import SYMBOLS
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation, Text
    from matplotlib.transforms import Bbox
    from numpy.typing import NDArray
    from pandas import DataFrame

    Matrix = NDArray[np.float64]

MARK = 9  # points across the mark of a solution
POINTS_AN_INCH = 72
LINES = 9  # contour lines, about
SEVERAL_POWERS = 8  # ratio of the highest to the lowest loss beyond which levels are powers of ten
SYMBOLS_3D = {"circle", "square", "diamond", "cross", "x"}


def grid_of(table: DataFrame) -> tuple[Matrix, Matrix, Matrix]:
    """Return x [X], y [Y] and the loss [Y, X] of the table ``surfaces`` of a network."""
    grid = table[table["what"] == "grid"].pivot_table(index="y", columns="x", values="loss", dropna=False)
    return grid.columns.to_numpy(dtype=float), grid.index.to_numpy(dtype=float), grid.to_numpy(dtype=float)


def levels(loss: Matrix) -> list[float]:
    """Return the losses of the contours: 1, 2, 5, 10 ... times a power of ten, or evenly spaced where that is too few."""
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    finite = loss[np.isfinite(loss)]
    low, high = float(finite.min()), float(finite.max())
    if _spans_powers(finite):
        steps = (1, 2, 5) if high / low < 1e4 else (1,)
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        candidates = [step * 10.0**power for power, step in product(powers, steps)]
    else:
        candidates = [float(level) for level in MaxNLocator(nbins=LINES).tick_values(low, high)]
    return [level for level in candidates if low < level < high]


def _spans_powers(loss: Matrix) -> bool:
    """Return whether losses span so much that powers of ten show them better than even steps."""
    low, high = float(loss.min()), float(loss.max())
    return low > 0 and high / low > SEVERAL_POWERS


def contours(table: DataFrame, signs: Mapping[str, Sign], name: str) -> Markup:
    """Return the figure of the table ``surfaces`` of a network."""
    x, y, loss = grid_of(table)
    with house_style():
        figure, axes = new_panel(3.6, WIDE)
        axes.grid(visible=False)
        texts = _draw_levels(axes, x, y, loss)
        axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
        set_ticks(axes)
        set_ticks(axes, which="y")
        axes.spines[:].set_visible(True)
        axes.set_xlabel("distance in weight space")
        solutions = table[table["what"] == "solution"].to_dict("records")
        names = [_draw_solution(axes, row, signs[row["arm"]]) for row in solutions]
        figure.draw_without_rendering()  # places the axes
        names = _place_names(axes, names)
        _remove_overlapping(axes, texts, names)
        data = named_arms(table[["what", "arm", "seed", "x", "y", "loss", "error"]], signs)
        return to_svg(figure, name, "train loss on the plane through three solutions", {}, data)


def _draw_solution(axes: Axes, row: Mapping[Any, Any], sign: Sign) -> Annotation:
    """Draw a solution and the name of its arm with its loss; return that text."""
    mark: dict[str, Any] = {"ms": MARK, "color": sign.color, "mec": SURFACE, "mew": 1.2}
    axes.plot(row["x"], row["y"], sign.marker, zorder=6, clip_on=False, **mark)
    return axes.annotate(
        f"{sign.short}: {numbers.number(float(row['loss']))}", (row["x"], row["y"]), xytext=(0, 0),
        textcoords="offset points", color=INK, zorder=7, fontsize=8.5,
        bbox={"boxstyle": "round,pad=0.15", "fc": SURFACE, "ec": "none", "alpha": 0.8},
    )  # fmt: skip


def _place_names(axes: Axes, names: Sequence[Annotation]) -> list[Annotation]:
    """Put each name beside its mark, where it covers no mark and no other name; return those that have such a place.

    A name without such a place is removed. The sign of its mark stands in the legend, and the loss in the data of the figure.
    """
    from matplotlib.transforms import Bbox

    inside = axes.get_window_extent()
    radius = 0.5 * MARK / POINTS_AN_INCH * axes.figure.dpi
    centres = axes.transData.transform([name.xy for name in names])
    marks = [Bbox.from_extents(x - radius, y - radius, x + radius, y + radius) for x, y in centres]
    placed: list[Annotation] = []
    taken: list[Bbox] = []
    for name, (x, _) in zip(names, centres, strict=True):
        towards_middle = ("right", "left") if x > (inside.x0 + inside.x1) / 2 else ("left", "right")
        for shift, side, above in product((MARK / 2, 0), (*towards_middle, "center"), (True, False)):
            _put(name, side, shift, above)
            extent = name.get_window_extent()
            box = extent.padded(2)
            if _is_within(extent.padded(-0.5), inside) and not any(box.overlaps(other) for other in (*marks, *taken)):
                placed.append(name)
                taken.append(box)
                break
        else:
            name.remove()
    return placed


def _put(name: Annotation, side: str, shift: float, above: bool) -> None:
    """Put a name above or below its mark; its ``side`` lies ``shift`` points beyond the middle of the mark."""
    name.set(ha=side, va="bottom" if above else "top")
    beyond = {"left": -shift, "right": shift, "center": 0}[side]
    name.set_position((beyond, MARK if above else -MARK))


def _is_within(box: Bbox, outer: Bbox) -> bool:
    """Return whether a box lies within another."""
    return bool(box.x0 >= outer.x0 and box.x1 <= outer.x1 and box.y0 >= outer.y0 and box.y1 <= outer.y1)


def _draw_levels(axes: Axes, x: Matrix, y: Matrix, loss: Matrix) -> list[Text]:
    """Draw a line a level; every region below a level is a shade darker than the one around it. Return the levels' texts."""
    from matplotlib.colors import to_rgba

    drawn = levels(loss)
    below = float(loss.min()) - 1.0
    for level in drawn:
        region = axes.contourf(x, y, loss, levels=[below, level], colors=[to_rgba(INK, 0.06)], zorder=1)
        region.set(edgecolor="none")
    if not drawn:
        return []
    lines = axes.contour(x, y, loss, levels=drawn, colors=[MUTED], linewidths=0.7, zorder=2)
    words = dict(zip(drawn, tick_texts(drawn), strict=True))
    texts = axes.clabel(lines, fmt=words, fontsize=7.5, colors=[INK], inline=False)
    for text in texts:
        text.set(bbox={"boxstyle": "square,pad=0.1", "fc": SURFACE, "ec": "none", "alpha": 0.8}, zorder=3)
    return list(texts)


def _remove_overlapping(axes: Axes, texts: Sequence[Text], names: Sequence[Text]) -> None:
    """Remove each text of a level that would lie over the name of a solution, over a text before it, or over the border."""
    inside = axes.get_window_extent()
    taken = [name.get_window_extent().padded(2) for name in names]
    for text in texts:
        box = text.get_window_extent().padded(1)
        if not _is_within(box, inside) or any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)


def view(table: DataFrame, signs: Mapping[str, Sign], unit: str, views: Views) -> Markup:
    """Return the surface that can be turned."""
    import numpy as np

    x, y, loss = grid_of(table)
    z_axis: dict[str, Any] = {"title": {"text": f"train loss ({unit})" if unit else "train loss"}}
    surface: dict[str, Any] = {
        "type": "surface", "x": x, "y": y, "z": loss, "colorscale": "Viridis", "opacity": 0.92, "showscale": False,
        "hovertemplate": Markup("x %{x:.3g}, y %{y:.3g}<br>loss %{z:.3g}<extra></extra>"),
    }  # fmt: skip
    if _spans_powers(loss):  # colours by powers of ten, as the axis is; the numbers stay those of the loss
        ticks = levels(loss)[::2]
        surface |= {"surfacecolor": np.log10(loss)}
        z_axis |= {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    solutions = table[table["what"] == "solution"].to_dict("records")
    points = [_solution_point(row, signs[row["arm"]]) for row in solutions]
    flat_axis = {"title": {"text": "distance"}}
    scene = {
        "xaxis": flat_axis, "yaxis": flat_axis, "zaxis": z_axis, "camera": {"eye": _camera_eye(x, y, loss)},
        "aspectmode": "manual", "aspectratio": {"x": 1, "y": 1, "z": 0.7},
    }  # fmt: skip
    layout = {"scene": scene, "legend": {"orientation": "h", "y": 0}, "margin": {"l": 0, "r": 0, "t": 10, "b": 10}}
    return views.add("loss surface, to be turned", [surface, *points], layout, "Drag to turn it, scroll to zoom.", 560)


def _solution_point(row: Mapping[Any, Any], sign: Sign) -> dict[str, Any]:
    """Return a solution on the surface."""
    symbol = SYMBOLS[sign.marker]
    return {
        "type": "scatter3d", "mode": "markers", "name": f"{sign.label}, seed {row['seed']}",
        "x": [row["x"]], "y": [row["y"]], "z": [row["loss"]], "hoverinfo": "name+z",
        "marker": {"color": sign.color, "size": 8, "symbol": symbol if symbol in SYMBOLS_3D else "circle"},
    }  # fmt: skip


def _camera_eye(x: Matrix, y: Matrix, loss: Matrix) -> dict[str, float]:
    """Return where to look from: above the corner where the loss is lowest, so that no ridge hides what is behind it."""
    import numpy as np

    centred = loss - loss.mean()
    along_x = float((centred * (x - x.mean())).sum())
    along_y = float((centred * (y - y.mean())[:, None]).sum())
    return {"x": -1.6 * float(np.copysign(1, along_x)), "y": -1.6 * float(np.copysign(1, along_y)), "z": 1.1}
