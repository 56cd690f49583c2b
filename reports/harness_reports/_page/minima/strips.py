"""What was measured of each solution alone: a strip a measure, a row an arm, a mark a seed; and the same as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import numbers
from harness_reports._draw.axes import differs, is_finite, needs_log_axis, set_ticks, widened, write_row_name
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.lanes import separate
from harness_reports._draw.svg import NARROW, Tip, house_style, new_panel, seed_tip, to_svg
from harness_reports._draw.theme import GRID, INK, MUTED, SURFACE
from harness_reports._page.minima.signs import Sign
from harness_reports._words.names import title_with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from pandas import DataFrame


LANE = (0.06, 0.34)  # of the marks of an arm, below its name


@dataclass(frozen=True)
class Strip:
    """A measure of one solution."""

    title: str
    in_loss_unit: bool = False  # else it has no unit


STRIPS = {
    "sharpness": Strip("Sharpness at rho .001", in_loss_unit=True),
    "sharpness_002": Strip("Sharpness at rho .002", in_loss_unit=True),
    "sharpness_005": Strip("Sharpness at rho .005", in_loss_unit=True),
    "lambda_max": Strip("Largest eigenvalue of the Hessian"),
    "stability": Strip("Stability of the optimizer"),
    "trace": Strip("Trace of the Hessian"),
    "weight_norm": Strip("Length of the weights"),
    "moved": Strip("Distance from the initial weights"),
    "gradient_norm": Strip("Length of the gradient"),
}


def measured_columns(solutions: DataFrame) -> list[str]:
    """Return the measures that any solution has."""
    return [column for column in STRIPS if is_finite(solutions[column]).any()]


def drawn_columns(solutions: DataFrame) -> list[str]:
    """Return the measures that are drawn: those in which the solutions differ."""
    return [column for column in measured_columns(solutions) if differs(solutions[column], "")]


def strip(
    solutions: DataFrame, column: str, signs: Mapping[str, Sign], unit: str, floor: float | None, name: str
) -> Markup:
    """Return the figure of a measure; a line is drawn at the ``floor``, a difference that counts as none."""
    title, tips = STRIPS[column].title, dict[str, list[Tip]]()
    measured = solutions[is_finite(solutions[column])]
    log = bool(measured[column].min() > 0) and (column.startswith("sharpness") or needs_log_axis(measured[column]))
    arms = [arm for arm in signs if (measured["arm"] == arm).any()]
    marks: list[PathCollection] = []
    with house_style():
        figure, axes = new_panel(0.62 + 0.36 * len(arms), NARROW)
        if log:
            axes.set_xscale("log")
        for place, arm in enumerate(arms):
            group = f"seeds-{place}"
            rows = measured[measured["arm"] == arm]
            marks.append(_draw_arm(axes, rows[column], place, signs[arm], group))
            seeds = zip(rows["seed"], rows[column], strict=True)
            tips[group] = [
                seed_tip(signs[arm].label, seed, numbers.measure(float(value), unit)) for seed, value in seeds
            ]
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        if floor is not None and floor > 0:
            axes.axvline(floor, color=MUTED, lw=1.1, ls=(0, (3, 2)), zorder=1)
        low, high = axes.get_xlim()
        axes.set_xlim(*((low / 1.15, high * 1.15) if log else widened(low, high, "")))
        for of_arm in marks:
            separate(axes, of_arm, LANE)
        set_ticks(axes, most=5)
        axes.set_xlabel(title_with_unit(title, unit))
        data = named_arms(measured[["arm", "seed", column]], signs)
        return to_svg(figure, name, f"{title}: every seed, and the median per arm", tips, data)


def _draw_arm(axes: Axes, values: Any, place: int, sign: Sign, group: str) -> PathCollection:
    """Draw the seeds of one arm, their median, and the arm's name; return the marks of the seeds."""
    mark: dict[str, Any] = {"s": 26, "color": sign.color, "marker": sign.marker, "lw": 0.3, "edgecolor": SURFACE}
    marks = axes.scatter(values, [float(place)] * len(values), **mark, gid=group, zorder=3)
    middle = float(values.median())
    axes.plot([middle, middle], [place + 0.04, place + 0.36], color=INK, lw=1.4, zorder=4)
    axes.axhline(place + 0.5, color=GRID, lw=0.6)
    write_row_name(axes, sign.label, place - 0.22)
    return marks


def means_table(solutions: DataFrame, signs: Mapping[str, Sign], unit: str) -> dict[str, Any] | None:
    """Return heads and rows of means over seeds; None where nothing was measured."""
    columns = measured_columns(solutions)
    if not columns:
        return None
    heads = [title_with_unit(STRIPS[name].title, unit if STRIPS[name].in_loss_unit else "") for name in columns]
    rows = []
    for arm, sign in signs.items():
        of_arm = solutions[solutions["arm"] == arm]
        rows.append({"sign": sign, "cells": [_mean_cell(of_arm, column) for column in columns]})
    return {"heads": heads, "rows": rows}


def _mean_cell(solutions: DataFrame, column: str) -> dict[str, str]:
    """Return the mean of a measure over seeds, its standard deviation, and the number of seeds."""
    measured = solutions[is_finite(solutions[column])]
    if measured.empty:
        return {"mean": numbers.NOTHING, "more": ""}
    values = measured[column]
    more = [f"SD {numbers.number(float(values.std()))}"] if len(values) > 1 else []
    if column == "trace" and is_finite(measured["trace_se"]).any():
        more.append(f"each ± {numbers.number(float(measured['trace_se'].mean()))}")
    more.append(numbers.counted(len(values), "seed"))
    return {"mean": numbers.number(float(values.mean())), "more": ", ".join(more)}
