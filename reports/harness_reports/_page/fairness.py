"""How fair the tuning was: untuned beside tuned, luck in tuning, score against seconds, extensions, and the winner."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Deciding, Results
from harness_reports._draw.axes import decades, finite, length, name_y, wide, within
from harness_reports._draw.svg import MUTED, panel, style, svg
from harness_reports._words.numbers import (
    NOTHING,
    count,
    duration,
    gap,
    gap_interval,
    interval,
    joined,
    measure,
    number,
)

if TYPE_CHECKING:
    from pandas import DataFrame

    from harness_reports._draw.figures import Look

TABLES = ("untuned", "replicates", "pareto", "winner")  # of the analyses shown here
WHY = {
    "edge": "its learning rate was at the edge of the range",
    "rising": "scores rose towards the edge of the range",
    "improving": "it was still improving",
    "diverged": "many trials diverged",
    "budget": "fewer of its trials ended well",
    "special case": "it lost to its special case",
    "defaults": "it lay below its own defaults",
    "chance": "it was no better than a constant answer",
}


def fairness(results: Results, looks: Mapping[str, Look], title: str) -> dict[str, Any] | None:
    """Return what the section shows, with ``title`` for the tune score; None where there is nothing to show."""
    found = {
        "extensions": extensions(results, looks),
        "untuned": _untuned(results, looks),
        "replicates": _replicates(results, looks),
        "pareto": _pareto(results, looks, title),
        "winner": winner(results, looks),
    }
    asked = "seconds" in results.records.meta.benchmark["search"].get("objectives", [])
    return {**found, "asked": asked} if any(found.values()) else None


def extensions(results: Results, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return what ``harness run --extend`` did, in words: an arm, why, what, and after how many trials."""
    unit = results.records.meta.benchmark["search"]["unit"]
    rows = []
    for each in results.records.meta.extensions or []:
        if each["arm"] not in looks:
            continue
        ranges = [
            f"{name} now {number(said['low'])} to {number(said['high'])}" for name, said in each["ranges"].items()
        ]
        more = count(int(each["extra"]), "trial") if unit == "trials" else f"{each['extra']:g} {unit}"
        rows.append(
            {
                "look": looks[each["arm"]],
                "why": joined([WHY.get(alarm, alarm) for alarm in each["why"]]),
                "what": joined([*ranges, f"{more} more"]),
                "after": count(int(each["after"]), "trial"),
            }
        )
    return rows


