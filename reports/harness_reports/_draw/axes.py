"""What the axes of all figures have in common: plain numbers, few of them, and the rule for a logarithmic scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness_reports._draw.svg import MUTED
from harness_reports._words.names import title_with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EQUAL = 1e-9  # two values that differ by less than this part of their size have one place on an axis
BORDER = 0.03  # part of an axis that half of a line or a dot at its end takes
MANY_POWERS = 20  # ratio of the largest to the smallest value beyond which an axis is logarithmic


def is_finite(values: Any) -> Any:
    """Return which values of a column are finite numbers, as an array of booleans."""
    import numpy as np

    return np.isfinite(values.to_numpy(dtype=float))


def needs_log_axis(values: Any) -> bool:
    """Return whether values span so many powers that only a logarithmic axis shows them."""
    return len(values) > 1 and float(values.min()) > 0 and float(values.max() / values.min()) > MANY_POWERS


def axis_length(low: float, high: float) -> float:
    """Return how much of an axis values from ``low`` to ``high`` take; it is above zero also where they are all but equal."""
    distance, size = high - low, max(abs(low), abs(high))
    return distance if distance > EQUAL * size else 0.1 * size or 1.0


def axis_ends(low: float, high: float, unit: str) -> tuple[float, float]:
    """Return the ends of an axis; one in "%" ends no further beyond 0 and 100 % than a line or a dot there is wide."""
    border = BORDER * (high - low)
    return (max(low, -border), min(high, 1 + border)) if unit == "%" else (low, high)


def label_decades(axes: Axes, ends: tuple[float, float], which: str = "x") -> None:
    """Put plain numbers, not powers, at a logarithmic axis; finer ones where it spans few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    decades = math.log10(ends[1] / ends[0])
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.2 else (1.0, 2.0, 5.0), numticks=7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())  # no minor ticks are drawn, and finding them takes half of the time


def tick_format(unit: str) -> Any:
    """Return what writes the numbers of an axis; fractions of 1 become percentages."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{100 * value:.4g}" if unit == "%" else f"{value:.4g}")


def name_y_axis(axes: Axes, title: str, unit: str) -> None:
    """Write the name of the y axis level above it, where it takes no width."""
    if axes.get_yscale() == "log":
        label_decades(axes, axes.get_ylim(), "y")
    else:
        axes.yaxis.set_major_formatter(tick_format(unit))
    write_title(axes, title_with_unit(title, unit))


def write_title(axes: Axes, title: str) -> None:
    """Write a small title above the left end of the axes."""
    axes.set_title(title, loc="left", fontsize=8.5, color=MUTED)
