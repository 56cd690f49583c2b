"""The common page of several workloads: the word of each facet over all of them, every workload, and what is behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Workloads
from harness.verdict.protocol import FACETS
from harness_reports._draw.arm_styles import ArmLook, arm_looks
from harness_reports._draw.forest import forest
from harness_reports._draw.interactive import digest
from harness_reports._draw.profiles import profile_facts
from harness_reports._draw.ranks import draw_diagram
from harness_reports._page._templates import environment, script
from harness_reports._words import workloads as words
from harness_reports._words.names import shortened
from harness_reports._words.outcome import table_rows
from harness_reports._words.ranks import rank_facts

if TYPE_CHECKING:
    from pandas import DataFrame


def render_workloads(workloads: Workloads) -> str:
    """Return the page."""
    text = script()
    shown = {**page_data(workloads), "script": Markup(text), "scripts": Markup(digest(text))}
    return environment().get_template("_workloads.html.j2").render(shown) + "\n"


def page_data(workloads: Workloads) -> dict[str, Any]:
    """Return everything that the page shows, as plain strings and finished figures."""
    return {
        "name": workloads.name,
        "question": words.question(workloads),
        "answer": words.answer(workloads),
        "meaning": words.MEANING,
        "statement": workloads.word("statement"),
        "words": words.facet_words(workloads),
        "members": words.members(workloads),
        "facets": FACETS,
        "problems": words.problems(workloads),
        "forests": _forests(workloads),
        "pooled": words.pooled_rows(workloads),
        "profiles": _profiles(workloads),
        "ranks": _ranks(workloads),
        "no_ranks": words.no_ranks(workloads),
    }


def _forests(workloads: Workloads) -> list[dict[str, Any]]:
    """Return a figure for each facet of which any effect is known."""
    figures = []
    for facet in FACETS:
        effects = _of_facet(workloads.tables["effects"], facet)
        effects = effects[effects["effect"].notna()]
        rows = [
            {**row, "label": f"{row['measure']}: {words.pair_name(row)}"}
            for row in table_rows(_of_facet(workloads.tables["pooled"], facet))
            if (effects["measure"] == row["measure"]).any()
        ]
        if rows:
            figures.append({"facet": facet, "figure": forest(rows, effects, facet)})
    return figures


def _of_facet(table: DataFrame, facet: str) -> DataFrame:
    return table[table["facet"] == facet]


def _looks(workloads: Workloads, column: str) -> dict[str, ArmLook]:
    """Return how each optimizer, or each optimizer with its schedule, is drawn."""
    names: dict[str, str] = {}
    for records in workloads.records.values():
        for row in table_rows(records.arms):
            name = row["optimizer"] if column == "optimizer" else f"{row['optimizer']}/{row['scheduler']}"
            names.setdefault(str(name), shortened(str(name)))
    return arm_looks(names)


def _profiles(workloads: Workloads) -> dict[str, Any] | None:
    """Return the performance profiles in epochs; None where there are too few problems."""
    return profile_facts(workloads.tables.get("profiles"), _looks(workloads, "optimizer"))


def _ranks(workloads: Workloads) -> dict[str, Any] | None:
    """Return the critical-difference diagram; None where there are fewer than six workloads."""
    table, pairs = workloads.tables.get("ranks"), workloads.tables.get("rank_pairs")
    if table is None or pairs is None or table.empty:
        return None
    looks = _without_common_schedule(_looks(workloads, "ranked"))
    return {**rank_facts(table, pairs, looks), "figure": draw_diagram(table, looks, "workloads")}


def _without_common_schedule(looks: Mapping[str, ArmLook]) -> dict[str, ArmLook]:
    """Return the looks with labels without the schedule, where all share one."""
    schedules = {name.rpartition("/")[2] for name in looks}
    ending = f"/{schedules.pop()}" if len(schedules) == 1 else ""
    return {name: replace(look, label=look.label.removesuffix(ending)) for name, look in looks.items()}
