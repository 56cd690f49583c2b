"""The panels of the learning rates: the tune score of every trial, one panel an arm, on shared axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import numbers, sign_of
from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.axes import (
    axis_ends,
    axis_length,
    is_finite,
    name_y_axis,
    needs_log_axis,
    set_ticks,
    widened,
)
from harness_reports._draw.svg import MANY, NARROW, house_style, new_panel, to_svg
from harness_reports._draw.theme import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


FAR = 10  # a value further from the best than so many times the median distance lies off the axis
MARKERS = {"diverged": "x", "failed": "+", "stopped": "v"}  # of trials without a value, by their state


@dataclass(frozen=True)
class Scale:
    """The axes that the panels of the learning rates share."""

    x: tuple[float, float]
    y: tuple[float, float]
    log_y: bool
    worst: float  # the worst value that has a place on the axis
    border: float  # the height, as a fraction, of trials beyond the axis or without a value
    goal: str
    unit: str
    title: str


def shared_scale(table: DataFrame, goal: str, unit: str, title: str) -> Scale:
    """Return axes with a place for every trial of every arm; those far off or without a value have a strip at the border."""
    rates = table.loc[table["lr"] > 0, "lr"]
    low, high = (float(rates.min()), float(rates.max())) if len(rates) else (1e-3, 1.0)
    margin = max(10**0.15, (high / low) ** 0.07)
    worst = _worst_on_axis(table, goal)
    values = table.loc[is_finite(table["value"]), "value"]
    values = values[values >= worst] if goal == "max" else values[values <= worst]
    log = needs_log_axis(values)
    y = _y_ends(values, log, goal, unit)
    return Scale((low / margin, high * margin), y, log, worst, 0.06 if goal == "max" else 0.94, goal, unit, title)


def _y_ends(values: Any, log: bool, goal: str, unit: str) -> tuple[float, float]:
    """Return the ends of the y axis, with more room on the side where bad trials stand."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    below, above = (0.2, 0.08) if goal == "max" else (0.08, 0.2)
    if log:
        powers = math.log(high / low)
        return low * math.exp(-below * powers), high * math.exp(above * powers)
    length = axis_length(low, high)
    return axis_ends(*widened(low - below * length, high + above * length, unit), unit)


def _worst_on_axis(table: DataFrame, goal: str) -> float:
    """Return the worst value that has a place on the axis, so that one blown-up trial squeezes no panel.

    It lies no more than ``FAR`` times as far from the best value as half of the trials do, or it is that of a chosen trial. Where
    the values span powers, the distance is that of their logarithms.
    """
    import numpy as np

    worse = float(-sign_of(goal))
    scored = table[is_finite(table["value"])]
    values = scored["value"].to_numpy(dtype=float)
    if len(values) < 3:
        return worse * math.inf
    log = needs_log_axis(scored["value"])
    with np.errstate(over="ignore"):
        costs = worse * (np.log(values) if log else values)
        limit = costs.min() + FAR * np.median(costs - costs.min())
        if limit == costs.min():  # half of the trials are as good as the best, so distances have no scale
            return worse * math.inf
        limit = max([limit, *costs[scored["chosen"].to_numpy(dtype=bool)]])
    return float(worse * (worse * values[costs <= limit]).max())


def off_scale(trials: DataFrame, scale: Scale) -> DataFrame:
    """Return the trials whose value lies beyond the axis."""
    values = trials["value"].to_numpy(dtype=float)
    beyond = values < scale.worst if scale.goal == "max" else values > scale.worst
    off_axis: DataFrame = trials.loc[beyond & is_finite(trials["value"])]
    return off_axis


def rate_panel(trials: DataFrame, look: ArmLook, scale: Scale, name: str, region: DataFrame | None = None) -> Markup:
    """Return the tune score of an arm against the learning rate: every trial a dot, the chosen one ringed.

    Trials off the scale or without a value stand at the border, with a marker for each way to end. Where there is a ``region``, its
    envelope is drawn as a line, and its good rates are shaded.
    """
    with house_style():
        figure, axes = new_panel(2.4, NARROW)
        axes.set(xscale="log", xlim=scale.x, yscale="log" if scale.log_y else "linear", ylim=scale.y)
        if region is not None and len(region) > 1:
            axes.plot(region["lr"], region["envelope"], color=look.color, lw=1, alpha=0.6, zorder=2)
            axes.axvspan(region["low"].iloc[0], region["high"].iloc[0], color=look.color, alpha=0.12, lw=0, zorder=1)
        tips = _draw_trials(axes, trials[trials["lr"] > 0], look, scale)
        set_ticks(axes)
        axes.set_xlabel("learning rate")
        name_y_axis(axes, scale.title, scale.unit)
        data = trials.drop(columns="params")  # the table of every trial has them
        return to_svg(figure, name, f"{look.label}: {scale.title} against learning rate", tips, data)


def _draw_trials(axes: Axes, trials: DataFrame, look: ArmLook, scale: Scale) -> dict[str, list[str]]:
    """Draw a mark for every trial; return the texts of the marks by the id of their group."""
    off_axis = off_scale(trials, scale)
    good = trials[is_finite(trials["value"]) & ~trials.index.isin(off_axis.index)]
    dots: dict[str, Any] = {"s": 9, "alpha": 0.5} if len(good) > MANY else {"s": 22, "alpha": 0.8}
    axes.scatter(good["lr"], good["value"], color=look.color, lw=0, zorder=3, gid="trials", **dots)
    ring = good[good["chosen"]]
    axes.plot(ring["lr"], ring["value"], "o", ms=10.5, mfc="none", mec=INK, mew=1.1, zorder=4, gid="chosen")
    tips = {"trials": [_trial_tip(row, scale.unit) for row in good.to_dict("records")]}
    groups = {state: (marker, trials[trials["state"] == state]) for state, marker in MARKERS.items()}
    groups["far"] = ("d", off_axis)
    for state, (marker, rows) in groups.items():
        heights = [scale.border] * len(rows)
        strip = axes.get_xaxis_transform()  # x in learning rates, y as a fraction of the height
        kind: dict[str, Any] = {"marker": marker, "s": 26, "color": look.color, "lw": 1.3, "zorder": 3, "gid": state}
        axes.scatter(rows["lr"], heights, transform=strip, **kind)
        tips[state] = [_trial_tip(row, scale.unit) for row in rows.to_dict("records")]
    return tips


def _trial_tip(row: Mapping[Any, Any], unit: str) -> str:
    """Return what the mark of a trial says."""
    value = numbers.measure(float(row["value"]), unit) if math.isfinite(row["value"]) else str(row["state"])
    return f"trial {row['number'] + 1}{' (chosen)' if row['chosen'] else ''}: {value}\n{row['params']}"
