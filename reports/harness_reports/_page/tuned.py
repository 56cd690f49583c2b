"""What the page says of the search: every trial's learning rate, what was chosen, and where in its range that lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Records, Results
from harness_reports._draw import rates as panels
from harness_reports._draw.figures import Look
from harness_reports._words import facts
from harness_reports._words.numbers import NOTHING, count, measure, number, setting, settings

if TYPE_CHECKING:
    from pandas import DataFrame


def rates(results: Results, looks: Mapping[str, Look]) -> dict[str, Any]:
    """Return a panel per arm that has a learning rate, and the labels of those that have none."""
    table, meta = results.tables.get("sensitivity"), results.records.meta
    if table is None:
        return {"panels": [], "without": [], "stated": False}
    deciding = meta.deciding
    scale = panels.scale(table, deciding, facts.title_of(deciding.tune_column))
    figures, regions = [], results.tables.get("regions")
    for i, (arm, look) in enumerate(looks.items()):
        mine = table[table["arm"] == arm]
        region = None if regions is None else regions[regions["arm"] == arm]
        if len(mine):
            figure = Markup(panels.rates(mine, look, scale, f"lr-{i}", region))
            figures.append({"look": look, "says": _says(mine, scale), "figure": figure})
    return {
        "panels": figures,
        "without": [k.label for arm, k in looks.items() if not (table["arm"] == arm).any()],
        "stated": True,
    }


def _says(trials: DataFrame, scale: panels.Scale) -> str:
    """Return in words what a panel of learning rates shows."""
    chosen = trials.loc[trials["chosen"], "lr"]
    said = [f"chosen {setting(float(chosen.iloc[0]))}" if len(chosen) else "none chosen"]
    counts = trials["state"].value_counts()
    said += [f"{counts[state]} {state}" for state in ("diverged", "failed", "stopped", "waiting") if state in counts]
    if many := len(panels.off_scale(trials, scale)):
        said.append(f"{many} off the scale")
    if unplaced := int((~(trials["lr"] > 0)).sum()):
        said.append(f"{unplaced} at a rate that is not a number above 0, not drawn")
    return f"{count(len(trials), 'trial')}: {', '.join(said)}"


def tuned(records: Records, arm: str, look: Look) -> dict[str, Any]:
    """Return an arm's tuned parameters beside the ranges they were searched in."""
    row = records.arms[records.arms["arm"] == arm].iloc[0]
    params: Mapping[str, Any] = row["tuned_params"]
    at_edge = facts.at_edge(records, arm, params)
    spaces: Mapping[str, Mapping[str, Any]] = records.meta.spaces.get(arm, {})
    rows = []
    for name in dict.fromkeys((*spaces, *params)):
        searched = facts.read_range(spaces[name]) if name in spaces else facts.Range("not searched")
        place = searched.position(params[name]) if name in params else None
        value = setting(params[name]) if name in params else NOTHING
        rows.append(
            {
                "name": name,
                "value": value,
                "range": searched.text,
                "edge": at_edge and name == "lr",
                "place": None if place is None else f"{100 * place:.1f}",
            }
        )
    meta = records.meta
    unit = meta.deciding.unit
    says = "nothing chosen"
    if params:
        score = measure(float(row["tuned_value"]), unit)
        says = f"trial {int(row['tuned_trial'])}, {facts.title_of(meta.deciding.tune_column)} {score}"
    return {
        "arm": arm,
        "look": look,
        "rows": rows,
        "says": says,
        "reference": meta.references.get(row["optimizer"], ""),
    }


def trials(records: Records, names: Mapping[str, str]) -> list[dict[str, str]]:
    """Return every trial as strings."""
    unit = records.deciding.unit
    chosen = dict(zip(records.arms["arm"], records.arms["tuned_trial"], strict=True))
    rows = []
    for trial in records.trials.to_dict("records"):
        value = trial["value"]
        seconds = trial["seconds"]
        rows.append(
            {
                "arm": names.get(trial["arm"], trial["arm"]),
                "number": str(trial["number"]),
                "chosen": "chosen" if trial["number"] == chosen.get(trial["arm"]) else "",
                "state": trial["state"],
                "value": measure(None if value is None else float(value), unit),
                "params": settings(trial["params"]),
                "seconds": number(None if seconds is None else float(seconds)),
                "reason": trial["reason"] or "",
                "run": trial["run_id"],
            }
        )
    return rows
