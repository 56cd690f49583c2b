"""The figures of the comparison: every seed and mean per arm, learning curves, and how an arm is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness_reports._draw.axes import decades, finite, formatter, length, name_y, wide, with_unit, within
from harness_reports._draw.svg import GRID, INK, SURFACE, panel, style, svg
from harness_reports._words.numbers import measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
LEVELS = (0.0, 0.05, -0.05, 0.1, -0.1)  # of the dots of a row
PALETTE = (0, 1, 2, 3, 4, 5, 9, 7, 6, 8)  # seaborn's "colorblind", its palest colours last


@dataclass(frozen=True)
class Look:
    """How an arm is drawn, the same in every figure."""

    label: str
    color: str  # "#rrggbb"
    dashes: Any


def looks(labels: Mapping[str, str]) -> dict[str, Look]:
    """Return a look per arm; beyond ten arms, colours come again with other dashes."""
    import seaborn

    palette = seaborn.color_palette("colorblind").as_hex()
    colors = [palette[i] for i in PALETTE]
    return {
        arm: Look(label, colors[i % len(colors)], DASHES[(i // 4 + i // len(colors)) % len(DASHES)])
        for i, (arm, label) in enumerate(labels.items())
    }


def dots(runs: DataFrame, rows: Sequence[Mapping[str, Any]], looks: Mapping[str, Look], title: str, name: str) -> str:
    """Return a metric's plot: every seed a dot, above it the arm's mean with its interval.

    ``runs`` are those that ended well, ``rows`` the leaderboard's of one metric, in the order they are drawn.
    """
    from matplotlib.ticker import MaxNLocator

    metric, unit = str(rows[0]["metric"]), str(rows[0]["unit"])
    tips: dict[str, list[str]] = {}
    with style():
        figure, axes = panel(0.6 + 0.42 * len(rows))
        for place, row in enumerate(rows):
            look = looks[row["arm"]]
            mine = runs[(runs["arm"] == row["arm"]) & finite(runs[metric])]
            heights = [place + 0.26 + LEVELS[i % len(LEVELS)] for i in range(len(mine))]  # equal values stay apart
            group = f"seeds-{place}"
            axes.scatter(mine[metric], heights, s=15, color=look.color, alpha=0.75, lw=0, gid=group)
            pairs = zip(mine["seed"], mine[metric], strict=True)
            tips[group] = [f"{look.label}, seed {seed}: {measure(float(value), unit)}" for seed, value in pairs]
            _mean(axes, row, place + 0.02, look)
            _row_label(axes, look.label, place, "" if row["n"] else "no result")
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.xaxis.set_major_formatter(formatter(unit))
        axes.set_xlim(*within(*axes.get_xlim(), unit))
        axes.set_xlabel(with_unit(title, unit))
        return svg(
            figure,
            name,
            f"{title}: every seed, and mean with 95 % interval per arm",
            tips,
            runs[["arm", "seed", metric]],
        )


def curve(table: DataFrame, looks: Mapping[str, Look], title: str, unit: str, name: str) -> str:
    """Return one metric against the epoch, a line and a seed band per arm; ``table`` is of that metric alone."""
    from matplotlib.ticker import MaxNLocator

    log = wide(table["mean"])
    # Between powers of ten an interval around a mean reaches below zero; there the seeds' own range is the band.
    low, high = ("lowest", "highest") if log else ("low", "high")  # where the lowest is 0, the band ends at the axis
    with style():
        figure, axes = panel(2.7)
        for arm, look in looks.items():
            mine = table[table["arm"] == arm].sort_values("epoch")
            dot = "o" if len(mine) == 1 else ""  # one point makes no line
            axes.plot(mine["epoch"], mine["mean"], color=look.color, ls=look.dashes, lw=1.6, marker=dot, ms=4)
            axes.fill_between(mine["epoch"], mine[low], mine[high], color=look.color, alpha=0.16, lw=0)
        _limit(axes, table, log, unit)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        axes.set_xlabel("epoch")
        name_y(axes, title, unit)
        return svg(figure, name, f"{title} against epoch, mean and 95 % band over seeds per arm", {}, table)


def swatch(look: Look, name: str) -> str:
    """Return an arm's line and dot for the legend of the page."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(0.42, 0.18))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.plot([0.06, 0.94], [0, 0], color=look.color, ls=look.dashes, lw=2)
        axes.plot([0.5], [0], color=look.color, marker="o", ms=6, mec=SURFACE, mew=0.8)
        axes.set(xlim=(0, 1), ylim=(-1, 1))
        axes.axis("off")
        return svg(figure, name, "", {})


def _mean(axes: Axes, row: Mapping[str, Any], height: float, look: Look) -> None:
    """Draw an arm's mean and interval."""
    if not row["n"]:
        return
    if row["low"] == row["low"]:
        axes.plot([row["low"], row["high"]], [height, height], color=look.color, lw=2.2, solid_capstyle="round")
    axes.plot([row["mean"]], [height], marker="D", ms=6.5, color=look.color, mec=SURFACE, mew=1)


def _row_label(axes: Axes, label: str, place: int, more: str) -> None:
    """Write an arm's name above its row, from the left border: on a phone there is no room beside it."""
    axes.axhline(place + 0.5, color=GRID, lw=0.6)
    text = f"{label}: {more}" if more else label
    axes.text(0, place - 0.27, text, transform=axes.get_yaxis_transform(), color=INK, va="center")


def _limit(axes: Axes, table: DataFrame, log: bool, unit: str) -> None:
    """Choose the y axis from the means: the band of two seeds is so wide that it would hide all lines."""
    import numpy as np

    low, high = float(table["mean"].min()), float(table["mean"].max())
    if log:
        axes.set_yscale("log")
        least = table.loc[table["lowest"] > 0, "lowest"].min()  # a seed at zero has no place on a logarithmic axis
        axes.set_ylim(0.85 * float(np.nanmin([least, low])), 1.15 * float(table["highest"].max()))
        decades(axes, axes.get_ylim(), "y")
        return
    ends = [float(np.nanmin([table["low"].min(), low])), float(np.nanmax([table["high"].max(), high]))]
    span = length(low, high)
    ends = [max(ends[0], low - 0.3 * span), min(ends[1], high + 0.3 * span)]
    axes.set_ylim(*within(ends[0] - 0.04 * span, ends[1] + 0.04 * span, unit))
