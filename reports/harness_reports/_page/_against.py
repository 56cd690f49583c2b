"""Every arm compared with one reference arm, which the reader chooses: what the leaderboard shows above its table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import numbers
from harness.results.tables.against import NOT_TESTED, reference_arms, remarks, rows_against, sentence
from harness_reports._page._section import Page
from harness_reports._words import alarms
from harness_reports._words.names import metric_title
from harness_reports._words.outcome import table_rows

if TYPE_CHECKING:
    from pandas import DataFrame

MOST = 8  # arms of which each can be the reference; with more it is the one that the file names, or the best one
TITLES = {
    "steps_to_target": "steps to the target",
    "seconds_to_target": "seconds to the target",
    "gradients_per_step": "gradients a step",
    "operations_per_step": "operations a step",
}


def against(page: Page) -> dict[str, Any] | None:
    """Return a panel for each arm that can be the reference, the first one shown; None where nothing can be compared."""
    table = page.outcome.table("differences")
    if table is None or not table["difference"].notna().any():
        return None
    first = reference_arms(page.records)
    choices = [first, *([arm] for arm in dict.fromkeys(table["reference"]) if [arm] != first)]
    named = bool(page.records.meta.benchmark.get("report", {}).get("against", ""))
    panels = [panel for choice in choices if choice and (panel := _panel(page, table, choice))]
    shown = panels if len(page.looks) <= MOST else panels[:1]
    if not shown:
        return None
    return {"panels": shown, "named": named, "all": len(shown) == len(panels)}


def _panel(page: Page, table: DataFrame, references: Sequence[str]) -> dict[str, Any] | None:
    """Return what is shown of one reference; None where no arm is compared with it."""
    labels = page.outcome.labels
    rows = table_rows(rows_against(table, references, alarms.arms_in_doubt(page.outcome)))
    of_metric = [row for row in rows if row["measure"] == page.outcome.deciding.column]
    if not of_metric:
        return None
    others = [row for row in rows if row["measure"] != page.outcome.deciding.column]
    return {
        "label": numbers.joined([labels[arm] for arm in references]),
        "sentences": [sentence(row, labels) for row in of_metric],
        "remarks": list(remarks(of_metric, page.records)),
        "rows": [_score_row(page, row) for row in of_metric],
        "others": [_other_row(page, row) for row in others if row["difference"] == row["difference"]],
        "unit": "points" if of_metric[0]["unit"] == "%" else of_metric[0]["unit"],
        "adjusted": of_metric[0]["arms"] > 1,
    }


def _score_row(page: Page, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of an arm in the deciding metric."""
    unit = row["unit"]
    parts = [(row["se_seeds"], f"more {row['draw']}s"), (row["se_examples"], "more test examples")]
    both = row["covers"].endswith(" and test examples")
    return {
        "look": page.looks[row["arm"]],
        "difference": _text(row["difference"], unit),
        "interval": numbers.span(row["low"], row["high"], unit) or numbers.NOTHING,
        "p": numbers.p_value(row["p_holm"]),
        "word": row["detail"] if row["word"] == NOT_TESTED else row["word"],
        "detectable": numbers.plain(row["detectable"], unit),
        "covers": row["covers"] or numbers.NOTHING,
        "mostly": max(parts)[1] if both else numbers.NOTHING,
    }


def _other_row(page: Page, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of an arm in another measure."""
    unit, measure = row["unit"], row["measure"]
    title = TITLES.get(measure) or metric_title(measure)
    return {
        "look": page.looks[row["arm"]],
        "measure": f"{title}, {unit}" if unit and measure not in TITLES else title,
        "means": [numbers.plain(row["mean"], unit), numbers.plain(row["mean_reference"], unit)],
        "difference": _text(row["difference"], unit) if row["goal"] else _times(row),
        "interval": numbers.span(row["low"], row["high"], unit) or numbers.NOTHING,
        "p": numbers.p_value(row["p_holm"]),
    }


def _times(row: Mapping[str, Any]) -> str:
    """Return the work of an arm as a multiple of that of the reference."""
    return f"{numbers.number(row['mean'] / row['mean_reference'])} times"


def _text(value: float, unit: str) -> str:
    """Return a difference with its sign, which says which of the two is higher."""
    text = numbers.plain(value, unit)
    return f"+{text}" if math.isfinite(value) and value > 0 else text
