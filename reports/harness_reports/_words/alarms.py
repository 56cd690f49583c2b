"""What the page says of the tuning alarms: an alarmed arm is never called worse, its label says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Results
from harness_reports._words.constant import answer
from harness_reports._words.numbers import NOTHING, gap, joined, number

if TYPE_CHECKING:
    from harness_reports._draw.figures import Look

LABEL = "inconclusive (tuning)"
HEADS = {
    "edge": "learning rate at the edge",
    "rising": "scores rise to that edge",
    "improving": "still improving at the end",
    "diverged": "diverged trials",
    "budget": "fewer trials that ended well",
    "special case": "lost to its special case",
    "defaults": "below its own defaults",
    "chance": "no better than a constant answer",
}
GRAVE = ("defaults", "chance")  # they come first among the doubts


def alarmed(results: Results, names: Mapping[str, str]) -> dict[str, list[str]]:
    """Return why each alarmed arm's tuning is in doubt, in words that go on from its name; others are not in it."""
    found: dict[str, list[str]] = {}
    by_edge = edges(results, "edge")  # that says it all
    for row in _rows(results):
        if row["state"] == "alarm" and not (row["alarm"] == "rising" and row["arm"] in by_edge):
            found.setdefault(str(row["arm"]), []).append(_why(results, row, names))
    return found


def grave(results: Results, names: Mapping[str, str]) -> dict[str, str]:
    """Return a sentence for each arm that lies below its own defaults or is no better than a constant answer."""
    arms = {str(row["arm"]) for row in _rows(results) if row["alarm"] in GRAVE and row["state"] == "alarm"}
    every = {arm: why for arm, why in alarmed(results, names).items() if arm in arms}
    return {arm: f"{names.get(arm, arm)} is {LABEL}, not worse: {joined(why)}." for arm, why in every.items()}


def edges(results: Results, *kinds: str) -> set[str]:
    """Return the arms with an alarm of these kinds, by default those for the learning rate."""
    kinds = kinds or ("edge", "rising")
    return {str(row["arm"]) for row in _rows(results) if row["alarm"] in kinds and row["state"] == "alarm"}


def table(results: Results, looks: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return a row per arm with a cell per alarm; None where the analysis is missing."""
    rows = _rows(results)
    if not rows:
        return None
    unit = _unit(results)
    by_arm: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_arm.setdefault(str(row["arm"]), []).append(row)
    kinds = [kind for kind in HEADS if any(row["alarm"] == kind and row["state"] != "not judged" for row in rows)]
    return {
        "heads": [HEADS[kind] for kind in kinds],
        "label": LABEL,
        "rows": [
            {
                "look": look,
                "doubt": any(row["state"] == "alarm" for row in by_arm[arm]),
                "noise": gap(by_arm[arm][0]["noise"], unit) if by_arm[arm][0]["noise"] >= 0 else NOTHING,
                "cells": [_cell(row, unit) for kind in kinds for row in by_arm[arm] if row["alarm"] == kind],
            }
            for arm, look in looks.items()
            if arm in by_arm
        ],
    }


def _rows(results: Results) -> list[dict[str, Any]]:
    table = results.tables.get("alarms")
    found = [] if table is None else table.to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in found]


def _unit(results: Results) -> str:
    meta = results.records.meta
    return str(meta.deciding.unit)


def _cell(row: Mapping[str, Any], unit: str) -> dict[str, Any]:
    value = row["value"]
    if row["state"] == "not judged":
        text = NOTHING
    elif row["alarm"] == "diverged":
        text = f"{100 * value:.0f} %"
    elif row["alarm"] == "rising":
        text = f"p {number(1 - value)}" if value else "no"
    elif row["alarm"] == "special case":
        text = f"t {number(value)}"
    elif row["alarm"] == "chance":
        text = f"{gap(-value, unit)} better" if value < 0 else f"{gap(value, unit)} worse" if value else "equal"
    elif value == math.inf:
        text = "nothing else ended well"
    elif value <= 0:
        text = "no"
    else:
        text = f"by {gap(value, unit)}"
    return {"text": text, "alarm": row["state"] == "alarm"}


def _why(results: Results, row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    other, unit = names.get(row["against"], row["against"]), _unit(results)
    metric = f"tune {str(results.records.meta.metric).replace('_', ' ')}"
    if row["alarm"] == "chance":
        ahead = f"it leads by {gap(-row['value'], unit)}; another draw of examples may make {gap(-row['limit'], unit)}"
        shown, how = ("shown to be ", f" ({ahead})") if row["value"] < 0 else ("", "")
        return f"its {metric} is not {shown}better than {answer(results.records)}{how}"
    return {
        "edge": "its learning rate is at the edge of the searched range",
        "rising": "its scores rise towards the edge of the searched learning rates",
        "improving": "its search still improved at the end",
        "diverged": f"{100 * row['value']:.0f} % of its trials diverged",
        "budget": f"fewer of its trials ended well than of {other}",
        "special case": f"it lost to its special case {other}",
        "defaults": f"its {metric} is {gap(row['value'], unit)} worse than with its optimizer's defaults, untuned "
        f"(half the margin is {gap(row['limit'], unit)})",
    }[str(row["alarm"])]
