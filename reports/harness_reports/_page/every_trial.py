"""The table of every trial: its first rows as HTML, and all of them as compact JSON in which a script turns pages."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from markupsafe import Markup

from harness import Records, numbers
from harness_reports._draw.arm_styles import ArmLook
from harness_reports._draw.interactive import embedded, packed
from harness_reports._page._section import Page, Section
from harness_reports._words.outcome import table_rows

MOST_ROWS = 200  # that are there without the script
HEIGHTS = 99  # a small curve has an integer from 0 to this for every epoch
FAR = 5  # values beyond so many times the distance between the quartiles lie at the border of a small curve
OWN_COLUMNS = ("lr", "epochs")  # parameters that have a column of their own


def every_trial(page: Page) -> dict[str, Any]:
    """Return ``rows``, the first trials as strings, ``all``, how many there are, and ``json``, all of them for the script."""
    records, unit = page.records, page.outcome.searched.unit
    trials, arms = all_trials(records), list(page.looks)
    curves, states = small_curves(records, {trial["run_id"] for trial in trials}), _different(trials, "state")
    names = _parameter_names(trials, arms)
    rows: list[dict[str, Any]] = []
    compact: list[list[Any]] = []
    for trial in trials:
        arm, curve = str(trial["arm"]), curves.get(trial["run_id"], [])
        shown = _shown_numbers(trial, unit)
        if len(rows) < MOST_ROWS:
            rows.append(_html_row(trial, shown, page.looks[arm], curve))
        compact.append(_compact_row(trial, shown, [arms.index(arm), states.index(trial["state"])], names[arm], curve))
    legend = [{"label": page.looks[arm].label, "color": page.looks[arm].paint, "params": names[arm]} for arm in arms]
    json = embedded({"arms": legend, "states": states, "rows": compact})
    replicates = numbers.counted(records.meta.planned_replicates, "replicate")
    return {"rows": rows, "all": len(compact), "json": packed(json), "replicates": replicates}


def all_trials(records: Records) -> list[dict[str, Any]]:
    """Return the trials of every search of every arm, with ``replicate``, ``number`` from 1 and whether each was ``chosen``."""
    chosen = dict(zip(records.arms["arm"], records.arms["tuned_trial"], strict=True))
    own = records.repeated[records.repeated["control"] == ""]
    searches: dict[str, list[dict[str, Any]]] = {str(arm): [] for arm in records.arms["arm"]}
    for trial in table_rows(records.trials):
        first = {"replicate": 0, "chosen": trial["number"] == chosen.get(trial["arm"])}
        searches[str(trial["arm"])].append({**trial, **first})
    for trial in table_rows(own.sort_values(["replicate", "number"], kind="stable")):
        searches[str(trial["arm"])].append({**trial, "epochs": trial["params"].get("epochs")})
    return [
        {**trial, "number": int(trial["number"]) + 1, "replicate": int(trial["replicate"]) + 1}
        for of_arm in searches.values()
        for trial in of_arm
    ]


def _different(trials: list[dict[str, Any]], key: str) -> list[Any]:
    return list(dict.fromkeys(trial[key] for trial in trials))


def _parameter_names(trials: list[dict[str, Any]], arms: list[str]) -> dict[str, list[str]]:
    """Return the names of the parameters that an arm's trials have, those with a column of their own left out."""
    names: dict[str, dict[str, None]] = {arm: {} for arm in arms}
    for trial in trials:
        names[str(trial["arm"])] |= dict.fromkeys(name for name in trial["params"] if name not in OWN_COLUMNS)
    return {arm: list(of_arm) for arm, of_arm in names.items()}


def _shown_numbers(trial: Mapping[Any, Any], unit: str) -> dict[str, str]:
    """Return score, confirmed score, learning rate and seconds of a trial as strings."""
    rate = _finite_or_none(trial["params"].get("lr"))
    return {
        "score": numbers.measure(_finite_or_none(trial["value"]), unit),
        "confirmed": _confirmed_text(trial, unit),
        "lr": numbers.NOTHING if rate is None else numbers.setting(rate),
        "seconds": numbers.number(_finite_or_none(trial["seconds"])),
    }


