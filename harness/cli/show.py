"""What ``harness status`` and ``harness show`` tell about a run folder, for people and, as JSON, for scripts."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from harness.console.progress import counted, duration
from harness.console.safe_text import impersonal
from harness.plugin.contracts import Results
from harness.plugin.meta import Deciding
from harness.plugin.registry import Registry
from harness.records import Records, open_records, schema
from harness.records.promised import summary
from harness.results.analysis import analyse
from harness.results.reports import headline_of, results_of
from harness.verdict import tuning
from harness.verdict.reading import TABLES, plain_verdict, read_verdicts, verdict_lines

if TYPE_CHECKING:
    from pandas import DataFrame

SHOW_VERSION = 1  # of the JSON document
WIDTH = 80  # columns of the lines that a run ends with
BEST = 3  # arms that these lines name


def status(folder: Path) -> dict[str, Any]:
    """Return what of a run is done and left: trials and seeds per arm, epochs so far of the runs under way."""
    records = open_records(folder)
    plan = records.meta.benchmark
    arms = []
    for arm in records.meta.arms:
        trials = records.trials[records.trials["arm"] == arm]
        seeds = records.compared().query("arm == @arm")
        arms.append(
            {
                "arm": arm,
                "trials": {**_counts(trials), "total": records.trials_wanted(arm)},
                "exhausted": records.exhausted(arm),
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
        "left_out": left_out(records),
        "lacking": summary(records.find_lacking(whole=False)),
        "command": records.meta.command,
    }


def left_out(records: Records) -> list[str]:
    """Return a sentence for each late probe of which a limit in seconds has left something out, with the remedy."""
    sentences = [str(about.get("left_out") or "") for about in records.meta.probes.values()]
    return [sentence for sentence in sentences if sentence]


def show(folder: Path, registry: Registry | None = None) -> dict[str, Any]:
    """Return the results of a run folder as one document, ``document``; with a registry also what its analyses say."""
    results = results_of(folder, registry) if registry else None
    return document(results.records if results else open_records(folder), registry, results)


def document(records: Records, registry: Registry | None = None, results: Results | None = None) -> dict[str, Any]:
    """Return the results: arms with trials, tuned parameters, and per-seed metrics, seconds and state.

    With a registry and results they begin with the ``headline``, the lines of the report that has one, so that the console
    says what the reports say, and have the ``alarms`` of the searches and the ``verdict``, once something has been compared.
    Alarms and verdict are the core's own: they are there whatever plugin is blocked.
    ``problems`` are the files that are gone or damaged, and the analyses that failed. ``constant`` is what the best constant answer scores, by split and metric.

    A metric that was not measured is absent, and no number is ever NaN, so the document is strict JSON.
    """
    runs = records.runs.set_index("run_id", drop=False)
    analysed: dict[str, Any] = {}
    if registry and results:
        own = analyse(records, [*TABLES, tuning.ANALYSIS])
        if headline := headline_of(results, registry):
            analysed["headline"] = headline.splitlines()
        analysed["alarms"] = _alarms(own)
        analysed["problems"] = list(dict.fromkeys([*results.problems, *impersonal(own.problems)]))
        if verdict := plain_verdict(read_verdicts(records.meta, own.tables)):
            analysed["verdict"] = verdict
    return {
        "schema_version": SHOW_VERSION,
        "run": str(records.folder),
        "name": records.name,
        "state": "finished" if _over(records) else "unfinished",
        **({"headline": analysed["headline"]} if "headline" in analysed else {}),
        "metric": records.meta.metric,
        "metrics": records.meta.metrics,
        "constant": records.meta.constant,
        **{key: analysed[key] for key in ("alarms", "problems") if key in analysed},
        "data": records.meta.data,
        "notes": records.meta.fairness.get("notes", []),
        "left_out": left_out(records),
        "lacking": summary(records.lacking),
        "environment": records.meta.environment,
        "command": records.meta.command,
        "benchmark": records.meta.benchmark,
        **({"verdict": analysed["verdict"]} if "verdict" in analysed else {}),
        "arms": [_arm(records, arm, runs) for arm in records.meta.arms],
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
    ends = tuple(f"_{name}" for name in records.meta.metrics)
    names = [name for name in records.runs.columns if "." in name or name.endswith(ends)]
    numbers = {name: _number(run[name]) for name in names}
    return {name: value for name, value in numbers.items() if value is not None}


def _alarms(results: Results) -> list[dict[str, Any]]:
    """Return the tuning alarms that went off, the arms in their order."""
    table = results.tables.get(tuning.ANALYSIS.name)
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
    searched = all(records.search_over(arm) for arm in records.meta.arms)
    waiting = schema.WAITING in {*records.compared()["state"], *records.comparison["state"]}
    return searched and records.meta.compare_runs is not None and not waiting


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
            grid = f", all {arm['exhausted']} combinations" if what == "trials" and arm["exhausted"] else ""
            parts.append(f"{what} {sum(counts[s] for s in schema.ENDED)}/{counts['total']}{grid}{bad}")
        lines.append(f"  {arm['arm']}: {'; '.join(parts)}")
    lines += [f"  under way: run {run}, {epoch} epochs recorded" for run, epoch in found["under_way"].items()]
    return lines + [f"  {sentence}" for sentence in (*found["left_out"], found["lacking"]) if sentence]


def show_lines(found: dict[str, Any]) -> list[str]:
    """Return the results for a person: mean and standard deviation of the deciding metric per arm, the best arm first."""
    lines = [f"{found['name']}: {found['state']}; {found['data']['source']}"]
    if found["data"]["notice"]:
        lines.append(f"note: {found['data']['notice']}")
    lines += [f"note: {note}" for note in found["notes"]]
    lines += found.get("headline", [])
    for arm in _ranked(found):
        tuned = " ".join(
            f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in arm["tuned"]["params"].items()
        )
        scores = _scores(found, arm)
        if scores:
            about = f"mean ± SD of {counted(len(scores), 'seed')}; {tuned}"
            lines.append(f"  {arm['arm']}: test {found['metric']} {_shown(found, scores)} ({about})")
        else:
            ended = sum(seed["state"] == schema.DONE for seed in arm["seeds"])
            none = f"none of its {counted(ended, 'comparison run')} has a finite test {found['metric']}"
            why = none if ended else "no finished comparison run"
            lines.append(f"  {arm['arm']}: {why}{f'; tuned to {tuned}' if tuned else ''}")
    lines += verdict_lines(found["verdict"]) if "verdict" in found else []
    lines += [f"warning: {problem}" for problem in found.get("problems", ())]
    return lines + [sentence for sentence in found["left_out"] if not any(sentence in line for line in lines)]


def result_lines(found: dict[str, Any], seconds: float) -> list[str]:
    """Return the results in the few lines of ``WIDTH`` columns that a run ends with: answer, verdict, the best arms."""
    answer = found.get("headline", [])[1:2]  # after the question
    verdict = verdict_lines(found["verdict"])[:1] if "verdict" in found else []
    lines = [line for text in (*answer, *verdict) for line in wrap(text, WIDTH, subsequent_indent="  ")]
    arms = [(arm, scores) for arm in _ranked(found) if (scores := _scores(found, arm))]
    names = _short([arm["arm"] for arm in found["arms"]])
    wide = max((len(names[arm["arm"]]) for arm, _ in arms[:BEST]), default=0)
    for place, (arm, scores) in enumerate(arms[:BEST], 1):
        score = f"test {found['metric']} {_shown(found, scores)} ({counted(len(scores), 'seed')})"
        line = f"  {place}. {names[arm['arm']]:{wide}}  {score}"
        lines.append(shorten(line, WIDTH))
    hidden = len(found["arms"]) - min(BEST, len(arms))
    more = f"{counted(hidden, 'more arm')} and all details" if hidden else "all details"
    return [*lines, f"took {duration(seconds)}; {more}: harness show {shlex.quote(found['run'])}"]


def shorten(line: str, width: int) -> str:
    """Return the line, cut to so many columns where it is longer."""
    return line if len(line) <= width else f"{line[: width - 3]}..."


def _short(arms: Sequence[str]) -> dict[str, str]:
    """Return the arms' names without the parts that all of them share; the optimizer always stays."""
    parts = {arm: arm.rsplit("/", 2) for arm in arms}
    keep = [place for place in range(3) if place == 1 or len({each[place] for each in parts.values()}) > 1]
    return {arm: "/".join(each[place] for place in keep) for arm, each in parts.items()}


