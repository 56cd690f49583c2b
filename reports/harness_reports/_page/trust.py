"""How far to trust the answer: the verdict in numbers, tuned beside untuned, the searches, and every further doubt."""

from __future__ import annotations

from typing import Any

from harness_reports._page._section import Page, Section
from harness_reports._page._tuning import alarm_table, untuned_rows
from harness_reports._page._verdict import verdict
from harness_reports._words.doubts import others

TITLES = {"bad": "What went wrong", "warn": "What may mislead", "note": "Good to know"}


def trust(page: Page) -> dict[str, Any] | None:
    """Return what the section shows; None where there is nothing to add to the first screen."""
    remarks = others(page.doubts)
    groups = []
    for level, title in TITLES.items():
        texts = [remark.text for remark in remarks if remark.level == level]
        if texts:
            groups.append({"level": level, "title": title, "texts": texts})
    parts = {
        "detail": page.headline.detail,
        "verdict": verdict(page.outcome),
        "untuned": untuned_rows(page),
        "alarms": alarm_table(page),
        "groups": groups,
        "remarks": len(remarks),
    }
    return parts if any(parts.values()) else None


SECTION = Section(
    id="trust",
    title="Trust",
    place=5,
    data=trust,
    template="trust.html.j2",
    tables=("verdict", "facets", "omnibus", "twins", "influence", "temperatures", "untuned", "alarms"),
)