def _untuned(results: Results, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return a row per arm: with its optimizer's defaults, tuned, and the difference."""
    return [
        {
            "look": looks[row["arm"]],
            "untuned": measure(row["untuned"], row["unit"]),
            "seeds": count(int(row["seeds"]), "seed") + (f", {row['failed']} failed" if row["failed"] else ""),
            "tuned": measure(row["tuned"], row["unit"]),
            "gain": gap(row["gain"], row["unit"]) if math.isfinite(row["gain"]) else NOTHING,
            "interval": gap_interval(row["low"], row["high"], row["unit"])
            or ("the same in every seed" if row["seeds"] > 1 else ""),
        }
        for row in _rows(results, "untuned", looks)
    ]


def _replicates(results: Results, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return a row per arm that was searched more than once."""
    return [
        {
            "look": looks[row["arm"]],
            "searches": row["replicates"],
            "mean": measure(row["mean"], row["unit"]),
            "interval": interval(row["low"], row["high"], row["unit"]),
            "range": f"{measure(row['worst'], row['unit'])} to {measure(row['best'], row['unit'])}",
            "tuning": gap(row["sd_tuning"], row["unit"]),
            "seeds": gap(row["sd_seeds"], row["unit"]) if math.isfinite(row["sd_seeds"]) else NOTHING,
        }
        for row in _rows(results, "replicates", looks)
    ]


def winner(results: Results, looks: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return the pipeline that is best on tune and the score to be expected of it; None where nothing ended well."""
    rows = _rows(results, "winner", looks)
    if not rows:
        return None
    first = rows[0]
    unit = first["unit"]
    return {
        "look": looks[first["arm"]],
        "metric": f"test {first['metric']}",
        "expected": measure(first["expected"], unit) if math.isfinite(first["expected"]) else NOTHING,
        "interval": interval(first["low"], first["high"], unit),
        "covers": first["covers"],
        "naive": measure(first["naive"], unit),
        "optimism": gap(first["optimism"], unit) if math.isfinite(first["optimism"]) else NOTHING,
        "lost": int(first["lost"]) if first["lost"] == first["lost"] else 0,
        "rows": [
            {
                "look": looks[row["arm"]],
                "tune": measure(row["tune"], unit),
                "test": measure(row["test"], unit),
                "chosen": f"{row['chosen']} of {first['folds']:.0f}",
            }
            for row in rows
        ],
    }


def _pareto(results: Results, looks: Mapping[str, Look], title: str) -> dict[str, Any] | None:
    """Return a figure per network of score against seconds, and the trials on the front of all."""
    table = results.tables.get("pareto")
    if table is None or table.empty or not (table["seconds"] > 0).all():
        return None
    deciding = results.records.deciding
    table = table[table["arm"].isin(list(looks)) & finite(table["score"])]
    panels = []
    for place, (network, mine) in enumerate(table.groupby("network", sort=False)):
        front = mine[mine["front_of_all"]].sort_values(["seconds", "number"])
        panels.append(
            {
                "network": network,
                "figure": Markup(_front(mine, front, looks, title, deciding, f"pareto-{place}")),
                "rows": [
                    {
                        "look": looks[row["arm"]],
                        "number": row["number"],
                        "score": measure(row["score"], deciding.unit),
                        "seconds": duration(float(row["seconds"])),
                    }
                    for row in front.to_dict("records")
                ],
            }
        )
    return {"panels": panels, "many": len(panels) > 1, "title": title} if panels else None


def _front(
    mine: DataFrame, front: DataFrame, looks: Mapping[str, Look], title: str, deciding: Deciding, name: str
) -> str:
    """Return every trial of a network, score against seconds, and the line that nothing beats."""
    with style():
        figure, axes = panel(2.7)
        axes.plot(front["seconds"], front["score"], color=MUTED, lw=1, drawstyle="steps-post", zorder=1)
        low, high = _limits(mine["score"].to_numpy(dtype=float), deciding.goal, deciding.unit)
        axes.set_ylim(low, high)
        logarithmic = wide(mine["seconds"])
        seen = mine[mine["score"].between(low, high) & ((mine["seconds"] > 0) | (not logarithmic))]
        tips = {}
        for place, (arm, look) in enumerate(looks.items()):
            dots = seen[seen["arm"] == arm].sort_values("number")
            for size, part in ((26, dots[dots["front"].astype(bool)]), (9, dots[~dots["front"].astype(bool)])):
                if not len(part):
                    continue
                gid = f"{name}-{place}-{size}"
                axes.scatter(
                    part["seconds"], part["score"], s=size, color=look.color, alpha=0.85, lw=0, gid=gid, zorder=2
                )
                tips[gid] = [
                    f"{look.label}, trial {row['number']}: {measure(row['score'], deciding.unit)} in {duration(row['seconds'])}"
                    for row in part.to_dict("records")
                ]
        if logarithmic:
            axes.set_xscale("log")
            decades(axes, axes.get_xlim())
        axes.set_xlabel("seconds of training")
        name_y(axes, title, deciding.unit)
        return svg(figure, name, f"{title} against seconds of training, every trial", tips, mine)


def _limits(scores: Any, goal: str, unit: str) -> tuple[float, float]:
    """Return the ends of the axis without trials that blew up: what is far worse than the median would squeeze all else."""
    import numpy as np

    best, middle = (scores.max() if goal == "max" else scores.min()), float(np.median(scores))
    reach = 4 * abs(best - middle)
    near = scores[np.abs(scores - best) <= reach] if reach else scores
    ends = float(near.min()), float(near.max())
    room = 0.08 * length(*ends)
    return within(ends[0] - room, ends[1] + room, unit)


def _rows(results: Results, name: str, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    table = results.tables.get(name)
    if table is None or table.empty:
        return []
    mine = table[table["arm"].isin(list(looks))]
    return [{str(key): value for key, value in row.items()} for row in mine.to_dict("records")]
