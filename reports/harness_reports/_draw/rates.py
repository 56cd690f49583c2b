"""The panels of the learning rates: the tune score of every trial, one panel an arm, on shared axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import Deciding
from harness_reports._draw.axes import decades, finite, length, name_y, wide, within
from harness_reports._draw.figures import Look
from harness_reports._draw.svg import INK, MANY, NARROW, panel, style, svg
from harness_reports._words.numbers import measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


FAR = 10  # times the median distance from the best value
LOST = {"diverged": "x", "failed": "+", "stopped": "v"}  # markers of trials without a value


@dataclass(frozen=True)
class Scale:
    """The axes that the panels of the learning rates share."""

    x: tuple[float, float]
    y: tuple[float, float]
    log_y: bool
    worst: float  # the last value that has a place on the axis
    bad: float  # where trials beyond it or without a value are drawn, as a fraction of the height
    goal: str
    unit: str
    title: str


def scale(table: DataFrame, deciding: Deciding, title: str) -> Scale:
    """Return axes on which every trial of every arm has a place, one strip kept for those far off or without a value."""
    rates = table.loc[table["lr"] > 0, "lr"]
    goal, unit, worst = deciding.goal, deciding.unit, _worst_drawn(table, deciding)
    values = table.loc[finite(table["value"]), "value"]
    values = values[values >= worst] if goal == "max" else values[values <= worst]
    low, high = (float(rates.min()), float(rates.max())) if len(rates) else (1e-3, 1.0)
    room = max(10**0.15, (high / low) ** 0.07)
    log = wide(values)
    y = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    below, above = (0.2, 0.08) if goal == "max" else (0.08, 0.2)
    if log:
        span = math.log(y[1] / y[0])
        y = (y[0] * math.exp(-below * span), y[1] * math.exp(above * span))
    else:
        span = length(*y)
        y = within(y[0] - below * span, y[1] + above * span, unit)
    return Scale((low / room, high * room), y, log, worst, 0.06 if goal == "max" else 0.94, goal, unit, title)


def _worst_drawn(table: DataFrame, deciding: Deciding) -> float:
    """Return the last value that has a place on the axis, so that one blown-up trial squeezes no panel.

    It lies no more than ``FAR`` times as far from the best value as half of the trials do, or is a chosen trial's;
    where values span powers, the distance is that of their logarithms.
    """
    import numpy as np

    worse = float(-deciding.sign)
    known = table[finite(table["value"])]
    values = known["value"].to_numpy(dtype=float)
    if len(values) < 3:
        return worse * math.inf
    log = wide(known["value"])
    with np.errstate(over="ignore"):
        marks = worse * (np.log(values) if log else values)
        limit = marks.min() + FAR * np.median(marks - marks.min())
        if limit == marks.min():  # half of the trials are as good as the best: no measure of distance
            return worse * math.inf
        limit = max([limit, *marks[known["chosen"].to_numpy(dtype=bool)]])
    return float(worse * (worse * values[marks <= limit]).max())


def off_scale(trials: DataFrame, scale: Scale) -> DataFrame:
    """Return the trials whose value lies beyond the axis."""
    values = trials["value"].to_numpy(dtype=float)
    beyond = values < scale.worst if scale.goal == "max" else values > scale.worst
    found: DataFrame = trials.loc[beyond & finite(trials["value"])]
    return found


def rates(trials: DataFrame, look: Look, scale: Scale, name: str, region: DataFrame | None = None) -> str:
    """Return an arm's tune score against the learning rate: every trial a dot, the chosen one ringed.

    Trials off the scale or without a value stand at the bad border, one marker for each way to end. Of a ``region`` the
    envelope is drawn as a line, and the good rates are shaded.
    """
    with style():
        figure, axes = panel(2.4, NARROW)
        axes.set(xscale="log", xlim=scale.x, yscale="log" if scale.log_y else "linear", ylim=scale.y)
        if region is not None and len(region) > 1:
            axes.plot(region["lr"], region["envelope"], color=look.color, lw=1, alpha=0.6, zorder=2)
            axes.axvspan(region["low"].iloc[0], region["high"].iloc[0], color=look.color, alpha=0.12, lw=0, zorder=1)
        tips = _marks(axes, trials[trials["lr"] > 0], look, scale)
        decades(axes, scale.x)
        axes.set_xlabel("learning rate")
        name_y(axes, scale.title, scale.unit)
        data = trials.drop(columns="params")  # they are in the table of every trial
        return svg(figure, name, f"{look.label}: {scale.title} against learning rate", tips, data)


def _marks(axes: Axes, trials: DataFrame, look: Look, scale: Scale) -> dict[str, list[str]]:
    """Draw a mark per trial; return what each says when it is pointed at, by the id of its group."""
    far = off_scale(trials, scale)
    good = trials[finite(trials["value"]) & ~trials.index.isin(far.index)]
    dots: dict[str, Any] = {"s": 9, "alpha": 0.5} if len(good) > MANY else {"s": 22, "alpha": 0.8}
    axes.scatter(good["lr"], good["value"], color=look.color, lw=0, zorder=3, gid="trials", **dots)
    ring = good[good["chosen"]]
    axes.plot(ring["lr"], ring["value"], "o", ms=10.5, mfc="none", mec=INK, mew=1.1, zorder=4, gid="chosen")
    tips = {"trials": [_tip(row, scale.unit) for row in good.to_dict("records")]}
    at_border = {state: (marker, trials[trials["state"] == state]) for state, marker in LOST.items()}
    for state, (marker, lost) in {**at_border, "far": ("d", far)}.items():
        heights = [scale.bad] * len(lost)
        strip = axes.get_xaxis_transform()  # x in learning rates, y as a fraction of the height
        kind: dict[str, Any] = {"marker": marker, "s": 26, "color": look.color, "lw": 1.3, "zorder": 3, "gid": state}
        axes.scatter(lost["lr"], heights, transform=strip, **kind)
        tips[state] = [_tip(row, scale.unit) for row in lost.to_dict("records")]
    return tips


def _tip(row: Mapping[Any, Any], unit: str) -> str:
    value = measure(float(row["value"]), unit) if math.isfinite(row["value"]) else str(row["state"])
    return f"trial {row['number']}{' (chosen)' if row['chosen'] else ''}: {value}\n{row['params']}"
