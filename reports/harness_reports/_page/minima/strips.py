"""What was measured of each solution alone: a strip a measure, a row an arm, a mark a seed; and the same as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness_reports._draw.axes import decades, finite, formatter, wide, with_unit
from harness_reports._draw.figures import LEVELS
from harness_reports._draw.svg import GRID, INK, MUTED, NARROW, SURFACE, panel, style, svg
from harness_reports._page.minima.signs import Sign
from harness_reports._words.numbers import NOTHING, count, number

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Strip:
    """A measure of one solution."""

    title: str
    probe: str
    unit: str = ""  # "loss": that of the task's loss


STRIPS = {
    "sharpness": Strip("Sharpness", "sharpness", "loss"),
    "lambda_max": Strip("Largest eigenvalue of the Hessian", "hessian"),
    "trace": Strip("Trace of the Hessian", "hessian"),
    "weight_norm": Strip("Length of the weights", "distance"),
    "moved": Strip("Distance from the initial weights", "distance"),
    "gradient_norm": Strip("Length of the gradient", "gradient_norm"),
}


def there(solutions: DataFrame) -> list[str]:
    """Return the measures that any solution has."""
    return [column for column in STRIPS if finite(solutions[column]).any()]


def strip(
    solutions: DataFrame, column: str, signs: Mapping[str, Sign], unit: str, floor: float | None, name: str
) -> Markup:
    """Return a measure's figure; ``floor`` is a difference that counts as none, drawn as a bar of that length."""
    about, tips = STRIPS[column], dict[str, list[str]]()
    known = solutions[finite(solutions[column])]
    values = known[column]
    log = bool(values.min() > 0) and (column == "sharpness" or wide(values))
    rows = [arm for arm in signs if (known["arm"] == arm).any()]
    with style():
        figure, axes = panel(0.62 + 0.36 * len(rows), NARROW)
        if log:
            axes.set_xscale("log")
        for place, arm in enumerate(rows):
            sign, mine = signs[arm], known[known["arm"] == arm]
            group = f"seeds-{place}"
            heights = [place + 0.2 + 0.8 * LEVELS[i % len(LEVELS)] for i in range(len(mine))]
            axes.scatter(
                mine[column], heights, s=26, color=sign.color, marker=sign.marker, lw=0.3, edgecolor=SURFACE, gid=group,
                zorder=3,
            )  # fmt: skip
            pairs = zip(mine["seed"], mine[column], strict=True)
            tips[group] = [
                f"{sign.label}, seed {seed}: {number(float(value))} {unit}".rstrip() for seed, value in pairs
            ]
            middle = float(mine[column].median())
            axes.plot([middle, middle], [place + 0.04, place + 0.36], color=INK, lw=1.4, zorder=4)
            axes.text(
                0,
                place - 0.2,
                sign.label,
                transform=axes.get_yaxis_transform(),
                color=INK,
                va="center",
                bbox={"boxstyle": "square,pad=0.1", "fc": SURFACE, "ec": "none", "alpha": 0.85},
            )
            axes.axhline(place + 0.5, color=GRID, lw=0.6)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        if floor is not None and floor > 0:
            axes.axvline(floor, color=MUTED, lw=1.1, ls=(0, (3, 2)), zorder=1)
        low, high = axes.get_xlim()
        if log:
            axes.set_xlim(low / 1.15, high * 1.15)
            decades(axes, axes.get_xlim())
        else:
            axes.locator_params(axis="x", nbins=6)
            axes.xaxis.set_major_formatter(formatter(""))
        axes.set_xlabel(with_unit(about.title, unit))
        data = known[["arm", "seed", column]]
        return Markup(svg(figure, name, f"{about.title}: every seed, and the median per arm", tips, data))


def table(solutions: DataFrame, signs: Mapping[str, Sign], unit: str) -> dict[str, Any] | None:
    """Return heads and rows of means over seeds; None where nothing was measured."""
    columns = there(solutions)
    if not columns:
        return None
    heads = [with_unit(STRIPS[column].title, unit if STRIPS[column].unit else "") for column in columns]
    rows = []
    for arm, sign in signs.items():
        mine = solutions[solutions["arm"] == arm]
        rows.append({"sign": sign, "cells": [_cell(mine, column) for column in columns]})
    return {"heads": heads, "rows": rows}


def _cell(mine: DataFrame, column: str) -> dict[str, str]:
    known = mine[finite(mine[column])]
    if known.empty:
        return {"mean": NOTHING, "more": ""}
    values = known[column]
    more = [f"SD {number(float(values.std()))}"] if len(values) > 1 else []
    if column == "trace" and finite(known["trace_se"]).any():
        more.append(f"each ± {number(float(known['trace_se'].mean()))}")
    return {"mean": number(float(values.mean())), "more": ", ".join([*more, count(len(values), "seed")])}
