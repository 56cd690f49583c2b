"""Whether the arms were tuned well enough to be judged: the alarms, and each arm beside its own optimizer untuned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import numbers
from harness.results.tables.draws import SEED, draw_word
from harness.verdict.alarm_words import ALARMS, GRAVE
from harness_reports._page._section import Page
from harness_reports._words import alarms, coverage

if TYPE_CHECKING:
    from harness_reports._words.outcome import Outcome

# --- the alarms ----------------------------------------------------------------------------------------------


def alarm_table(page: Page) -> dict[str, Any] | None:
    """Return a row per arm with a cell per alarm; None where the analysis is missing."""
    rows, outcome = page.outcome.rows("alarms"), page.outcome
    if not rows:
        return None
    by_arm: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_arm.setdefault(str(row["arm"]), {})[row["alarm"]] = row
    judged = {row["alarm"] for row in rows if row["state"] != "not judged"}
    kinds = [kind for kind in ALARMS if kind in judged]
    lines: list[dict[str, Any]] = []
    for arm, look in page.looks.items():
        if arm in by_arm:
            of_arm = by_arm[arm]
            noise = next(iter(of_arm.values()))["noise"]
            lines.append(
                {
                    "look": look,
                    "doubt": any(row["state"] == "alarm" for row in of_arm.values()),
                    "noise": numbers.difference(noise, outcome.searched.unit) if noise >= 0 else numbers.NOTHING,
                    "cells": [_alarm_cell(of_arm[kind], outcome) for kind in kinds if kind in of_arm],
                }
            )
    raised = sum(line["doubt"] for line in lines)
    return {
        "heads": [ALARMS[kind].head for kind in kinds],
        "label": alarms.LABEL,
        "rows": lines,
        "says": _alarms_in_words(outcome, raised),
    }


def _alarms_in_words(outcome: Outcome, raised: int) -> str:
    """Return how many arms have an alarm; of a run without a result, that nothing can be said yet, and why."""
    trials, runs = outcome.records.trials, outcome.records.compared()
    if not (trials["state"] == "done").any():
        return "Nothing was tuned yet"
    nothing = "" if (runs["state"] == "done").any() else "nothing was compared yet"
    if raised:
        return f"{numbers.counted(raised, 'arm')} with an alarm{f' so far; {nothing}' if nothing else ''}"
    return f"Not known: {nothing}" if nothing else "no alarm"


def _alarm_cell(row: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    """Return one alarm of an arm in words, and whether it is raised."""
    unit = (outcome.deciding if row["alarm"] in GRAVE else outcome.searched).unit
    text = numbers.NOTHING if row["state"] == "not judged" else _alarm_value(row["alarm"], row["value"], unit)
    return {"text": text, "alarm": row["state"] == "alarm"}


def _alarm_value(alarm: str, value: float, unit: str) -> str:
    """Return the value of an alarm in words."""
    if alarm == "diverged":
        return f"{100 * value:.0f} %"
    if alarm == "rising":
        return f"p {numbers.number(1 - value)}" if value else "no"
    if alarm == "special case":
        return f"t {numbers.number(value)}"
    if alarm == "chance" and value:
        return f"{numbers.difference(abs(value), unit)} {'better' if value < 0 else 'worse'}"
    if alarm == "chance":
        return "equal"
    if value == math.inf:
        return "nothing else ended well"
    return f"by {numbers.difference(value, unit)}" if value > 0 else "no"


# --- untuned beside tuned ------------------------------------------------------------------------------------


def untuned_rows(page: Page) -> list[dict[str, Any]]:
    """Return a row per arm: its score with its optimizer's defaults, its score after tuning, and the difference."""
    rows = []
    for row in page.outcome.rows("untuned"):
        if row["arm"] not in page.looks:
            continue
        unit, seeds = row["unit"], numbers.counted(int(row["seeds"]), "seed")
        equal = "the same in every seed" if row["draws"] == row["seeds"] > 1 and row["low"] != row["low"] else ""
        equal = "the same in every run" if row["low"] == row["high"] else equal
        points = "points" if unit == "%" else unit
        rows.append(
            {
                "look": page.looks[row["arm"]],
                "unit": f", {unit}" if unit else "",
                "of_gain": f", {points}" if points else "",
                "untuned": numbers.plain(row["untuned"], unit),
                "seeds": f"{seeds}, {row['failed']} failed" if row["failed"] else seeds,
                "tuned": numbers.plain(row["tuned"], unit),
                "gain": numbers.plain(row["gain"], unit) if math.isfinite(row["gain"]) else numbers.NOTHING,
                "interval": equal or coverage.ends(row["low"], row["high"], unit),
                "below": row["gain"] < 0,
                "paired": draw_word(page.records) == SEED,
            }
        )
    return rows
