"""The critical-difference diagram: mean ranks over backbones, and which of them the run cannot tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.ranks import draw_diagram
from harness_reports._page._section import Page, Section
from harness_reports._words.names import shortened
from harness_reports._words.ranks import rank_facts

if TYPE_CHECKING:
    from pandas import DataFrame


def ranks(page: Page) -> dict[str, Any] | None:
    """Return the diagram, its sentence and its pairs; None where there are fewer than six backbones."""
    table, pairs = page.outcome.table("ranks"), page.results.tables.get("rank_pairs")
    if table is None or pairs is None:
        return None
    looks = _ranked_looks(page, table)
    lost = int(table["left_out"].iloc[0])
    left_out = f"; {lost} with an arm that has not been run {'is' if lost == 1 else 'are'} left out" if lost else ""
    return {**rank_facts(table, pairs, looks), "left_out": left_out, "figure": draw_diagram(table, looks)}


def _ranked_looks(page: Page, table: DataFrame) -> dict[str, ArmLook]:
    """Return how each ranked name is drawn: as its first arm is, under its own name."""
    arms = page.records.arms
    schedules = {str(name).rpartition("/")[2] for name in table["ranked"]}
    ending = f"/{schedules.pop()}" if len(schedules) == 1 else ""  # one schedule for all says nothing
    first_arms: dict[str, str] = {}
    for arm, backbone in zip(arms["arm"], arms["backbone"], strict=True):
        first_arms.setdefault(arm.removeprefix(backbone).strip("/+"), arm)
    names = list(table["ranked"])
    return {name: replace(page.looks[first_arms[name]], label=shortened(name.removesuffix(ending))) for name in names}


SECTION = Section(
    id="ranks", title="Ranks", place=25, data=ranks, template="ranks.html.j2", tables=("ranks", "rank_pairs")
)