def _ranked(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the arms by their mean test score, the best first, and those without any at the end."""
    sign = _deciding(found).sign

    def place(arm: dict[str, Any]) -> tuple[bool, float]:
        scores = _scores(found, arm)
        return not scores, -sign * sum(scores) / len(scores) if scores else 0.0

    return sorted(found["arms"], key=place)


def _deciding(found: dict[str, Any]) -> Deciding:
    """Return the deciding metric of what was read of a run."""
    metric = found["metrics"][found["metric"]]
    return Deciding(found["metric"], metric["goal"], metric["unit"])


def _scores(found: dict[str, Any], arm: dict[str, Any]) -> list[float]:
    """Return the deciding metric of every seed of an arm that ended well, on test."""
    column = _deciding(found).column
    values = [seed["metrics"].get(column) for seed in arm["seeds"] if seed["state"] == schema.DONE]
    return [value for value in values if value is not None]


def _shown(found: dict[str, Any], scores: Sequence[float]) -> str:
    """Return the mean of scores and their standard deviation, with the metric's unit."""
    deciding = _deciding(found)
    unit, values = deciding.unit, [(100 if deciding.is_share else 1) * score for score in scores]
    mean = sum(values) / len(values)
    digits = ".2f" if deciding.is_share else ".4g"
    if len(values) == 1:
        return f"{mean:{digits}} {unit}".rstrip()
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return f"{mean:{digits}} ± {spread:{digits}} {unit}".rstrip()
