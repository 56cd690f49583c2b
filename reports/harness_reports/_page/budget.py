"""What the page says of the budget: the best tune score to be expected of so many trials, and which arm's search wins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Deciding, Results
from harness_reports._draw.axes import length, name_y, within
from harness_reports._draw.svg import MUTED, NARROW, panel, style, svg
from harness_reports._words.numbers import NOTHING, gap, setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from harness_reports._draw.figures import Look

FEW = 3  # lines with bands in one panel; more of them hide each other
MOST = 60  # budgets of a curve that is drawn
FAR = 10  # times the distance between the best score and the median of the others: beyond it a curve leaves the panel


def budget(results: Results, looks: Mapping[str, Look], title: str) -> dict[str, Any] | None:
    """Return a panel per arm of its budget curve and of its duels; None where there is nothing to draw."""
    table, duels, meta = results.tables.get("budget"), results.tables.get("duels"), results.records.meta
    if table is None or table.empty:
        return None
    deciding, shown = meta.deciding, thinned(table)
    there = [arm for arm in looks if (table["arm"] == arm).any()]
    curves = [
        {
            "look": looks[arm],
            "says": _says(table[table["arm"] == arm]),
            "figure": Markup(_curve(shown, arm, looks, title, deciding, f"budget-{i}")),
        }
        for i, arm in enumerate(there)
    ]
    pairs = [] if duels is None or duels.empty else _duels(duels, looks)
    return {
        "curves": curves,
        "exact": bool((table["estimate"] != "best so far").any()),
        "sampler": meta.benchmark["search"]["sampler"],
        "duels": pairs,
    }


def thinned(table: DataFrame) -> DataFrame:
    """Return what of the budget curves is drawn: of a best so far the steps, of a mean ``MOST`` budgets at most.

    Both ends of a curve are among them, and the gaps grow with the budget, for what a further trial brings is ever less.
    """
    import numpy as np
    import pandas as pd

    kept = []
    for _, mine in table.groupby("arm", sort=False):
        last = len(mine) - 1
        if (mine["estimate"] == "best so far").all():
            steps = np.flatnonzero(mine["expected"].ne(mine["expected"].shift()).to_numpy())
            places = np.union1d(steps, [last])
        elif last < MOST:
            places = np.arange(last + 1)
        else:
            places = np.unique(np.rint(last * np.linspace(0, 1, MOST) ** 2).astype(int))
        kept.append(mine.iloc[places])
    return pd.concat(kept)


def _says(mine: DataFrame) -> str:
    last = mine.iloc[-1]
    lost = f", {last['lost']} without a score" if last["lost"] else ""
    return f"{last['trials']} trials{lost}"


def _curve(table: DataFrame, arm: str, looks: Mapping[str, Look], title: str, deciding: Deciding, name: str) -> str:
    """Return an arm's expected best score against the budget, with its band, before the other arms' curves."""
    with style():
        figure, axes = panel(2.3, NARROW)
        mine, look = table[table["arm"] == arm], looks[arm]
        step: Any = "steps-post" if mine["estimate"].iloc[0] == "best so far" else "default"
        for other in looks:
            theirs = table[table["arm"] == other]
            if other != arm:
                axes.plot(theirs["budget"], theirs["expected"], color=MUTED, lw=0.8, alpha=0.45, drawstyle=step)
        dot = "o" if mine["expected"].notna().sum() == 1 else ""  # one point makes no line
        axes.fill_between(mine["budget"], mine["low"], mine["high"], color=look.color, alpha=0.18, lw=0)
        axes.plot(mine["budget"], mine["expected"], color=look.color, lw=2, marker=dot, ms=4, drawstyle=step)
        _limit(axes, table, deciding.goal, deciding.unit)
        _trials(axes, table)
        name_y(axes, title, deciding.unit)
        return svg(figure, name, f"{look.label}: best {title} to be expected against trials", {}, mine)


def _limit(axes: Axes, table: DataFrame, goal: str, unit: str) -> None:
    """Choose the y axis so that one blown-up trial at small budgets squeezes no panel."""
    import numpy as np

    values = table["expected"].dropna().to_numpy(dtype=float)
    best = values.max() if goal == "max" else values.min()
    reach = FAR * float(np.median(np.abs(values - best))) or float(np.abs(values - best).max()) or abs(best) or 1.0
    near = values[np.abs(values - best) <= reach]
    ends = float(near.min()), float(near.max())
    room = 0.12 * length(*ends)
    axes.set_ylim(*within(ends[0] - room, ends[1] + room, unit))


def _trials(axes: Axes, table: DataFrame) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0.5, float(table["budget"].max()) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.set_xlabel("trials")


def _duels(duels: DataFrame, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return a panel per arm: the probability that its search beats each other arm's, against the budget."""
    turned = duels.rename(columns={"arm": "other", "other": "arm"}).assign(
        probability=1 - duels["probability"], low=1 - duels["high"], high=1 - duels["low"]
    )
    import pandas as pd

    both = pd.concat([duels, turned], ignore_index=True)
    panels = []
    for i, (arm, look) in enumerate(looks.items()):
        mine = both[both["arm"] == arm]
        if len(mine):
            panels.append({"look": look, "figure": Markup(_duel(mine, arm, looks, f"duel-{i}"))})
    return panels


