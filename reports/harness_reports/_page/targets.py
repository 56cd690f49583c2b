"""What the page says of the time to a target: when half of the seeds got there, and who never did."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Results
from harness_reports._draw.axes import formatter
from harness_reports._draw.svg import MUTED, panel, style, svg
from harness_reports._words.numbers import count, duration, joined, measure, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from harness_reports._draw.figures import Look

UNITS = ("epochs", "steps", "seconds")
UNTUNED, WORST = "untuned sgd's mean", "worst arm's mean"  # rules of a target
MOST_BANDED = 2  # arms in a panel; of more the bands hide each other, and the table has the intervals


def targets(results: Results, looks: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return the target in words, a row per arm and the figures; None where no run has begun that has one."""
    table, steps = results.tables.get("targets"), results.tables.get("reached")
    if table is None or table.empty or steps is None:
        return None
    rows = []
    for arm, look in looks.items():
        mine = table[table["arm"] == arm].set_index("unit")
        if len(mine):
            first = mine.iloc[0]
            cells = [_cell(mine.loc[unit], unit) for unit in UNITS]
            rows.append({"look": look, "reached": f"{first['reached']} of {first['seeds']}", "cells": cells})
    figures = []
    for unit in ("epochs", "seconds"):
        until = float(table.loc[table["unit"] == unit, "until"].max())
        figures.append(Markup(_reached(steps[steps["unit"] == unit], looks, unit, until, f"reached-{unit}")))
    return {
        "target": _target(results, table),
        "heads": UNITS,
        "rows": rows,
        "figures": figures,
        "profiles": _profiles(results, looks),
    }


def _target(results: Results, table: DataFrame) -> str:
    """Return in words what is to be reached, and who set it."""
    first, meta = table.iloc[0], results.records.meta
    metric = str(first["metric"]).removeprefix("tune_")
    unit, goal = meta.metrics[metric]["unit"], meta.metrics[metric]["goal"]
    sides = "at least" if goal == "max" else "at most"
    each = dict(zip(table["network"], table["target"], strict=True))
    values = joined([measure(value, unit) + (f" ({name})" if len(each) > 1 else "") for name, value in each.items()])
    if first["rule"] == "given":
        return f"A tune {metric} of {sides} {measure(first['target'], unit)}, which the benchmark sets."
    why = {
        UNTUNED: "what SGD with its defaults ends with, untuned, in the mean over its seeds",
        WORST: "the mean at the end of the arm that is worst there, so that every arm can reach it",
    }
    rules = dict(zip(table["rule"], table["network"], strict=True))
    said = "; ".join(
        why[rule] + (f" (there is no such run of {network})" if len(rules) > 1 and rule == WORST else "")
        for rule, network in rules.items()
    )
    return f"A tune {metric} of {sides} {values}: {said}. The benchmark may set another: report.target."


def _cell(row: Any, unit: str) -> dict[str, str]:
    """Return the median with its interval; of one that is not known, more than what was seen."""
    if math.isfinite(row["median"]):
        text = _shown(row["median"], unit)
        end = f"to {_shown(row['high'], unit)}" if math.isfinite(row["high"]) else "or later"
        more = f"{_shown(row['low'], unit)} {end}"
    else:
        text = f"> {_shown(row['seen'], unit)}"
        more = f"{row['reached']} of {count(int(row['seeds']), 'seed')} reached it"
    tip = f"mean to the target or to {_shown(row['until'], unit)}: {_shown(row['mean'], unit)}"
    return {"text": text, "more": more, "tip": tip}


def _shown(value: float, unit: str) -> str:
    if unit == "seconds":
        return duration(float(value))
    return f"{value:,.0f}" if value == round(value) else number(float(value))


def _reached(steps: DataFrame, looks: Mapping[str, Look], unit: str, until: float, name: str) -> str:
    """Return the part of an arm's seeds that have reached the target by a time, a rising step each, to the end."""
    with style():
        figure, axes = panel(2.5)
        there = [arm for arm in looks if (steps["arm"] == arm).any()]
        for arm in there:
            mine, look = steps[steps["arm"] == arm].sort_values("at"), looks[arm]
            at = [0.0, *mine["at"], max(until, float(mine["at"].max()))]
            low, part, high = ([0.0, *mine[end], mine[end].iloc[-1]] for end in ("low", "part", "high"))
            axes.plot(at, part, color=look.color, ls=look.dashes, lw=1.8, drawstyle="steps-post")
            if len(there) <= MOST_BANDED:
                axes.fill_between(at, low, high, step="post", color=look.color, alpha=0.09, lw=0)
        _parts(axes)
        axes.set_xlim(left=0)
        axes.set_xlabel(unit)
        axes.set_title("seeds that have reached it (%)", loc="left", fontsize=8.5, color=MUTED)
        return svg(figure, name, f"Part of the seeds that have reached the target against {unit}", {}, steps)


def _parts(axes: Axes) -> None:
    axes.set_ylim(-0.03, 1.05)
    axes.yaxis.set_major_formatter(formatter("%"))


def _profiles(results: Results, looks: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return the performance profiles in epochs; None where there are too few cells."""
    found = results.tables.get("profiles")
    table = None if found is None else found[found["unit"] == "epochs"]
    if table is None or table.empty:
        return None
    optimizers = dict(zip(results.records.arms["optimizer"], results.records.arms["arm"], strict=True))
    with style():
        figure, axes = panel(2.5)
        for optimizer, mine in table.groupby("optimizer", sort=False):
            look = looks[optimizers[optimizer]]
            axes.plot(mine["tau"], mine["part"], color=look.color, ls=look.dashes, lw=1.8, drawstyle="steps-post")
        _parts(axes)
        axes.set_xlabel("times the fastest optimizer's epochs")
        axes.set_title("cells in which it was so fast (%)", loc="left", fontsize=8.5, color=MUTED)
        drawn = svg(figure, "profiles", "Performance profiles of the optimizers", {}, table)
    scores = table.drop_duplicates("optimizer").sort_values("score", ascending=False)
    return {
        "figure": Markup(drawn),
        "cells": int(table["cells"].iloc[0]),
        "scores": [
            {
                "look": replace(looks[optimizers[row["optimizer"]]], label=row["optimizer"]),
                "score": f"{row['score']:.2f}",
            }
            for row in scores.to_dict("records")
        ],
    }
