"""The critical-difference diagram: mean ranks over backbones, and which of them the run cannot tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Results
from harness_reports._draw.figures import Look
from harness_reports._draw.svg import GRID, INK, MUTED, SURFACE, panel, style, svg
from harness_reports._words.facts import shortened, title_of
from harness_reports._words.numbers import number

if TYPE_CHECKING:
    from pandas import DataFrame


def ranks(results: Results, looks: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return the diagram, its sentence and its pairs; None where there are fewer than six backbones."""
    table, pairs = results.tables.get("ranks"), results.tables.get("rank_pairs")
    if table is None or table.empty or pairs is None:
        return None
    named = _named(results, table, looks)
    first = table.iloc[0]
    lost = int(first["left_out"])
    return {
        "blocks": int(first["blocks"]),
        "left_out": f"; {lost} with an arm that has not been run {'is' if lost == 1 else 'are'} left out"
        if lost
        else "",
        "metric": title_of(results.records.deciding.column),
        "distance": number(float(first["critical_difference"])),
        "friedman": f"p {number(float(first['p']))}" if first["p"] >= 1e-4 else "p < 0.0001",
        "differs": bool(first["p"] < 0.05),
        "figure": Markup(_figure(table, named)),
        "pairs": [
            {
                "one": named[row["one"]],
                "other": named[row["other"]],
                "apart": number(float(row["apart"])),
                "beyond": "yes" if row["beyond"] else "no",
                "p": number(float(row["p_holm"])),
            }
            for row in pairs.to_dict("records")
        ],
    }


def cliques(mean_ranks: Sequence[float], distance: float) -> list[tuple[int, int]]:
    """Return the first and last place of every longest group, of ranks in order, that lies within the distance."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        last = max(i for i, other in enumerate(mean_ranks) if other - rank <= distance)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _named(results: Results, table: DataFrame, looks: Mapping[str, Look]) -> dict[str, Look]:
    """Return how each ranked is drawn: as its first arm is, under its own name."""
    arms = results.records.arms
    ends = {str(name).rpartition("/")[2] for name in table["ranked"]}
    same = f"/{ends.pop()}" if len(ends) == 1 else ""  # one schedule for all says nothing
    found = {}
    for name in table["ranked"]:
        mine = next(
            arm
            for arm, backbone in zip(arms["arm"], arms["backbone"], strict=True)
            if arm.removeprefix(backbone).strip("/+") == name
        )
        found[name] = replace(looks[mine], label=shortened(name.removesuffix(same)))
    return found


def _figure(table: DataFrame, named: Mapping[str, Look]) -> str:
    """Return a row per ranked with a dot at its mean rank; above them a bar over each group that cannot be told apart."""
    places, distance = [float(rank) for rank in table["mean_rank"]], float(table["critical_difference"].iloc[0])
    groups = cliques(places, distance)
    top = -0.9 - 0.4 * len(groups)
    with style():
        figure, axes = panel(0.7 + 0.3 * (len(places) - top))
        axes.plot([1, 1 + distance], [top, top], color=MUTED, lw=1.4, marker="|", ms=7)
        axes.text(1, top - 0.12, "critical difference", color=MUTED, va="bottom", fontsize=8)
        for i, (first, last) in enumerate(groups):
            ends = [places[first] - 0.04, places[last] + 0.04]
            axes.plot(ends, [-0.7 - 0.4 * i] * 2, color=INK, lw=4, solid_capstyle="round")
        for row, (name, rank) in enumerate(zip(table["ranked"], places, strict=True)):
            look = named[name]
            axes.axhline(row + 0.5, color=GRID, lw=0.6)
            axes.plot([rank, rank], [-0.5, row + 0.12], color=look.color, lw=0.9, alpha=0.6)
            axes.plot([rank], [row + 0.12], "o", ms=8, color=look.color, mec=SURFACE, mew=1)
            left = rank <= (1 + len(places)) / 2  # written where there is room
            axes.annotate(f"{look.label}  {rank:.2f}", (rank, row + 0.12), (9 if left else -9, 0), textcoords="offset points", color=INK, va="center", ha="left" if left else "right")  # fmt: skip
        axes.set(xlim=(0.8, len(places) + 0.2), ylim=(len(places) - 0.4, top - 0.9), xticks=range(1, len(places) + 1))
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("mean rank over backbones (1 is best)")
        return svg(figure, "ranks", "Mean ranks over backbones, with critical difference", {}, table)
