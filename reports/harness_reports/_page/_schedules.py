"""The schedules: a panel an arm, and the scores of the snapshots that were kept at the ends of cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Records, numbers
from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.axes import set_ticks, set_whole_ticks, write_title
from harness_reports._draw.svg import NARROW, house_style, new_panel, to_svg
from harness_reports._draw.theme import INK, MUTED, SURFACE
from harness_reports._page._section import Page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Schedule = Mapping[str, Any]  # of one arm, as the records describe it


def schedules(page: Page) -> list[dict[str, Any]]:
    """Return a panel per tuned arm, ``look``, ``says`` and ``figure``; none where no schedules are recorded, or all are one."""
    recorded, panels = page.records.meta.schedules, list[dict[str, Any]]()
    if _all_alike(page):
        return panels
    for arm, look in page.looks.items():
        schedule = recorded.get(arm)
        if schedule is None:
            continue
        rates = _recorded_rates(page.records, arm) if schedule["per_epoch"] else []
        drawn = bool(schedule["steps"] or rates)
        figure = _draw_schedule(schedule, rates, look, f"schedule-{page.arm_names[arm]}") if drawn else ""
        panels.append({"look": look, "says": _panel_caption(schedule, rates), "figure": figure})
    return panels


def _all_alike(page: Page) -> bool:
    """Return whether all arms share one schedule that rises and falls once, so that only its height differs from arm to arm."""
    recorded = page.records.meta.schedules
    plain = not any(
        schedule["per_epoch"] or schedule["cycle_ends"] or schedule["note"] for schedule in recorded.values()
    )
    return plain and len(page.looks) > 1 and page.records.arms["scheduler"].nunique() == 1


def _recorded_rates(records: Records, arm: str) -> list[list[float]]:
    """Return the rate of each seed in every epoch."""
    epochs = records.epochs
    of_arm = epochs[(epochs["arm"] == arm) & (epochs["phase"] == "compare")].sort_values(["run_id", "epoch"])
    return [seed["lr"].astype(float).tolist() for _, seed in of_arm.groupby("run_id", sort=False)]


def _panel_caption(schedule: Schedule, rates: Sequence[Sequence[float]]) -> str:
    """Return in words what a panel shows."""
    if schedule["note"]:
        return f"not drawn: {schedule['note']}"
    if schedule["per_epoch"]:
        seeds = numbers.counted(len(rates), "seed")
        return f"by the loss, as recorded, {seeds}" if rates else "by the loss: nothing recorded yet"
    words = [f"peak {max(schedule['lr']):.3g}"]
    if schedule["head_epochs"]:
        words.append(f"{numbers.counted(schedule['head_epochs'], 'epoch')} of the head alone, then a new schedule")
    if schedule["cycle_ends"]:
        words.append(_cycles_in_words(schedule))
    return "; ".join(words)


def _cycles_in_words(schedule: Schedule) -> str:
    """Return where cycles end, and after which epochs weights are kept."""
    ends, kept_epochs = _cycle_ends(schedule), schedule["kept"]
    words = f"cycles end after epoch {numbers.joined([f'{end:.4g}' for end in ends])}"
    if not kept_epochs:
        return words
    if ends == kept_epochs:
        return f"{words}, where the weights are kept"
    epochs = numbers.joined([str(epoch) for epoch in kept_epochs])
    return f"{words}; weights kept after epoch {epochs}, the last whole one of each cycle"


def _cycle_ends(schedule: Schedule) -> list[float]:
    """Return the end of every cycle in epochs."""
    return [end / schedule["steps_per_epoch"] for end in schedule["cycle_ends"]]


def _draw_schedule(schedule: Schedule, rates: Sequence[Sequence[float]], look: ArmLook, name: str) -> Markup:
    """Return the learning rate of an arm against the epoch."""
    from pandas import DataFrame

    points: list[tuple[int, float, float]] = []
    with house_style():
        figure, axes = new_panel(1.7, NARROW)
        line: dict[str, Any] = {"color": look.color, "lw": 1.6}
        for run, of_seed in enumerate(rates):
            axes.stairs(of_seed, range(len(of_seed) + 1), baseline=None, alpha=0.8, **line)
            points += [(run, epoch, rate) for epoch, rate in enumerate(of_seed, 1)]
        if not rates:
            times = [(step - 1) / schedule["steps_per_epoch"] for step in schedule["steps"]]
            axes.plot(times, schedule["lr"], **line)
            points = [(0, epoch, rate) for epoch, rate in zip(times, schedule["lr"], strict=True)]
        axes.set_xlim(0, schedule["epochs"])
        axes.set_ylim(bottom=0)
        _mark_cycles(axes, schedule)
        axes.set_xlabel("epoch")
        write_title(axes, "learning rate")
        set_whole_ticks(axes)
        set_ticks(axes, which="y")
        data = DataFrame(points, columns=["run", "epoch", "lr"])
        return to_svg(figure, name, f"{look.label}: learning rate against epoch", {}, data)


def _mark_cycles(axes: Axes, schedule: Schedule) -> None:
    """Draw a dotted line at the end of every cycle but the last, and a dot where weights are kept."""
    for x in [*_cycle_ends(schedule)[:-1], *([schedule["head_epochs"]] if schedule["head_epochs"] else [])]:
        axes.axvline(x, color=MUTED, lw=0.9, ls=(0, (1.5, 1.5)), zorder=1)
    kept_epochs, border = schedule["kept"], axes.get_xaxis_transform()
    dot: dict[str, Any] = {"ms": 5.5, "color": INK, "mec": SURFACE, "mew": 0.8}
    if kept_epochs:  # without any, the layout would make room for them all the same
        axes.plot(kept_epochs, [0] * len(kept_epochs), "o", **dot, clip_on=False, zorder=5, transform=border)


def snapshots(page: Page) -> dict[str, Any] | None:
    """Return a row per arm that kept snapshots: each one's score, the final weights', the ensemble's and its gain."""
    table = page.outcome.table("snapshots")
    if table is None:
        return None
    unit = str(table["unit"].iloc[0])
    most = max(int(rows["what"].str.startswith("snapshot ").sum()) for _, rows in table.groupby("arm"))
    heads = [f"snapshot {i}" for i in range(1, most + 1)]
    rows = []
    for arm, of_arm in table.groupby("arm", sort=False):
        scores = {row["what"]: row for row in of_arm.to_dict("records")}
        cells = [_score_cell(scores.get(head), unit) for head in heads]
        cells += [_score_cell(scores[weights], unit) for weights in ("final", "ensemble")]
        gain = scores["gain"]
        rows.append(
            {"look": page.looks[str(arm)], "seeds": gain["seeds"], "cells": cells, "gain": _ensemble_gain(gain, unit)}
        )
    return {"heads": heads, "rows": rows, "unit": unit}


def _ensemble_gain(row: Mapping[Any, Any], unit: str) -> dict[str, str]:
    """Return the gain of an ensemble with its interval."""
    interval = numbers.difference_interval(row["low"], row["high"], unit)
    equal = "the same in every seed" if row["seeds"] > 1 else ""
    return {"mean": numbers.difference(row["mean"], unit), "more": interval or equal}


def _score_cell(row: Mapping[Any, Any] | None, unit: str) -> dict[str, Any]:
    """Return a mean, and below it its interval and the epoch of the weights."""
    if row is None:
        return {"mean": numbers.NOTHING, "more": []}
    epoch = f"epoch {row['epoch']:.0f}" if row["epoch"] == row["epoch"] else ""
    interval = numbers.span(row["low"], row["high"], unit)
    mean = numbers.plain(row["mean"], unit, row["high"] - row["low"])
    return {"mean": mean, "more": [line for line in (interval, epoch) if line]}
