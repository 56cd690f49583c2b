"""The time to a target: when half of the seeds reached it, and which seeds never did."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import numbers
from harness.results.tables.draws import draw_word
from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.axes import set_ticks
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.profiles import profile_facts, set_parts_axis
from harness_reports._draw.svg import house_style, new_panel, to_svg
from harness_reports._page._section import Page, Section
from harness_reports._words.times import time_sentence

if TYPE_CHECKING:
    from pandas import DataFrame

UNITS = ("epochs", "steps", "seconds")
DRAWN_UNITS = ("epochs", "seconds")
UNTUNED, WORST = "untuned sgd's mean", "worst arm's mean"  # rules that set a target
MOST_NAMED = 4  # arms in the line above the fold
MOST_BANDS = 2  # arms in a panel; the bands of more hide each other, and the table has the intervals
WHO_SET_IT = {
    UNTUNED: "what SGD with its defaults ends with, untuned, in the mean over its seeds",
    WORST: "the mean at the end of the arm that is worst there, so that every arm can reach it",
}


def targets(page: Page) -> dict[str, Any] | None:
    """Return the target in words, a row per arm and the figures; None where no run that has a target has begun."""
    table, steps = page.outcome.table("targets"), page.results.tables.get("reached")
    if table is None or steps is None:
        return None
    rows: list[dict[str, Any]] = []
    for arm, look in page.looks.items():
        of_arm = table[table["arm"] == arm].set_index("unit")
        if len(of_arm):
            first = of_arm.iloc[0]
            cells = [_median_cell(of_arm.loc[unit], unit) for unit in UNITS]
            rows.append({"look": look, "reached": f"{first['reached']} of {first['seeds']}", "cells": cells})
    figures = []
    for unit in DRAWN_UNITS:
        until = float(table.loc[table["unit"] == unit, "until"].max())
        figures.append(_reached_figure(steps[steps["unit"] == unit], page.looks, unit, until))
    target, profiles = _target_in_words(page, table), _profile_scores(page)
    reached = numbers.joined([f"{row['look'].label} {row['reached']}" for row in rows[:MOST_NAMED]])
    more = f" and {len(rows) - MOST_NAMED} more arms" if len(rows) > MOST_NAMED else ""
    summary = f"How many seeds reached it, and when: {reached}{more}"
    return {
        "summary": summary,
        "draws": f"{draw_word(page.records)}s",
        "target": target,
        "heads": UNITS,
        "rows": rows,
        "figures": figures,
        "profiles": profiles,
        "times": time_sentence(page.outcome),
    }


def _target_in_words(page: Page, table: DataFrame) -> str:
    """Return in words what is to be reached, and who set it."""
    first, metrics = table.iloc[0], page.records.meta.metrics
    metric = str(first["metric"]).removeprefix("tune_")
    unit, goal = metrics[metric]["unit"], metrics[metric]["goal"]
    limit = "at least" if goal == "max" else "at most"
    if first["rule"] == "given":
        return f"A tune {metric} of {limit} {numbers.measure(first['target'], unit)}, which the benchmark sets."
    by_network = dict(zip(table["network"], table["target"], strict=True))
    values = []
    for network, target in by_network.items():
        value = numbers.measure(target, unit)
        values.append(f"{value} ({network})" if len(by_network) > 1 else value)
    reasons = _who_set_it(dict(zip(table["rule"], table["network"], strict=True)))
    target = f"A tune {metric} of {limit} {numbers.joined(values)}"
    return f"{target}: {reasons}. The benchmark may set another: report.target."


def _who_set_it(rules: Mapping[str, str]) -> str:
    """Return who set the target, from the rules and a network for each."""
    reasons = []
    for rule, network in rules.items():
        missing = f" (there is no such run of {network})" if len(rules) > 1 and rule == WORST else ""
        reasons.append(f"{WHO_SET_IT[rule]}{missing}")
    return "; ".join(reasons)


def _median_cell(row: Any, unit: str) -> dict[str, str]:
    """Return the median with its interval; for a median that is not known, that it is more than was seen."""
    if math.isfinite(row["median"]):
        text = _time_text(row["median"], unit)
        end = f"to {_time_text(row['high'], unit)}" if math.isfinite(row["high"]) else "or later"
        more = f"{_time_text(row['low'], unit)} {end}"
    else:
        text = f"> {_time_text(row['seen'], unit)}"
        more = f"{row['reached']} of {numbers.counted(int(row['seeds']), 'seed')} reached it"
    tip = f"mean to the target or to {_time_text(row['until'], unit)}: {_time_text(row['mean'], unit)}"
    return {"text": text, "more": more, "tip": tip}


def _time_text(value: float, unit: str) -> str:
    """Return epochs, steps or seconds."""
    if unit == "seconds":
        return numbers.duration(float(value))
    return f"{value:,.0f}" if value == round(value) else numbers.number(float(value))


def _reached_figure(steps: DataFrame, looks: Mapping[str, ArmLook], unit: str, until: float) -> Markup:
    """Return the part of an arm's seeds that have reached the target by a time, as rising steps to the end."""
    with house_style():
        figure, axes = new_panel(2.5)
        drawn = [arm for arm in looks if (steps["arm"] == arm).any()]
        for arm in drawn:
            rows, look = steps[steps["arm"] == arm].sort_values("at"), looks[arm]
            times = [0.0, *rows["at"], max(until, float(rows["at"].max()))]
            low, part, high = ([0.0, *rows[column], rows[column].iloc[-1]] for column in ("low", "part", "high"))
            axes.plot(times, part, color=look.color, ls=look.dashes, lw=1.8, drawstyle="steps-post")
            if len(drawn) <= MOST_BANDS:
                axes.fill_between(times, low, high, step="post", color=look.color, alpha=0.09, lw=0)
        set_parts_axis(axes, "seeds that have reached it (%)")
        axes.set_xlim(left=0)
        set_ticks(axes)
        axes.set_xlabel(unit)
        bands = ", with 95 % bands" if len(drawn) <= MOST_BANDS else ""
        title = f"Part of the seeds that have reached the target against {unit}{bands}"
        return to_svg(figure, f"time-to-target-{unit}", title, {}, named_arms(steps, looks))


def _profile_scores(page: Page) -> dict[str, Any] | None:
    """Return the performance profiles in epochs; None where there are too few runs for them."""
    arms = dict(zip(page.records.arms["optimizer"], page.records.arms["arm"], strict=True))
    looks = {optimizer: replace(page.looks[arm], label=optimizer) for optimizer, arm in arms.items()}
    return profile_facts(page.outcome.table("profiles"), looks)


SECTION = Section(
    id="targets",
    title="Target",
    place=75,
    data=targets,
    template="targets.html.j2",
    tables=("times", "reached", "targets", "profiles"),
)
