"""The critical-difference diagram: a dot at each mean rank, and a bar over each group that cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.svg import house_style, new_panel, to_svg
from harness_reports._draw.theme import GRID, INK, MUTED, SURFACE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


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


def cliques(mean_ranks: Sequence[float], distance: float) -> list[tuple[int, int]]:
    """Return the first and last place of every longest group of ranks, in order, that lies within the distance."""
    groups: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        last = max(i for i, other in enumerate(mean_ranks) if other - rank <= distance)
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return groups


def _draw_rank(axes: Axes, row: int, rank: float, look: ArmLook, left: bool) -> None:
    """Draw a dot at a mean rank, and write its name on the side where there is room."""
    axes.axhline(row + 0.5, color=GRID, lw=0.6)
    axes.plot([rank, rank], [-0.5, row + 0.12], color=look.color, lw=0.9, alpha=0.6)
    axes.plot([rank], [row + 0.12], "o", ms=8, color=look.color, mec=SURFACE, mew=1)
    axes.annotate(
        f"{look.label}  {rank:.2f}", (rank, row + 0.12), (9 if left else -9, 0), textcoords="offset points", color=INK,
        va="center", ha="left" if left else "right",
    )  # fmt: skip