def _duel(mine: DataFrame, arm: str, looks: Mapping[str, Look], name: str) -> str:
    others = [other for other in looks if (mine["other"] == other).any()]
    with style():
        figure, axes = panel(2.3, NARROW)
        axes.axhline(0.5, color=MUTED, lw=0.8, ls=(0, (2, 2)))
        for other in others:
            line, look = mine[mine["other"] == other].sort_values("budget"), looks[other]
            if len(others) <= FEW:
                axes.fill_between(line["budget"], line["low"], line["high"], color=look.color, alpha=0.06, lw=0)
                for end in ("low", "high"):  # where bands lie over each other their ends still tell them apart
                    axes.plot(line["budget"], line[end], color=look.color, lw=0.6, alpha=0.7)
            dot = "o" if len(line) == 1 else ""
            axes.plot(line["budget"], line["probability"], color=look.color, ls=look.dashes, lw=1.6, marker=dot, ms=4)
        axes.set_ylim(-0.03, 1.03)
        _trials(axes, mine)
        name_y(axes, f"P({looks[arm].label} beats the arm of the line)", "%")
        return svg(figure, name, f"Probability that the search of {looks[arm].label} beats each other arm's", {}, mine)


def sensitivity(results: Results, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return a row per arm: where its good learning rates lie, how many decades wide, and what each parameter decides."""
    regions, found, meta = results.tables.get("regions"), results.tables.get("importances"), results.records.meta
    rows = []
    for arm, look in looks.items():
        mine = None if regions is None else regions[regions["arm"] == arm]
        parts = None if found is None else found[found["arm"] == arm]
        if (mine is None or mine.empty) and (parts is None or parts.empty):
            continue
        row = {"look": look, "range": NOTHING, "decades": NOTHING, "tolerance": NOTHING, "importances": NOTHING}
        if mine is not None and len(mine):
            first = mine.iloc[0]
            ends = [setting(float(first["low"])), setting(float(first["high"]))]
            row["range"] = ends[0] if ends[0] == ends[1] else " to ".join(ends)
            row["decades"] = f"{first['least']:.1f} to {first['most']:.1f}"
            row["tolerance"] = gap(float(first["tolerance"]), meta.deciding.unit)
        if parts is not None and len(parts):
            pairs = zip(parts["parameter"], parts["importance"], strict=True)
            row["importances"] = ", ".join(f"{name} {100 * part:.0f} %" for name, part in pairs if math.isfinite(part))
        rows.append(row)
    return rows
