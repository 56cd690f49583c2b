"""Performance profiles: in how many cases an optimizer was at most so many times slower than the fastest one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.axes import set_ticks, write_title
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.svg import house_style, new_panel, to_svg
from harness_reports._words.outcome import table_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


def profile_facts(profiles: DataFrame | None, looks: Mapping[str, ArmLook]) -> dict[str, Any] | None:
    """Return the performance profiles in epochs: figure, number of problems, and scores with the best first; None without rows."""
    table = None if profiles is None else profiles[profiles["unit"] == "epochs"]
    if table is None or table.empty:
        return None
    best_first = table.drop_duplicates("optimizer").sort_values("score", ascending=False)
    scores = [{"look": looks[row["optimizer"]], "score": f"{row['score']:.2f}"} for row in table_rows(best_first)]
    return {"figure": profile_figure(table, looks), "problems": int(table["problems"].iloc[0]), "scores": scores}


def profile_figure(table: DataFrame, looks: Mapping[str, ArmLook]) -> Markup:
    """Return a rising line per optimizer."""
    with house_style():
        figure, axes = new_panel(2.5)
        for optimizer, rows in table.groupby("optimizer", sort=False):
            look = looks[str(optimizer)]
            axes.plot(rows["tau"], rows["part"], color=look.color, ls=look.dashes, lw=1.8, drawstyle="steps-post")
        set_parts_axis(axes, "problems on which it was so fast (%)")
        axes.set_xlabel("times the fastest optimizer's epochs")
        set_ticks(axes)
        return to_svg(figure, "profiles", "Performance profiles of the optimizers", {}, named_arms(table, looks))


def set_parts_axis(axes: Axes, title: str) -> None:
    """Make the y axis one of percentages from 0 to 100."""
    axes.set_ylim(-0.03, 1.05)
    set_ticks(axes, "%", "y")
    write_title(axes, title)
