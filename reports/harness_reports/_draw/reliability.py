"""The reliability diagram of one arm: how often it is right against how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.axes import set_ticks
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.svg import NARROW, house_style, new_panel, to_svg
from harness_reports._draw.theme import GRID, MUTED, SURFACE

if TYPE_CHECKING:
    from pandas import DataFrame


FEW = 10  # examples in a bin; the interval of a bin with fewer is drawn paler


def reliability_diagram(table: DataFrame, look: ArmLook, classes: int, floor: float, name: str) -> Markup:
    """Return a dot for every bin, its area by the number of examples, with 95 % intervals.

    ``table`` are the rows of one arm in "calibration". ``floor`` is the lowest accuracy of a bin in any of the diagrams, so that all
    have the same axes.
    """
    low = 1 / classes  # the most probable of K classes has a probability of at least 1/K
    most = float(table["count"].max())
    rows = table.to_dict("records")
    tips = {f"bin-{row['bin']}": [_bin_tip(row)] for row in rows}
    with house_style():
        figure, axes = new_panel(2.55, NARROW)
        axes.plot([0, 1], [0, 1], color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        for row in rows:
            confidence, accuracy = row["confidence"], row["accuracy"]
            ends, alpha = [row["accuracy_low"], row["accuracy_high"]], 0.6 if row["count"] >= FEW else 0.25
            axes.plot([confidence] * 2, ends, color=look.color, lw=1.3, alpha=alpha, zorder=2)
            size, group = 22 + 120 * row["count"] / most, f"bin-{row['bin']}"
            dot: dict[str, Any] = {"s": size, "color": look.color, "ec": SURFACE, "lw": 0.8, "gid": group}
            axes.scatter([confidence], [accuracy], zorder=3, clip_on=False, **dot)
        axes.set_xlim(low - 0.02, 1.02)
        axes.set_ylim(min(low, floor) - 0.06, 1.06)
        set_ticks(axes, "%")
        set_ticks(axes, "%", "y")
        axes.grid(color=GRID)
        axes.set_xlabel("probability of the predicted class, %")
        axes.set_ylabel("right, %")
        described = f"{look.label}: how often right against how sure, in bins"
        return to_svg(figure, name, described, tips, named_arms(table, {str(rows[0]["arm"]): look}))


def _bin_tip(row: dict[Any, Any]) -> str:
    """Return what the dot of a bin says."""
    sure, right = 100 * row["confidence"], 100 * row["accuracy"]
    return f"{row['count']:.4g} of {row['examples']} examples, {sure:.1f} % sure, {right:.1f} % right"
