"""The figures of the tuning budget: the best score to be expected of so many trials, and which arm's search wins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.axes import axis_ends, axis_length, name_y_axis, set_whole_ticks, widened
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.svg import NARROW, house_style, new_panel, to_svg
from harness_reports._draw.theme import MUTED
from harness_reports._words.outcome import Outcome
from harness_reports._words.work import in_powers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

MOST_BANDS = 3  # lines with bands in one panel; more of them hide each other
MOST_BUDGETS = 60  # drawn of a curve
FAR = 10  # a curve leaves the panel beyond so many times the distance of the median from the best score
BEST_SO_FAR = "best so far"  # the estimate of a sampler that learns from earlier trials


def thinned(table: DataFrame) -> DataFrame:
    """Return the budgets that are drawn: every step of a "best so far", at most ``MOST_BUDGETS`` of a mean.

    Both ends of a curve are among them, and the gaps grow with the budget, for a further trial brings less and less.
    """
    import numpy as np
    import pandas as pd

    drawn = []
    for _, rows in table.groupby("arm", sort=False):
        last = len(rows) - 1
        if (rows["estimate"] == BEST_SO_FAR).all():
            steps = np.flatnonzero(rows["expected"].ne(rows["expected"].shift()).to_numpy())
            places = np.union1d(steps, [last])
        elif last < MOST_BUDGETS:
            places = np.arange(last + 1)
        else:
            places = np.unique(np.rint(last * np.linspace(0, 1, MOST_BUDGETS) ** 2).astype(int))
        drawn.append(rows.iloc[places])
    return pd.concat(drawn)


def budget_panel(
    outcome: Outcome,
    table: DataFrame,
    curves: Mapping[str, DataFrame],
    arm: str,
    looks: Mapping[str, ArmLook],
    name: str,
) -> Markup:
    """Return the expected best score of an arm against the budget, with its band, in front of the other arms' curves.

    ``curves`` are the rows of the table by arm.
    """
    with house_style():
        figure, axes = new_panel(2.3, NARROW)
        rows, look = curves[arm], looks[arm]
        step: Any = "steps-post" if rows["estimate"].iloc[0] == BEST_SO_FAR else "default"
        for rival in looks:
            if rival != arm and rival in curves:
                line = curves[rival]
                axes.plot(line["budget"], line["expected"], color=MUTED, lw=0.8, alpha=0.45, drawstyle=step)
        marker = "o" if rows["expected"].notna().sum() == 1 else ""  # one point makes no line
        shape: Any = "post" if step == "steps-post" else None
        axes.fill_between(rows["budget"], rows["low"], rows["high"], step=shape, color=look.color, alpha=0.18, lw=0)
        axes.plot(rows["budget"], rows["expected"], color=look.color, lw=2, marker=marker, ms=4, drawstyle=step)
        _set_y_ends(axes, table, outcome.searched.goal, outcome.searched.unit)
        _set_trials_axis(axes, table)
        name_y_axis(axes, outcome.trial_title, outcome.searched.unit)
        band = ", with its 95 % band" if rows["low"].notna().any() else ""
        described = f"{look.label}: best {outcome.trial_title} to be expected against trials{band}"
        return to_svg(figure, name, described, {}, named_arms(rows, looks))


def spending_figure(
    outcome: Outcome, table: DataFrame, column: str, title: str, looks: Mapping[str, ArmLook]
) -> Markup:
    """Return the expected best score of every arm against what its trials take: steps, gradient evaluations or operations."""
    with house_style():
        figure, axes = new_panel(2.5, NARROW)
        for arm, look in looks.items():
            rows = table[(table["arm"] == arm) & table[column].notna()]
            if rows.empty:
                continue
            step: Any = "steps-post" if rows["estimate"].iloc[0] == BEST_SO_FAR else "default"
            marker = look.marker if len(rows) == 1 else ""  # one point makes no line
            line: dict[str, Any] = {"color": look.color, "ls": look.dashes, "lw": 1.6, "marker": marker, "ms": 4}
            axes.plot(rows[column], rows["expected"], drawstyle=step, **line)
        _set_y_ends(axes, table, outcome.searched.goal, outcome.searched.unit)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda value, _: in_powers(value))
        axes.set_xlabel(title)
        name_y_axis(axes, outcome.trial_title, outcome.searched.unit)
        described = f"best {outcome.trial_title} to be expected against {title}"
        return to_svg(figure, f"budget-by-{column}", described, {}, named_arms(table, looks))


def _set_y_ends(axes: Axes, table: DataFrame, goal: str, unit: str) -> None:
    """Choose the ends of the y axis so that one blown-up trial at small budgets squeezes no panel."""
    import numpy as np

    values = table["expected"].dropna().to_numpy(dtype=float)
    best = values.max() if goal == "max" else values.min()
    distances = np.abs(values - best)
    reach = FAR * float(np.median(distances)) or float(distances.max()) or abs(best) or 1.0
    near = values[distances <= reach]
    low, high = float(near.min()), float(near.max())
    margin = 0.12 * axis_length(low, high)
    axes.set_ylim(*axis_ends(*widened(low - margin, high + margin, unit), unit))


def _set_trials_axis(axes: Axes, table: DataFrame) -> None:
    """Make the x axis one of whole trials."""
    axes.set_xlim(0.5, float(table["budget"].max()) + 0.5)
    set_whole_ticks(axes)
    axes.set_xlabel("trials")


def duel_panel(rows: DataFrame, arm: str, looks: Mapping[str, ArmLook], name: str) -> Markup:
    """Return the probability that the search of an arm beats each other arm's, against the budget."""
    rivals = [rival for rival in looks if (rows["other"] == rival).any()]
    with house_style():
        figure, axes = new_panel(2.3, NARROW)
        axes.axhline(0.5, color=MUTED, lw=0.8, ls=(0, (2, 2)))
        for rival in rivals:
            line, look = rows[rows["other"] == rival].sort_values("budget"), looks[rival]
            if len(rivals) <= MOST_BANDS:
                axes.fill_between(line["budget"], line["low"], line["high"], color=look.color, alpha=0.06, lw=0)
                for end in ("low", "high"):  # where bands lie over each other, their ends still tell them apart
                    axes.plot(line["budget"], line[end], color=look.color, lw=0.6, alpha=0.7)
            marker = "o" if len(line) == 1 else ""
            axes.plot(
                line["budget"], line["probability"], color=look.color, ls=look.dashes, lw=1.6, marker=marker, ms=4
            )
        axes.set_ylim(-0.03, 1.03)
        _set_trials_axis(axes, rows)
        label = looks[arm].label
        name_y_axis(axes, f"P({label} beats the arm of the line)", "%")
        bands = ", with 95 % bands" if len(rivals) <= MOST_BANDS else ""
        described = f"Probability that the search of {label} beats each other arm's{bands}"
        return to_svg(figure, name, described, {}, named_arms(rows, looks))
