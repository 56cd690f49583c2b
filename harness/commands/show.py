"""What ``harness status`` and ``harness show`` tell about a run folder, for people and, as JSON, for scripts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.analysis import analyse
from harness.commands.verdicts import verdict_lines, verdict_of
from harness.contracts import Analysis
from harness.records import Records, open_records, schema
from harness.registry import Registry
from harness.report import text_of

if TYPE_CHECKING:
    from pandas import DataFrame

SHOW_VERSION = 1  # of the JSON document


def status(folder: Path) -> dict[str, Any]:
    """Return what of a run is done and left: trials and seeds per arm, epochs so far of the runs under way."""
    records = open_records(folder)
    plan = records.meta["benchmark"]
    arms = []
    for arm in records.meta["arms"]:
        trials = records.trials[records.trials["arm"] == arm]
        seeds = records.compared().query("arm == @arm")
        arms.append(
            {
                "arm": arm,
                "trials": {**_counts(trials), "total": records.trials_wanted(arm)},
                "seeds": {**_counts(seeds), "total": plan["compare"]["seeds"]},
            }
        )
    over = _over(records)
    waiting = records.runs[records.runs["state"] == schema.WAITING]
    under_way = records.epochs[records.epochs["run_id"].isin(waiting["run_id"])].groupby("run_id")["epoch"].max()
    return {
        "run": str(folder),
        "name": records.name,
        "state": "finished" if over else "unfinished",
        "arms": arms,
        "under_way": {str(run): int(epoch) for run, epoch in under_way.items()},
        "seconds": float(records.runs["seconds"].sum()),
        "command": records.meta["command"],
    }


def show(folder: Path, registry: Registry | None = None) -> dict[str, Any]:
    """Return the results: arms with trials, tuned parameters, and per-seed metrics, seconds and state.

    With a registry they begin with the ``headline``, the lines of the report format "text", so that the console says
    what the reports say, and have the ``alarms`` of the searches and the ``verdict``, once something has been compared.
    ``constant`` is what the best constant answer scores, by split and metric.

    A metric that was not measured is absent, and no number is ever NaN, so the document is strict JSON.
    """
    records = open_records(folder)
    runs = records.runs.set_index("run_id", drop=False)
    return {
        "schema_version": SHOW_VERSION,
        "run": str(folder),
        "name": records.name,
        "state": "finished" if _over(records) else "unfinished",
        **({"headline": text_of(folder, "text", registry).splitlines()} if registry else {}),
        "metric": records.meta["metric"],
        "metrics": records.meta["metrics"],
        "constant": records.meta.get("constant", {}),
        **({"alarms": _alarms(records, registry)} if registry else {}),
        "data": records.meta["data"],
        "environment": records.meta["environment"],
        "command": records.meta["command"],
        "benchmark": records.meta["benchmark"],
        **({"verdict": verdict} if registry and (verdict := verdict_of(records, registry)) else {}),
        "arms": [_arm(records, arm, runs) for arm in records.meta["arms"]],
    }


def _arm(records: Records, arm: str, runs: DataFrame) -> dict[str, Any]:
    about = records.arms[records.arms["arm"] == arm].iloc[0]
    trials = records.trials[records.trials["arm"] == arm]
    seeds = records.compared().query("arm == @arm")
    chosen = None if _missing(about["tuned_trial"]) else int(about["tuned_trial"])
    return {
        "arm": arm,
        **{part: about[part] for part in ("backbone", "optimizer", "scheduler")},
        "tuned": {"trial": chosen, "value": _number(about["tuned_value"]), "params": dict(about["tuned_params"])},
        "trials": [
            {
                "number": int(trial["number"]),
                "state": trial["state"],
                "reason": trial["reason"],
                "value": _number(trial["value"]),
                "params": dict(trial["params"]),
                "seconds": _number(trial["seconds"]),
                "run_id": trial["run_id"],
                "metrics": _metrics(runs.loc[trial["run_id"]], records),
            }
            for _, trial in trials.iterrows()
        ],
        "seeds": [
            {
                "seed": int(run["seed"]),
                "state": run["state"],
                "reason": run["reason"],
                "seconds": _number(run["seconds"]),
                "run_id": run["run_id"],
                "metrics": _metrics(run, records),
            }
            for _, run in seeds.iterrows()
        ],
    }


def _metrics(run: Any, records: Records) -> dict[str, float]:
    """Return a run's numbers by name: the task's metrics on every split, and what probes measured (``PROBE.NAME``)."""
    ends = tuple(f"_{name}" for name in records.meta["metrics"])
    names = [name for name in records.runs.columns if "." in name or name.endswith(ends)]
    numbers = {name: _number(run[name]) for name in names}
    return {name: value for name, value in numbers.items() if value is not None}


def _alarms(records: Records, registry: Registry) -> list[dict[str, Any]]:
    """Return the tuning alarms that went off, the arms in their order."""
    wanted = [a for a in registry.all("analysis") if isinstance(a, Analysis) and a.name == "alarms"]
    table = analyse(records, wanted).tables.get("alarms")
    if table is None:
        return []
    raised = table[table["state"] == "alarm"].to_dict("records")
    return [
        {"arm": row["arm"], "alarm": row["alarm"], "against": row["against"]}
        | {key: value for key in ("value", "limit") if (value := _number(row[key])) is not None}
        for row in raised
    ]


def _counts(runs: DataFrame) -> dict[str, int]:
    return {state: int((runs["state"] == state).sum()) for state in (*schema.ENDED, schema.WAITING)}


def _over(records: Records) -> bool:
    """Return whether every trial and every seed that the benchmark wants has ended."""
    searched = all(records.search_over(arm) for arm in records.meta["arms"])
    waiting = schema.WAITING in {*records.compared()["state"], *records.comparison["state"]}
    return searched and "compare_runs" in records.meta and not waiting


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(value: Any) -> float | None:
    return None if _missing(value) or not math.isfinite(float(value)) else float(value)


def status_lines(found: dict[str, Any]) -> list[str]:
    """Return the status for a person."""
    lines = [f"{found['run']}: {found['state']}, {found['seconds']:.0f} s of training so far"]
    for arm in found["arms"]:
        parts = []
        for what in ("trials", "seeds"):
            counts = arm[what]
            bad = "".join(f", {counts[state]} {state}" for state in ("stopped", "diverged", "failed") if counts[state])
            parts.append(f"{what} {sum(counts[s] for s in schema.ENDED)}/{counts['total']}{bad}")
        lines.append(f"  {arm['arm']}: {'; '.join(parts)}")
    lines += [f"  under way: run {run}, {epoch} epochs recorded" for run, epoch in found["under_way"].items()]
    return lines


def show_lines(found: dict[str, Any]) -> list[str]:
    """Return the results for a person: mean and standard deviation of the deciding metric per arm."""
    metric, unit = found["metric"], found["metrics"][found["metric"]]["unit"]
    scale = 100 if unit == "%" else 1
    lines = [f"{found['name']}: {found['state']}; {found['data']['source']}"]
    if found["data"]["notice"]:
        lines.append(f"note: {found['data']['notice']}")
    lines += found.get("headline", [])
    for arm in found["arms"]:
        scores = [s["metrics"].get(f"test_{metric}") for s in arm["seeds"] if s["state"] == schema.DONE]
        values = [scale * value for value in scores if value is not None]
        tuned = " ".join(
            f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in arm["tuned"]["params"].items()
        )
        if not values:
            none = f"none of its {len(scores)} comparison runs has a finite test {metric}"
            why = none if scores else "no finished comparison run"
            lines.append(f"  {arm['arm']}: {why}{f'; tuned to {tuned}' if tuned else ''}")
            continue
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else math.nan
        digits = ".2f" if unit == "%" else ".4g"
        shown = f"{mean:{digits}}{f' ± {spread:{digits}}' if len(values) > 1 else ''} {unit}".rstrip()
        lines.append(f"  {arm['arm']}: test {metric} {shown} (mean ± SD of {len(values)} seeds; {tuned})")
    return lines + (verdict_lines(found["verdict"]) if "verdict" in found else [])
