"""The learning rates: every trial of every search, range tests, schedules, and the snapshots of cyclic schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import numbers
from harness_reports._draw.explore import learning_rates
from harness_reports._draw.rates import Scale, off_scale, rate_panel, shared_scale
from harness_reports._page._range_tests import range_tests
from harness_reports._page._schedules import schedules, snapshots
from harness_reports._page._section import Page, Section
from harness_reports._page.budget import sensitivity
from harness_reports._words.benchmark import first_search

if TYPE_CHECKING:
    from pandas import DataFrame

STATES = ("diverged", "failed", "stopped", "waiting")  # of trials without a score


def rates(page: Page) -> dict[str, Any]:
    """Return what the section shows."""
    return {
        "analysed": "sensitivity" in page.results.tables,
        "panels": (panels := rate_panels(page)),
        "without": _without_rate(page),
        "search_words": first_search(page.records),
        "with_regions": bool(sensitivity(page)),
        "view": learning_rates(page.outcome, page.looks, page.views) if panels else "",
        "range_tests": range_tests(page),
        "schedules": schedules(page),
        "snapshots": snapshots(page),
    }


def rate_panels(page: Page) -> list[dict[str, Any]]:
    """Return a panel per arm that has a trial with a learning rate."""
    outcome, table = page.outcome, page.results.tables.get("sensitivity")
    if table is None:
        return []
    scale = shared_scale(table, outcome.searched.goal, outcome.searched.unit, outcome.trial_title)
    regions = page.results.tables.get("regions")
    panels = []
    for arm, look in page.looks.items():
        trials = table[table["arm"] == arm]
        region = None if regions is None else regions[regions["arm"] == arm]
        if len(trials):
            figure = rate_panel(trials, look, scale, f"learning-rate-{page.arm_names[arm]}", region)
            panels.append({"look": look, "says": _panel_caption(trials, scale), "figure": figure})
    return panels


def _without_rate(page: Page) -> list[str]:
    """Return the labels of the arms that have no trial with a learning rate."""
    table = page.results.tables.get("sensitivity")
    if table is None:
        return []
    return [look.label for arm, look in page.looks.items() if not (table["arm"] == arm).any()]


def _panel_caption(trials: DataFrame, scale: Scale) -> str:
    """Return in words what a panel shows."""
    chosen = trials.loc[trials["chosen"], "lr"]
    words = [f"chosen {numbers.setting(float(chosen.iloc[0]))}" if len(chosen) else "none chosen"]
    by_state = trials["state"].value_counts()
    words += [f"{by_state[state]} {state}" for state in STATES if state in by_state]
    if beyond := len(off_scale(trials, scale)):
        words.append(f"{beyond} off the scale")
    if not_drawn := int((~(trials["lr"] > 0)).sum()):
        words.append(f"{not_drawn} at a rate that is not a number above 0, not drawn")
    return f"{numbers.counted(len(trials), 'trial')}: {', '.join(words)}"


SECTION = Section(
    id="rates",
    title="Rates",
    place=50,
    data=rates,
    template="rates.html.j2",
    tables=("sensitivity", "regions", "snapshots"),
)
