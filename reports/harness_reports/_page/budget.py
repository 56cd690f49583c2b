"""Whether each arm was tuned well enough to be judged: alarms, what a budget of trials buys, how hard each arm is to tune."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness import numbers
from harness_reports._draw.budgets import BEST_SO_FAR, budget_panel, duel_panel, spending_figure, thinned
from harness_reports._draw.explore import budget_curves
from harness_reports._page._section import Page, Section

if TYPE_CHECKING:
    from pandas import DataFrame


def budget_and_tuning(page: Page) -> dict[str, Any] | None:
    """Return what the section shows; None where there is nothing to show."""
    parts = {"budget": _budget_panels(page), "sensitivity": sensitivity(page)}
    return {**parts, "replicates": page.records.meta.planned_replicates} if any(parts.values()) else None


# --- the budget ----------------------------------------------------------------------------------------------


def _budget_panels(page: Page) -> dict[str, Any] | None:
    """Return a panel per arm of its budget curve and of its duels; None where there is nothing to draw."""
    table = page.outcome.table("budget")
    if table is None:
        return None
    drawn = thinned(table)
    by_arm = {str(arm): rows for arm, rows in drawn.groupby("arm", sort=False)}
    curves: list[dict[str, Any]] = []
    for arm, look in page.looks.items():
        rows = table[table["arm"] == arm]
        if len(rows):
            figure = budget_panel(page.outcome, drawn, by_arm, arm, page.looks, f"budget-{page.arm_names[arm]}")
            curves.append({"look": look, "says": _trials_in_words(rows), "figure": figure})
    return {
        "curves": curves,
        "exact": bool((table["estimate"] != BEST_SO_FAR).any()),
        "searches": int(table["searches"].max()),
        "sampler": page.records.meta.benchmark["search"]["sampler"],
        "work": _work_figures(page, drawn),
        "view": budget_curves(page.outcome, page.looks, page.views),
        "duels": _duel_panels(page),
    }


SPENDING = {"gradients": "gradient evaluations", "operations": "operations"}
UNEQUAL = 1.05  # times the least work of a step, beyond which arms are shown by work too


def _work_figures(page: Page, drawn: DataFrame) -> list[Any]:
    """Return the budget curves by work; none where a step is nearly the same work in all arms."""
    work = page.results.tables.get("work")
    figures = []
    for column, title in SPENDING.items():
        if work is None or column not in drawn or not drawn[column].notna().any():
            continue
        amounts = work["gradients"] if column == "gradients" else work["network"] + work["own"]
        if amounts.notna().any() and amounts.max() > UNEQUAL * amounts.min():
            figures.append(spending_figure(page.outcome, drawn, column, title, page.looks))
    return figures


def _trials_in_words(rows: DataFrame) -> str:
    """Return how many searches an arm had of how many trials, and how many trials have no score."""
    last = rows.iloc[-1]
    lost = f", {last['lost']} without a score" if last["lost"] else ""
    searches = f"{last['searches']} searches of " if last["searches"] > 1 else ""
    return f"{searches}{last['trials']} trials{lost}"


def _duel_panels(page: Page) -> list[dict[str, Any]]:
    """Return a panel per arm: the probability that its search beats each other arm's, against the budget."""
    import pandas as pd

    duels = page.outcome.table("duels")
    if duels is None:
        return []
    swapped = duels.rename(columns={"arm": "other", "other": "arm"}).assign(
        probability=1 - duels["probability"], low=1 - duels["high"], high=1 - duels["low"]
    )
    directed = pd.concat([duels, swapped], ignore_index=True)
    panels = []
    for arm, look in page.looks.items():
        rows = directed[directed["arm"] == arm]
        if len(rows):
            figure = duel_panel(rows, arm, page.looks, f"duels-{page.arm_names[arm]}")
            panels.append({"look": look, "figure": figure})
    return panels


# --- how hard an arm is to tune ------------------------------------------------------------------------------


def sensitivity(page: Page) -> list[dict[str, Any]]:
    """Return a row per arm: its good learning rates, how many decades wide they are, and what each parameter decides."""
    regions, importances = page.results.tables.get("regions"), page.results.tables.get("importances")
    rows = []
    for arm, look in page.looks.items():
        region = None if regions is None else regions[regions["arm"] == arm]
        parts = None if importances is None else importances[importances["arm"] == arm]
        row = dict.fromkeys(("range", "decades", "tolerance", "importances"), numbers.NOTHING)
        if region is not None and _has_rows(region):
            row |= _region_cells(region.iloc[0], page.outcome.searched.unit)
        if parts is not None and _has_rows(parts):
            row["importances"] = _importances_in_words(parts)
        if _has_rows(region) or _has_rows(parts):
            rows.append({"look": look, **row})
    return rows


def _has_rows(table: DataFrame | None) -> bool:
    return table is not None and len(table) > 0


def _region_cells(region: Any, unit: str) -> dict[str, str]:
    """Return the good learning rates of an arm."""
    low, high = numbers.setting(float(region["low"])), numbers.setting(float(region["high"]))
    return {
        "range": low if low == high else f"{low} to {high}",
        "decades": f"{region['least']:.1f} to {region['most']:.1f}",
        "tolerance": numbers.difference(float(region["tolerance"]), unit),
    }


def _importances_in_words(parts: DataFrame) -> str:
    """Return how much each parameter decides, and between which values that lies when one search is left out."""
    columns = (parts[name] for name in ("parameter", "importance", "low", "high"))
    texts = []
    for name, part, low, high in zip(*columns, strict=True):
        if math.isfinite(part):
            ends = f" ({100 * low:.0f} to {100 * high:.0f})" if math.isfinite(low) else ""
            texts.append(f"{name} {100 * part:.0f} %{ends}")
    return ", ".join(texts)


SECTION = Section(
    id="budget",
    title="Budget",
    place=65,
    data=budget_and_tuning,
    template="budget.html.j2",
    tables=("budget", "duels", "regions", "importances", "work"),
)
