"""The loss on the plane through three solutions: contours, and a surface that can be turned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.interactive import Views
from harness_reports._draw.svg import INK, MUTED, SURFACE, WIDE, panel, style, svg
from harness_reports._page.minima.chart import SYMBOLS
from harness_reports._page.minima.signs import Sign
from harness_reports._words.numbers import number

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from pandas import DataFrame

    Matrix = NDArray[np.float64]

LINES = 9  # contour lines, about
SYMBOLS_3D = {"circle", "square", "diamond", "cross", "x"}


def grid_of(table: DataFrame) -> tuple[Matrix, Matrix, Matrix]:
    """Return x [X], y [Y] and the loss [Y, X] of a network's table ``surfaces``."""
    grid = table[table["what"] == "grid"].pivot_table(index="y", columns="x", values="loss", dropna=False)
    return grid.columns.to_numpy(dtype=float), grid.index.to_numpy(dtype=float), grid.to_numpy(dtype=float)


def levels(loss: Matrix) -> list[float]:
    """Return the contours' losses: 1, 2, 5, 10 ... times a power of ten, or evenly spaced where that is too few."""
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    known = loss[np.isfinite(loss)]
    low, high = float(known.min()), float(known.max())
    if low > 0 and high / low > 8:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if high / low < 1e4 else (1,)
        found = [step * 10.0**power for power in powers for step in steps]
    else:
        found = [float(level) for level in MaxNLocator(nbins=LINES).tick_values(low, high)]
    return [level for level in found if low < level < high]


def contours(table: DataFrame, signs: Mapping[str, Sign], name: str) -> Markup:
    """Return the figure of a network's table ``surfaces``."""
    x, y, loss = grid_of(table)
    with style():
        figure, axes = panel(3.6, WIDE)
        axes.grid(visible=False)
        _shade(axes, x, y, loss)
        axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
        axes.spines[:].set_visible(True)
        axes.set_xlabel("distance in weight space")
        for row in table[table["what"] == "solution"].to_dict("records"):
            sign = signs[row["arm"]]
            axes.plot(
                row["x"], row["y"], sign.marker, ms=9, color=sign.color, mec=SURFACE, mew=1.2, zorder=6, clip_on=False
            )
            right = row["x"] > (x[0] + x[-1]) / 2
            axes.annotate(
                f"{sign.short}: {number(float(row['loss']))}", (row["x"], row["y"]), xytext=(7 if right else -7, 8),
                textcoords="offset points", ha="right" if right else "left", color=INK, zorder=7, fontsize=8.5,
                bbox={"boxstyle": "round,pad=0.15", "fc": SURFACE, "ec": "none", "alpha": 0.8},
            )  # fmt: skip
        data = table[["what", "arm", "seed", "x", "y", "loss", "error"]]
        return Markup(svg(figure, name, "train loss on the plane through three solutions", {}, data))


def _shade(axes: Axes, x: Matrix, y: Matrix, loss: Matrix) -> None:
    """Draw a line a level, and every region below one a shade darker than the one around it."""
    from matplotlib.colors import to_rgba

    found = levels(loss)
    below = float(loss.min()) - 1.0
    for level in found:
        region = axes.contourf(x, y, loss, levels=[below, level], colors=[to_rgba(INK, 0.06)], zorder=1)
        region.set(edgecolor="none")
    if found:
        lines = axes.contour(x, y, loss, levels=found, colors=[MUTED], linewidths=0.7, zorder=2)
        axes.clabel(lines, fmt=lambda level: f"{level:g}", fontsize=7.5, colors=[INK], inline_spacing=2)


def view(table: DataFrame, signs: Mapping[str, Sign], unit: str, views: Views) -> Markup:
    """Return the surface that can be turned."""
    import numpy as np

    x, y, loss = grid_of(table)
    text = f"train loss ({unit})" if unit else "train loss"
    log = float(loss.min()) > 0 and float(loss.max() / loss.min()) > 8
    ticks = levels(loss)[::2]
    texts = [f"{tick:g}" for tick in ticks]
    height: dict[str, Any] = {"title": {"text": text}}
    hover = Markup("x %{x:.3g}, y %{y:.3g}<br>loss %{z:.3g}<extra></extra>")
    surface: dict[str, Any] = {
        "type": "surface", "x": x, "y": y, "z": loss, "colorscale": "Viridis", "opacity": 0.92, "hovertemplate": hover,
        "showscale": False,
    }  # fmt: skip
    if log:  # colours by powers of ten, as the axis is; the numbers stay those of the loss
        surface |= {"surfacecolor": np.log10(loss)}
        height |= {"type": "log", "tickvals": ticks, "ticktext": texts}
    points = []
    for row in table[table["what"] == "solution"].to_dict("records"):
        sign = signs[row["arm"]]
        symbol = SYMBOLS[sign.marker]
        points.append(
            {
                "type": "scatter3d", "mode": "markers", "name": f"{sign.label}, seed {row['seed']}",
                "x": [row["x"]], "y": [row["y"]], "z": [row["loss"]], "hoverinfo": "name+z",
                "marker": {"color": sign.color, "size": 8, "symbol": symbol if symbol in SYMBOLS_3D else "circle"},
            }
        )  # fmt: skip
    scene = {
        "xaxis": {"title": {"text": "distance"}}, "yaxis": {"title": {"text": "distance"}},
        "zaxis": height, "camera": {"eye": _from_below(x, y, loss)},
        "aspectmode": "manual", "aspectratio": {"x": 1, "y": 1, "z": 0.7},
    }  # fmt: skip
    layout = {"scene": scene, "legend": {"orientation": "h", "y": 0}, "margin": {"l": 0, "r": 0, "t": 10, "b": 10}}
    return views.add("loss surface, to be turned", [surface, *points], layout, "Drag to turn it, scroll to zoom.", 560)


def _from_below(x: Matrix, y: Matrix, loss: Matrix) -> dict[str, float]:
    """Return where to look from: the corner at which the loss is lowest, so that no ridge hides what is behind it."""
    import numpy as np

    half = loss - loss.mean()
    across, up = float((half * (x - x.mean())).sum()), float((half * (y - y.mean())[:, None]).sum())
    return {"x": -1.6 * float(np.copysign(1, across)), "y": -1.6 * float(np.copysign(1, up)), "z": 1.1}
