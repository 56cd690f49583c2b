"""The figures of the comparison: every seed with the mean of its arm, and learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import numbers
from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.axes import (
    axis_ends,
    axis_length,
    differs,
    is_finite,
    name_y_axis,
    needs_log_axis,
    set_ticks,
    set_whole_ticks,
    widened,
    write_row_name,
)
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.lanes import Lane, separate
from harness_reports._draw.svg import Tip, house_style, new_panel, seed_tip, to_svg
from harness_reports._draw.theme import GRID, MUTED, SURFACE
from harness_reports._words.names import title_with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from pandas import DataFrame

MOST_BANDS = 6  # arms whose curves have bands; those of more hide each other
FEW_ROWS, ROOMY, TIGHT = 5, 0.42, 0.23  # inches of a row of few and of many arms
NAMES = 0.35  # part of the axis of tight rows that their names take
MEAN, ROOMY_LANES = -0.06, ((0.05, 0.27), (0.35, 0.45), (0.08, 0.4))  # tuned, untuned, one kind alone
TIGHT_MEAN, TIGHT_LANES = -0.24, ((-0.06, 0.12), (0.22, 0.36), (0.02, 0.34))


def seed_dots(
    runs: DataFrame,
    rows: Sequence[Mapping[str, Any]],
    looks: Mapping[str, ArmLook],
    title: str,
    name: str,
    untuned: Mapping[str, Sequence[float]] | None = None,
    chance: float | None = None,
) -> Markup:
    """Return the plot of one metric: every seed a mark, and above them the mean of the arm with its interval.

    ``runs`` are those that ended well; ``rows`` are the leaderboard's of the metric, in the order in which they are drawn. ``untuned`` are
    the values of an arm's seeds with the defaults of its optimizer, which are hollow marks in a lane of their own; a dashed line
    stands at ``chance``. No mark lies on the place of another.
    """
    metric, unit = str(rows[0]["metric"]), str(rows[0]["unit"])
    tips: dict[str, list[Tip]] = {}
    marks: list[tuple[PathCollection, Lane]] = []
    roomy = len(rows) <= FEW_ROWS
    full_lane, hollow_lane, alone = ROOMY_LANES if roomy else TIGHT_LANES
    with house_style():
        figure, axes = new_panel(0.6 + (ROOMY if roomy else TIGHT) * len(rows))
        for place, row in enumerate(rows):
            look = looks[row["arm"]]
            arm_runs = runs[(runs["arm"] == row["arm"]) & is_finite(runs[metric])]
            hollow = (untuned or {}).get(row["arm"], ())
            full = _draw_seeds(axes, arm_runs[metric], place, look, f"seeds-{place}")
            marks.append((full, full_lane if len(hollow) else alone))
            tips[f"seeds-{place}"] = _seed_tips(arm_runs, metric, unit, look)
            marks.append((_draw_untuned(axes, hollow, place, look), hollow_lane))
            _draw_mean(axes, row, place + (MEAN if roomy else TIGHT_MEAN), look)
            axes.axhline(place + 0.5, color=GRID, lw=0.6)
            write_row_name(axes, look.label if row["n"] else f"{look.label}: no result", place - 0.27)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        if chance is not None:
            axes.axvline(chance, color=MUTED, lw=0.9, ls=(0, (4, 2)), zorder=1)
        axes.set_xlim(*_row_ends(*axes.get_xlim(), unit, len(rows)))
        for collection, lane in marks:
            separate(axes, collection, lane)
        set_ticks(axes, unit)
        axes.set_xlabel(title_with_unit(title, unit))
        described = f"{title}: every seed, and mean with 95 % interval per arm"
        return to_svg(figure, name, described, tips, named_arms(runs[["arm", "seed", metric]], looks))


def _row_ends(low: float, high: float, unit: str, rows: int) -> tuple[float, float]:
    """Return the ends of the axis below rows; where the rows are tight, there is room for their names left of all marks."""
    low, high = axis_ends(*widened(low, high, unit), unit)
    return (low, high) if rows <= FEW_ROWS else (low - NAMES * (high - low), high)


def _draw_seeds(axes: Axes, values: Any, place: int, look: ArmLook, group: str) -> PathCollection:
    """Draw a mark for every seed of an arm."""
    heights = [float(place)] * len(values)
    return axes.scatter(values, heights, s=17, color=look.color, marker=look.marker, alpha=0.8, lw=0, gid=group)


def _draw_untuned(axes: Axes, values: Sequence[float], place: int, look: ArmLook) -> PathCollection:
    """Draw a hollow mark for every seed with the defaults of the optimizer."""
    heights = [float(place)] * len(values)
    return axes.scatter(values, heights, s=22, marker=look.marker, fc="none", ec=look.color, lw=1.1, zorder=2.5)


def _seed_tips(runs: DataFrame, metric: str, unit: str, look: ArmLook) -> list[Tip]:
    """Return what the dot of each seed says."""
    values = zip(runs["seed"], runs[metric], strict=True)
    return [seed_tip(look.label, seed, numbers.measure(float(value), unit)) for seed, value in values]


def says_nothing(runs: DataFrame, metric: str, unit: str) -> bool:
    """Return whether every seed of every arm has the same value of a metric, so that a figure of it would say nothing."""
    return not differs(runs[metric], unit)


def _draw_mean(axes: Axes, row: Mapping[str, Any], height: float, look: ArmLook) -> None:
    """Draw the mean of an arm, and its interval where there is one."""
    if not row["n"]:
        return
    if row["low"] == row["low"]:
        axes.plot([row["low"], row["high"]], [height, height], color=look.color, lw=2.2, solid_capstyle="round")
    axes.plot([row["mean"]], [height], marker="D", ms=6.5, color=look.color, mec=SURFACE, mew=1)


def learning_curves(table: DataFrame, looks: Mapping[str, ArmLook], title: str, unit: str, name: str) -> Markup:
    """Return one metric against the epoch, a line per arm, and its band over seeds where there are few arms.

    ``table`` is of that metric alone.
    """
    log = needs_log_axis(table["mean"])
    # On a logarithmic axis an interval around a mean may reach below zero, so the band there is the range of the seeds. Where the
    # lowest seed is at 0, the band ends at the axis.
    low, high = ("lowest", "highest") if log else ("low", "high")
    with house_style():
        figure, axes = new_panel(2.7)
        for arm, look in looks.items():
            rows = table[table["arm"] == arm].sort_values("epoch")
            marker = "o" if len(rows) == 1 else ""  # one point makes no line
            axes.plot(rows["epoch"], rows["mean"], color=look.color, ls=look.dashes, lw=1.6, marker=marker, ms=4)
            if len(looks) <= MOST_BANDS:
                axes.fill_between(rows["epoch"], *_band(rows, low, high), color=look.color, alpha=0.16, lw=0)
        if log:
            _set_log_axis(axes, table)
        else:
            _set_linear_axis(axes, table, unit)
        set_whole_ticks(axes)
        axes.set_xlabel("epoch")
        name_y_axis(axes, title, unit)
        kind = "range of the seeds" if log else "95 % band over seeds"
        band = f" and {kind}" if len(looks) <= MOST_BANDS else " over seeds"
        described = f"{title} against epoch, mean{band} per arm"
        return to_svg(figure, name, described, {}, named_arms(table, looks))


def _band(rows: DataFrame, low: str, high: str) -> tuple[Any, Any]:
    """Return the ends of the band of an arm, which has no width in the few epochs in which all of its seeds are equal.

    The interval of a proportion, which such epochs have, is of another kind, and the band would jump from one to the other.
    """
    alike = rows["lowest"] == rows["highest"]
    if alike.all():
        return rows[low], rows[high]
    return rows[low].where(~alike, rows["mean"]), rows[high].where(~alike, rows["mean"])


def _set_log_axis(axes: Axes, table: DataFrame) -> None:
    """Make the y axis logarithmic, with a place for every seed above zero."""
    import numpy as np

    axes.set_yscale("log")
    least = table.loc[table["lowest"] > 0, "lowest"].min()  # a seed at zero has no place on a logarithmic axis
    axes.set_ylim(0.85 * float(np.nanmin([least, table["mean"].min()])), 1.15 * float(table["highest"].max()))


def _set_linear_axis(axes: Axes, table: DataFrame, unit: str) -> None:
    """Choose the ends of the y axis from the means: the band of two seeds is so wide that it would hide all lines."""
    import numpy as np

    low, high = float(table["mean"].min()), float(table["mean"].max())
    length = axis_length(low, high)
    least = float(np.nanmin([table["low"].min(), low]))
    most = float(np.nanmax([table["high"].max(), high]))
    least, most = max(least, low - 0.3 * length), min(most, high + 0.3 * length)
    axes.set_ylim(*axis_ends(*widened(least - 0.04 * length, most + 0.04 * length, unit), unit))
