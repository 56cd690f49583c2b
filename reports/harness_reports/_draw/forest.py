"""The effects of several workloads, with their mean and with what one more workload is predicted to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import numbers
from harness_reports._draw.axes import tick_texts, write_row_name
from harness_reports._draw.svg import house_style, new_panel, to_svg
from harness_reports._draw.theme import GRID, HUES, MUTED, SURFACE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

LINEAR = 2.0  # margins up to which the axis is linear; it is logarithmic beyond
TICKS = (-100, -10, -1, 0, 1, 10, 100)
DOT, MEAN = HUES[0], HUES[1]


def forest(rows: Sequence[Mapping[str, Any]], effects: DataFrame, facet: str) -> Markup:
    """Return a row for each of ``rows``, which have ``label``, ``measure``, ``arm``, ``other`` and the pooled numbers.

    A dot is a workload. Where the workloads are pooled, the diamond is their mean, the thick bar its interval, and the thin bar
    the prediction interval.
    """
    tips: dict[str, list[str]] = {}
    with house_style():
        figure, axes = new_panel(0.75 + 0.42 * len(rows))
        for end in (-1, 1):
            axes.axvline(end, color=MUTED, lw=0.9, ls=(0, (3, 2)))
        for place, row in enumerate(rows):
            _draw_row(axes, row, effects, place, f"{facet}-{place}", tips)
        axes.set_xscale("symlog", linthresh=LINEAR)
        _set_axis(axes, len(rows))
        title = f"{facet}: the effect of each workload in margins, their mean, and the prediction for one more"
        return to_svg(figure, f"effects-{facet}", title, tips, effects)


def _draw_row(
    axes: Axes, row: Mapping[str, Any], effects: DataFrame, place: int, group: str, tips: dict[str, list[str]]
) -> None:
    """Draw the workloads of one pair on one measure, and their mean where there is one."""
    of_row = effects
    for column in ("measure", "arm", "other"):
        of_row = of_row[of_row[column] == row[column]]
    axes.scatter(of_row["effect"], [place + 0.2] * len(of_row), s=16, color=DOT, alpha=0.75, lw=0, gid=group)
    names = zip(of_row["workload"], of_row["effect"], strict=True)
    tips[group] = [f"{workload}: {numbers.number(float(effect))} margins" for workload, effect in names]
    if row["mean"] == row["mean"]:
        height = place + 0.02
        axes.plot([row["predicted_low"], row["predicted_high"]], [height] * 2, color=MEAN, lw=1.1)
        axes.plot([row["low"], row["high"]], [height] * 2, color=MEAN, lw=3.2, solid_capstyle="round")
        axes.plot([row["mean"]], [height], marker="D", ms=6, color=MEAN, mec=SURFACE, mew=1)
    axes.axhline(place + 0.5, color=GRID, lw=0.6)
    write_row_name(axes, row["label"], place - 0.27)


def _set_axis(axes: Axes, rows: int) -> None:
    """Write plain numbers at the axis of margins."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_ylim(rows - 0.5, -0.5)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -1.3), max(high, 1.3))
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_texts([value])[0]))
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("margins (logarithmic beyond 2)")
