"""The reliability diagram of one arm: how often it is right against how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness_reports._draw.figures import Look
from harness_reports._draw.svg import GRID, MUTED, NARROW, SURFACE, panel, style, svg

if TYPE_CHECKING:
    from pandas import DataFrame


FEW = 10  # examples in a bin: of fewer the interval is drawn paler


def reliability(table: DataFrame, look: Look, classes: int, floor: float, name: str) -> str:
    """Return a dot per bin of one arm's rows of "calibration", its area by the number of examples, with 95 % intervals.

    ``floor`` is the lowest accuracy of a bin in any of the diagrams, so that all have the same axes.
    """
    from matplotlib.ticker import PercentFormatter

    low = 1 / classes  # the most probable of K classes has no less than 1/K
    most = float(table["count"].max())
    tips = {f"bin-{row['bin']}": [_tip(row)] for row in table.to_dict("records")}
    with style():
        figure, axes = panel(2.55, NARROW)
        axes.plot([0, 1], [0, 1], color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        for row in table.to_dict("records"):
            ends = [row["accuracy_low"], row["accuracy_high"]]
            sure = 0.6 if row["count"] >= FEW else 0.25
            axes.plot([row["confidence"]] * 2, ends, color=look.color, lw=1.3, alpha=sure, zorder=2)
            size, group = 22 + 120 * row["count"] / most, f"bin-{row['bin']}"
            at = [row["confidence"]], [row["accuracy"]]
            axes.scatter(*at, s=size, color=look.color, ec=SURFACE, lw=0.8, zorder=3, gid=group, clip_on=False)
        axes.set_xlim(low - 0.02, 1.02)
        axes.set_ylim(min(low, floor) - 0.06, 1.06)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
        axes.grid(color=GRID)
        axes.set_xlabel("probability of the predicted class, %")
        axes.set_ylabel("right, %")
        return svg(figure, name, f"{look.label}: how often right against how sure, in bins", tips, table)


def _tip(row: dict[Any, Any]) -> str:
    sure, right = 100 * row["confidence"], 100 * row["accuracy"]
    return f"{row['count']:.4g} of {row['examples']} examples, {sure:.1f} % sure, {right:.1f} % right"
