"""The table of every trial: its first rows as HTML, and all of them as compact JSON that a script turns pages of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Records
from harness_reports._draw.interactive import embedded, packed
from harness_reports._words.numbers import NOTHING, measure, number, setting, settings

if TYPE_CHECKING:
    from harness_reports._draw.figures import Look

PLAIN = 200  # rows that are there without the script
PLACES = 99  # of a small curve's height: an integer from 0 to this an epoch


def trials(records: Records, looks: Mapping[str, Look]) -> dict[str, Any]:
    """Return ``rows``, the first as strings, ``all``, how many there are, and ``json``, every one for the script (packed)."""
    unit = records.deciding.unit
    chosen = dict(zip(records.arms["arm"], records.arms["tuned_trial"], strict=True))
    curves, arms, states = small_curves(records), list(looks), list(dict.fromkeys(records.trials["state"]))
    names: dict[str, list[str]] = {arm: [] for arm in arms}
    plain: list[dict[str, Any]] = []
    every: list[list[Any]] = []
    for row in records.trials.to_dict("records"):
        arm, params = str(row["arm"]), {k: v for k, v in row["params"].items() if k not in ("lr", "epochs")}
        names[arm] += [name for name in params if name not in names[arm]]
        value, seconds, lr = (_finite(each) for each in (row["value"], row["seconds"], row["params"].get("lr")))
        best = row["number"] == chosen.get(arm)
        shown = {
            "score": measure(value, unit),
            "lr": NOTHING if lr is None else setting(lr),
            "seconds": number(seconds),
        }
        if len(plain) < PLAIN:
            more = {"state": row["state"], "params": settings(params), "reason": row["reason"] or ""}
            about = {"arm": looks[arm].label, "number": row["number"], "chosen": best, "epochs": row["epochs"]}
            curve = spark(curves.get(row["run_id"], []), looks[arm].color)
            plain.append({**about, **shown, **more, "run": row["run_id"], "curve": curve})
        every.append(
            [
                arms.index(arm), row["number"], states.index(row["state"]), [_short(value), shown["score"]],
                [_short(lr), shown["lr"]], row["epochs"], [_short(seconds), shown["seconds"]],
                [setting(params[name]) if name in params else "" for name in names[arm]], row["reason"] or "",
                row["run_id"], curves.get(row["run_id"], []), int(best),
            ]
        )  # fmt: skip
    of_arms = [{"label": looks[arm].label, "color": looks[arm].color, "params": names[arm]} for arm in arms]
    return {
        "rows": plain,
        "all": len(every),
        "json": packed(embedded({"arms": of_arms, "states": states, "rows": every})),
    }


def small_curves(records: Records) -> dict[str, list[int]]:
    """Return every trial's tune metric by epoch, as a place between the lowest and the highest of all, by run.

    Values beyond five times the distance between the quartiles lie at the border, so that one that ran away does not
    make the others flat.
    """
    import numpy as np

    metric, runs = records.deciding.tune_column, set(records.trials["run_id"])
    if metric not in records.epochs:
        return {}
    mine = records.epochs[records.epochs["run_id"].isin(runs)].sort_values(["run_id", "epoch"], kind="stable")
    values = mine[metric].to_numpy(dtype=float)
    known = values[np.isfinite(values)]
    if not len(known):
        return {}
    first, third = np.quantile(known, [0.25, 0.75])
    reach = 5 * (third - first) or math.inf
    low, high = max(float(known.min()), first - reach), min(float(known.max()), third + reach)
    with np.errstate(over="ignore", invalid="ignore"):
        places = np.clip((values - low) / ((high - low) or 1.0), 0, 1) * PLACES
    found: dict[str, list[int]] = {}
    for run, place in zip(mine["run_id"], places, strict=True):
        if place == place:
            found.setdefault(str(run), []).append(round(float(place)))
    return found


def spark(places: list[int], color: str) -> Markup:
    """Return a small curve of these places; a dash where there is none."""
    if not places:
        return Markup(NOTHING)
    step = 100 / (len(places) - 1) if len(places) > 1 else 0.0
    points = [f"{i * step:.1f},{24 - place * 24 / PLACES:.1f}" for i, place in enumerate(places)]
    points += [f"1,{points[0].split(',')[1]}"] if len(points) == 1 else []
    return Markup('<svg viewBox="-2 -2 104 28" class="spark"><polyline points="{}" stroke="{}"/></svg>').format(
        " ".join(points), color
    )


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
