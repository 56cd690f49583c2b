"""Score against seconds: every trial of a network, and the line that no trial beats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import numbers
from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.axes import axis_ends, axis_length, name_y_axis, needs_log_axis, set_ticks, widened
from harness_reports._draw.figure_data import named_arms
from harness_reports._draw.svg import house_style, new_panel, to_svg
from harness_reports._draw.theme import MUTED
from harness_reports._words.outcome import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

ON_FRONT, OTHERS = 26, 9  # sizes of the marks


def pareto_panel(
    outcome: Outcome, trials: DataFrame, front: DataFrame, looks: Mapping[str, ArmLook], name: str
) -> Markup:
    """Return every trial of a network, score against seconds, and the line of those that no other trial beats."""
    title, unit = outcome.trial_title, outcome.searched.unit
    with house_style():
        figure, axes = new_panel(2.7)
        axes.plot(front["seconds"], front["score"], color=MUTED, lw=1, drawstyle="steps-post", zorder=1)
        low, high = score_limits(trials["score"].to_numpy(dtype=float), outcome.searched.goal, unit)
        axes.set_ylim(low, high)
        log = needs_log_axis(trials["seconds"])
        drawn = trials[trials["score"].between(low, high) & ((trials["seconds"] > 0) | (not log))]
        tips = _draw_trials(axes, drawn, looks, name, unit)
        if log:
            axes.set_xscale("log")
        set_ticks(axes)
        axes.set_xlabel("seconds of training")
        name_y_axis(axes, title, unit)
        return to_svg(
            figure, name, f"{title} against seconds of training, every trial", tips, named_arms(trials, looks)
        )


def _draw_trials(
    axes: Axes, trials: DataFrame, looks: Mapping[str, ArmLook], name: str, unit: str
) -> dict[str, list[str]]:
    """Draw the trials of every arm, those on its front larger; return the texts of the marks by the id of their group."""
    tips = {}
    for place, (arm, look) in enumerate(looks.items()):
        of_arm = trials[trials["arm"] == arm].sort_values("number")
        on_front = of_arm["front"].astype(bool)
        for size, rows in ((ON_FRONT, of_arm[on_front]), (OTHERS, of_arm[~on_front])):
            if len(rows):
                group = f"{name}-{place}-{size}"
                dot: dict[str, Any] = {
                    "s": size,
                    "color": look.color,
                    "marker": look.marker,
                    "alpha": 0.85,
                    "lw": 0,
                    "gid": group,
                }
                axes.scatter(rows["seconds"], rows["score"], zorder=2, **dot)
                tips[group] = [_trial_tip(look.label, row, unit) for row in rows.to_dict("records")]
    return tips


def _trial_tip(label: str, row: Mapping[Any, Any], unit: str) -> str:
    """Return what the mark of a trial says."""
    score, time = numbers.measure(row["score"], unit), numbers.duration(row["seconds"])
    return f"{label}, trial {row['number'] + 1}: {score} in {time}"


def score_limits(scores: Any, goal: str, unit: str) -> tuple[float, float]:
    """Return the ends of the axis; trials that are far worse than the median would squeeze all others, and lie beyond it."""
    import numpy as np

    best, middle = (scores.max() if goal == "max" else scores.min()), float(np.median(scores))
    reach = 4 * abs(best - middle)
    near = scores[np.abs(scores - best) <= reach] if reach else scores
    low, high = float(near.min()), float(near.max())
    margin = 0.08 * axis_length(low, high)
    return axis_ends(*widened(low - margin, high + margin, unit), unit)
