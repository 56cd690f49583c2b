"""The tuned parameters of every arm, where they lie in the searched ranges, and views of each search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness import numbers
from harness_reports._draw.searches import search_views
from harness_reports._page._section import Page, Section
from harness_reports._words.benchmark import comparison_length, first_search
from harness_reports._words.ranges import Range, at_edge, read_range

ONE_ROW = 3  # cards beside each other on the page; more of them begin folded


def tuned(page: Page) -> dict[str, Any]:
    """Return a card per arm and the views of its search."""
    return {
        "arms": [_arm_card(page, arm) for arm in page.looks],
        "folded": len(page.looks) > ONE_ROW,
        "searches": search_views(page.outcome, page.looks, page.views),
        "search_words": first_search(page.records),
        "epochs": comparison_length(page.records.meta.benchmark),
    }


def _arm_card(page: Page, arm: str) -> dict[str, Any]:
    """Return the tuned parameters of an arm beside the ranges in which they were searched."""
    records = page.records
    row = records.arms[records.arms["arm"] == arm].iloc[0]
    params: Mapping[str, Any] = row["tuned_params"]
    spaces: Mapping[str, Mapping[str, Any]] = records.meta.spaces.get(arm, {})
    edge = at_edge(records, arm, params)
    rows = []
    for name in dict.fromkeys((*spaces, *params)):
        searched = read_range(spaces[name]) if name in spaces else Range("not searched")
        rows.append({**_parameter_row(name, searched, params), "edge": edge and name == "lr"})
    says = "nothing chosen"
    if params:
        score = page.outcome.searched.text(float(row["tuned_value"]))
        says = f"trial {int(row['tuned_trial']) + 1}, {page.outcome.trial_title} {score}{_confirmed(page, row)}"
    reference = records.meta.references.get(row["optimizer"], "")
    return {"arm": arm, "look": page.looks[arm], "rows": rows, "says": says, "reference": reference}


def _confirmed(page: Page, row: Any) -> str:
    """Return the score of the run that trained the chosen trial once more, as the end of a line; "" where there is none."""
    trials = page.records.trials
    chosen = trials[(trials["arm"] == row["arm"]) & (trials["number"] == row["tuned_trial"])]
    score = float(chosen["confirmed"].iloc[0]) if len(chosen) else math.nan
    return f", confirmed {page.outcome.searched.text(score)}" if math.isfinite(score) else ""


def _parameter_row(name: str, searched: Range, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return one parameter: its value, its range, and its place in the range in percent."""
    position = searched.position(params[name]) if name in params else None
    return {
        "name": name,
        "value": numbers.setting(params[name]) if name in params else numbers.NOTHING,
        "range": searched.text,
        "place": None if position is None else f"{100 * position:.1f}",
    }


SECTION = Section(id="tuned", title="Tuned", place=55, data=tuned, template="tuned.html.j2", tables=("importances",))
