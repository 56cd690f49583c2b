"""What the axes of all figures have in common: plain numbers, few of them, and when a scale is logarithmic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness_reports._draw.svg import MUTED

EQUAL = 1e-9  # of their size: values that lie nearer together are one place of an axis
ROOM = 0.03  # of an axis, for half of what is drawn at its end

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def finite(values: Any) -> Any:
    """Return which of a column's values are finite numbers."""
    import numpy as np

    return np.isfinite(values.to_numpy(dtype=float))


def wide(values: Any) -> bool:
    """Return whether values span so many powers that only a logarithmic axis shows them."""
    return len(values) > 1 and float(values.min()) > 0 and float(values.max() / values.min()) > 20


def length(low: float, high: float) -> float:
    """Return how much of an axis values from ``low`` to ``high`` take, above zero also where they are equal but for rounding."""
    apart, size = high - low, max(abs(low), abs(high))
    return apart if apart > EQUAL * size else 0.1 * size or 1.0


def within(low: float, high: float, unit: str) -> tuple[float, float]:
    """Return the ends of an axis, of a share no further beyond 0 and 100 % than a line or a dot there is wide."""
    room = ROOM * (high - low)
    return (max(low, -room), min(high, 1 + room)) if unit == "%" else (low, high)


def decades(axes: Axes, ends: tuple[float, float], which: str = "x") -> None:
    """Put plain numbers, not powers, at a logarithmic axis; finer ones where it spans few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    decades = math.log10(ends[1] / ends[0])
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.2 else (1.0, 2.0, 5.0), numticks=7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())  # the house style draws none, and looking for them takes half of the time


def formatter(unit: str) -> Any:
    """Return what writes an axis's numbers; fractions of 1 become percentages."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{100 * value:.4g}" if unit == "%" else f"{value:.4g}")


def with_unit(title: str, unit: str) -> str:
    """Return ``title (unit)``, or the title alone."""
    return f"{title} ({unit})" if unit else title


def name_y(axes: Axes, title: str, unit: str) -> None:
    """Write the y axis's name above it, level, where it takes no width."""
    if axes.get_yscale() != "log":
        axes.yaxis.set_major_formatter(formatter(unit))
    else:
        decades(axes, axes.get_ylim(), "y")
    axes.set_title(with_unit(title, unit), loc="left", fontsize=8.5, color=MUTED)
