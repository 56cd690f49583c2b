"""The critical-difference diagram: mean ranks over backbones, and which of them the run cannot tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import numbers
from harness_reports._draw.looks import ArmLook
from harness_reports._draw.svg import GRID, INK, MUTED, SURFACE, house_style, new_panel, to_svg
from harness_reports._page._section import Page, Section
from harness_reports._words.names import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

LEVEL = 0.05  # of the Friedman test
SMALLEST_P = 1e-4  # that is written as a number


def ranks(page: Page) -> dict[str, Any] | None:
    """Return the diagram, its sentence and its pairs; None where there are fewer than six backbones."""
    table, pairs = page.outcome.table("ranks"), page.results.tables.get("rank_pairs")
    if table is None or pairs is None:
        return None
    looks = _ranked_looks(page, table)
    lost = int(table["left_out"].iloc[0])
    left_out = f"; {lost} with an arm that has not been run {'is' if lost == 1 else 'are'} left out" if lost else ""
    return {**rank_facts(table, pairs, looks), "left_out": left_out, "figure": draw_diagram(table, looks)}


def rank_facts(table: DataFrame, pairs: DataFrame, looks: Mapping[str, ArmLook]) -> dict[str, Any]:
    """Return the test in words, and a row per pair."""
    first = table.iloc[0]
    rows = [
        {
            "one": looks[row["one"]],
            "other": looks[row["other"]],
            "apart": numbers.number(float(row["apart"])),
            "beyond": "yes" if row["beyond"] else "no",
            "p": numbers.number(float(row["p_holm"])),
        }
        for row in pairs.to_dict("records")
    ]
    return {
        "blocks": int(first["blocks"]),
        "distance": numbers.number(float(first["critical_difference"])),
        "friedman": f"p {numbers.number(float(first['p']))}" if first["p"] >= SMALLEST_P else "p < 0.0001",
        "differs": bool(first["p"] < LEVEL),
        "pairs": rows,
    }


def cliques(mean_ranks: Sequence[float], distance: float) -> list[tuple[int, int]]:
    """Return the first and last place of every longest group of ranks, in order, that lies within the distance."""
    groups: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        last = max(i for i, other in enumerate(mean_ranks) if other - rank <= distance)
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return groups


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


def draw_diagram(table: DataFrame, looks: Mapping[str, ArmLook], blocks: str = "backbones") -> Markup:
    """Return a row per name with a dot at its mean rank; above them a bar over each group that cannot be told apart."""
    mean_ranks, distance = [float(rank) for rank in table["mean_rank"]], float(table["critical_difference"].iloc[0])
    groups = cliques(mean_ranks, distance)
    top = -0.9 - 0.4 * len(groups)
    with house_style():
        figure, axes = new_panel(0.7 + 0.3 * (len(mean_ranks) - top))
        axes.plot([1, 1 + distance], [top, top], color=MUTED, lw=1.4, marker="|", ms=7)
        axes.text(1, top - 0.12, "critical difference", color=MUTED, va="bottom", fontsize=8)
        for i, (first, last) in enumerate(groups):
            ends = [mean_ranks[first] - 0.04, mean_ranks[last] + 0.04]
            axes.plot(ends, [-0.7 - 0.4 * i] * 2, color=INK, lw=4, solid_capstyle="round")
        for row, (name, rank) in enumerate(zip(table["ranked"], mean_ranks, strict=True)):
            _draw_rank(axes, row, rank, looks[name], left=rank <= (1 + len(mean_ranks)) / 2)
        last_row = len(mean_ranks)
        axes.set(xlim=(0.8, last_row + 0.2), ylim=(last_row - 0.4, top - 0.9), xticks=range(1, last_row + 1))
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", visible=False)
        axes.set_xlabel(f"mean rank over {blocks} (1 is best)")
        return to_svg(figure, "ranks", f"Mean ranks over {blocks}, with critical difference", {}, table)


def _draw_rank(axes: Axes, row: int, rank: float, look: ArmLook, left: bool) -> None:
    """Draw a dot at a mean rank, and write its name on the side where there is room."""
    axes.axhline(row + 0.5, color=GRID, lw=0.6)
    axes.plot([rank, rank], [-0.5, row + 0.12], color=look.color, lw=0.9, alpha=0.6)
    axes.plot([rank], [row + 0.12], "o", ms=8, color=look.color, mec=SURFACE, mew=1)
    axes.annotate(
        f"{look.label}  {rank:.2f}", (rank, row + 0.12), (9 if left else -9, 0), textcoords="offset points", color=INK,
        va="center", ha="left" if left else "right",
    )  # fmt: skip


SECTION = Section(
    id="ranks", title="Ranks", place=90, data=ranks, template="ranks.html.j2", tables=("ranks", "rank_pairs")
)