def _confirmed_text(trial: Mapping[Any, Any], unit: str) -> str:
    """Return the score of the run that trained a trial once more, or how that run ended; a dash where there was none."""
    state = str(trial["confirmation_state"])
    return numbers.measure(_finite_or_none(trial["confirmed"]), unit) if state in ("", "done") else state


def _html_row(trial: Mapping[Any, Any], shown: Mapping[str, str], look: ArmLook, curve: list[int]) -> dict[str, Any]:
    """Return a trial as a row of the page."""
    params = {name: value for name, value in trial["params"].items() if name not in OWN_COLUMNS}
    return {
        "arm": look.label,
        **{key: trial[key] for key in ("number", "replicate", "chosen", "epochs", "state")},
        **shown,
        "params": numbers.settings(params),
        "reason": trial["reason"] or "",
        "run": trial["run_id"],
        "curve": small_curve(curve, look.paint),
    }


def _compact_row(
    trial: Mapping[Any, Any], shown: Mapping[str, str], indices: list[int], names: list[str], curve: list[int]
) -> list[Any]:
    """Return a trial as the script reads it; ``indices`` are those of its arm and of its state."""
    arm, state = indices
    params = trial["params"]
    own = (trial["value"], trial["confirmed"], params.get("lr"), trial["seconds"])
    value, confirmed, rate, seconds = (_six_digits(number) for number in own)
    settings = [numbers.setting(params[name]) if name in params else "" for name in names]
    return [
        arm, trial["replicate"], trial["number"], state, [value, shown["score"]], [confirmed, shown["confirmed"]], [rate, shown["lr"]], trial["epochs"],
        [seconds, shown["seconds"]], settings, trial["reason"] or "", trial["run_id"], curve, int(trial["chosen"]),
    ]  # fmt: skip


def small_curves(records: Records, runs: Collection[str]) -> dict[str, list[int]]:
    """Return the tune metric of these runs by epoch, by run: a height between the lowest and the highest of all of them.

    Values beyond ``FAR`` times the distance between the quartiles lie at the border, so that one that ran away does not make the
    others flat.
    """
    import numpy as np

    metric = records.searched.tune_column
    if metric not in records.epochs:
        return {}
    epochs = records.epochs[records.epochs["run_id"].isin(runs)].sort_values(["run_id", "epoch"], kind="stable")
    values = epochs[metric].to_numpy(dtype=float)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {}
    first, third = np.quantile(finite, [0.25, 0.75])
    reach = FAR * (third - first) or math.inf
    low, high = max(float(finite.min()), first - reach), min(float(finite.max()), third + reach)
    with np.errstate(over="ignore", invalid="ignore"):
        heights = np.clip((values - low) / ((high - low) or 1.0), 0, 1) * HEIGHTS
    curves: dict[str, list[int]] = {}
    for run, height in zip(epochs["run_id"], heights, strict=True):
        if height == height:
            curves.setdefault(str(run), []).append(round(float(height)))
    return curves


def small_curve(heights: list[int], color: str) -> Markup:
    """Return a small curve of these heights; a dash where there is none."""
    if not heights:
        return Markup(numbers.NOTHING)
    step = 100 / (len(heights) - 1) if len(heights) > 1 else 0.0
    points = [f"{i * step:.1f},{24 - height * 24 / HEIGHTS:.1f}" for i, height in enumerate(heights)]
    points += [f"1,{points[0].split(',')[1]}"] if len(points) == 1 else []
    polyline = (
        '<svg viewBox="-2 -2 104 28" class="spark" aria-hidden="true"><polyline points="{}" style="stroke:{}"/></svg>'
    )
    return Markup(polyline).format(" ".join(points), color)


def _finite_or_none(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _six_digits(value: Any) -> float | None:
    """Return a number with six digits; None where it is not finite."""
    finite = _finite_or_none(value)
    return None if finite is None else float(f"{finite:.6g}")


SECTION = Section(id="every-trial", title="Trials", place=60, data=every_trial, template="every_trial.html.j2")
