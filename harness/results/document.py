"""A run's results as one document, which ``harness show --json`` prints; and the lines made of it, with which a run ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.console.columns import cut, folded
from harness.console.numbers import assignments, counted, measure, plain
from harness.results.run_state import left_out, state_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from harness.plugin.contracts import Results
    from harness.plugin.registry import Registry
    from harness.records import Records

SHOW_VERSION = 1  # of the JSON document, of one run or of several workloads
WIDTH = 80  # columns of the lines that a run ends with
BEST = 8  # arms that these lines name


def describe_results(
    records: Records,
    registry: Registry | None = None,
    results: Results | None = None,
    against: str | None = None,
) -> dict[str, Any]:
    """Return the results as one document: arms with trials, tuned parameters, and per-seed metrics, seconds and state.

    With a registry and results there are also:

    - ``headline``: the lines of the report that has one, so that the console says what the reports say;
    - ``alarms``: those of the searches that went off;
    - ``verdict``: once something has been compared;
    - ``against``: the arms compared with the one that ``against`` or the file names; absent where neither does;
    - ``problems``: the files that are gone or damaged, and the analyses that failed;
    - ``blocked``: a sentence for each plugin that the user left out.

    Alarms and verdict are the core's own: they are there whatever plugin is blocked.
    ``constant`` is what the best constant answer scores, by split and metric. A metric that was not measured is absent,
    and no number is ever NaN, so the document is strict JSON.
    """
    from harness.records.promised import summary

    analysed = _of_analyses(records, registry, results, against) if registry and results else Analysed()
    runs, scores = records.runs.set_index("run_id", drop=False), _describe_scores(records)
    return {
        "schema_version": SHOW_VERSION,
        "run": str(records.folder),
        "name": records.name,
        "state": state_of(records),
        **analysed.headline,
        "metric": records.meta.metric,
        "search_metric": records.meta.search_metric,
        "metrics": records.meta.metrics,
        "constant": records.meta.constant,
        **analysed.alarms,
        "data": records.meta.data,
        "notes": records.meta.fairness.get("notes", []),
        "left_out": left_out(records),
        "lacking": summary(records.lacking),
        "environment": records.meta.environment,
        "command": records.meta.command,
        "preset": records.meta.preset,
        "benchmark": records.meta.benchmark,
        **analysed.verdict,
        **analysed.against,
        "arms": [{**_describe_arm(records, arm, runs), **scores[arm]} for arm in records.meta.arms],
    }


@dataclass(frozen=True)
class Analysed:
    """What the analyses add to the document, by key; a part without a result is empty."""

    headline: Mapping[str, Any] = field(default_factory=dict)
    alarms: Mapping[str, Any] = field(default_factory=dict)  # with ``problems`` and ``blocked``
    verdict: Mapping[str, Any] = field(default_factory=dict)
    against: Mapping[str, Any] = field(default_factory=dict)


def _of_analyses(records: Records, registry: Registry, results: Results, against: str | None) -> Analysed:
    """Return headline, alarms, verdict and comparison with one arm, whatever plugin is blocked."""
    from harness.console.safe_text import impersonal
    from harness.results.analysis import own_tables
    from harness.results.compared_with import describe_against
    from harness.results.reports import headline_of
    from harness.verdict import tuning
    from harness.verdict.reading import TABLES, plain_verdict, read_verdicts

    core = own_tables(results, [*TABLES, tuning.ANALYSIS], registry)
    headline = headline_of(replace(results, tables={**results.tables, **core.tables}), registry)
    verdict = plain_verdict(read_verdicts(records.meta, core.tables))
    described = describe_against(results, registry, against)
    return Analysed(
        headline={"headline": headline.splitlines()} if headline else {},
        alarms={
            "alarms": _alarms(core),
            "problems": list(impersonal(core.problems)),
            "blocked": list(results.left_out),
        },
        verdict={"verdict": verdict} if verdict else {},
        against={"against": described} if described else {},
    )


def _describe_arm(records: Records, arm: str, runs: DataFrame) -> dict[str, Any]:
    tuned = records.arms[records.arms["arm"] == arm].iloc[0]
    trials = records.trials[records.trials["arm"] == arm]
    seeds = records.compared().query("arm == @arm")
    best_trial = None if _is_missing(tuned["tuned_trial"]) else int(tuned["tuned_trial"])
    return {
        "arm": arm,
        **{part: tuned[part] for part in ("backbone", "optimizer", "scheduler")},
        "tuned": {"trial": best_trial, "value": _finite(tuned["tuned_value"]), "params": dict(tuned["tuned_params"])},
        "trials": [_describe_trial(trial, runs.loc[trial["run_id"]], records) for _, trial in trials.iterrows()],
        "seeds": [_describe_seed(run, records) for _, run in seeds.iterrows()],
    }


def _describe_scores(records: Records) -> dict[str, dict[str, Any]]:
    """Return by arm its rank in the leaderboard, from 1, and the leaderboard's mean and standard deviation."""
    from harness.results.tables.draws import draw_word
    from harness.results.tables.leaderboard import ranked_scores

    described = {}
    for rank, (arm, score) in enumerate(ranked_scores(records).items(), 1):
        numbers = {name: _finite(score[name]) for name in ("mean", "sd")}
        known = {name: number for name, number in numbers.items() if number is not None}
        counts = {"n": score["n"], "draws": score["draws"], "over": f"{draw_word(records)}s"}
        described[arm] = {"rank": rank, "score": {**known, **counts}}
    return described


def _describe_trial(trial: Any, run: Any, records: Records) -> dict[str, Any]:
    return {
        "number": int(trial["number"]),
        "state": trial["state"],
        "reason": trial["reason"],
        "value": _finite(trial["value"]),
        "params": dict(trial["params"]),
        "seconds": _finite(trial["seconds"]),
        "run_id": trial["run_id"],
        "metrics": _metrics(run, records),
        **_describe_confirmation(trial),
    }


def _describe_confirmation(trial: Any) -> dict[str, Any]:
    """Return how the run ended that trained a trial once more before the search chose; nothing where there was none."""
    if not trial["confirmation"]:
        return {}
    ended = {"run_id": trial["confirmation"], "state": trial["confirmation_state"]}
    return {"confirmation": {**ended, "value": _finite(trial["confirmed"])}}


def _describe_seed(run: Any, records: Records) -> dict[str, Any]:
    return {
        "seed": int(run["seed"]),
        "state": run["state"],
        "reason": run["reason"],
        "seconds": _finite(run["seconds"]),
        "run_id": run["run_id"],
        "metrics": _metrics(run, records),
    }


def _metrics(run: Any, records: Records) -> dict[str, float]:
    """Return a run's numbers by name: the task's metrics on every split, and what probes measured (``PROBE.NAME``)."""
    ends = tuple(f"_{name}" for name in records.meta.metrics)
    columns = [column for column in records.runs.columns if "." in column or column.endswith(ends)]
    numbers = {column: _finite(run[column]) for column in columns}
    return {column: number for column, number in numbers.items() if number is not None}


def _alarms(results: Results) -> list[dict[str, Any]]:
    """Return the tuning alarms that went off, the arms in their order."""
    from harness.verdict import tuning

    table = results.tables.get(tuning.ANALYSIS.name)
    if table is None:
        return []
    alarms = []
    for row in table[table["state"] == "alarm"].to_dict("records"):
        alarm = {"arm": row["arm"], "alarm": row["alarm"], "against": row["against"]}
        numbers = {"value": _finite(row["value"]), "limit": _finite(row["limit"])}
        alarms.append(alarm | {key: number for key, number in numbers.items() if number is not None})
    return alarms


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _finite(value: Any) -> float | None:
    """Return a number that JSON can hold; None for a missing, infinite or undefined one."""
    return None if _is_missing(value) or not math.isfinite(float(value)) else float(value)


def show_lines(document: Mapping[str, Any]) -> list[str]:
    """Return the results for a person: mean and standard deviation of the deciding metric per arm, as the leaderboard ranks them."""
    from harness.results.compared_with import against_lines
    from harness.results.reports import doubts_in
    from harness.verdict.reading import verdict_lines

    lines = [f"{document['name']}: {document['state']}; {document['data']['source']}"]
    if document["data"]["notice"]:
        lines.append(f"note: {document['data']['notice']}")
    lines += [f"note: {note}" for note in document["notes"]]
    lines += [f"note: {document['preset']['line']}"] if document["preset"] else []
    lines += [f"note: {line}" for line in document.get("blocked", ())]
    headline = document.get("headline", [])
    lines += headline
    lines += [_arm_line(document, arm) for arm in _ranked(document)]
    lines += against_lines(document.get("against", {}))
    if "verdict" in document:
        lines += verdict_lines(document["verdict"], with_doubts=not doubts_in(headline))
    untold = [line for line in document.get("problems", ()) if not any(line in told for told in lines)]
    lines += [f"warning: {line}" for line in untold]
    return lines + [sentence for sentence in document["left_out"] if not any(sentence in line for line in lines)]


def _arm_line(document: Mapping[str, Any], arm: Mapping[str, Any]) -> str:
    """Return an arm's score and what it was tuned to; or why it has no score."""
    from harness.records import schema

    params = arm["tuned"]["params"]
    tuned, score = assignments(params), arm["score"]
    if score["n"]:
        seeds = counted(score["n"], "seed")
        draws = seeds if score["over"] == "seeds" else f"{counted(score['draws'], 'replicate')}, {seeds}"
        return (
            f"  {arm['arm']}: test {document['metric']} {_score_text(document, score)} (mean ± SD of {draws}; {tuned})"
        )
    ended = sum(seed["state"] == schema.DONE for seed in arm["seeds"])
    reason = "no finished comparison run"
    if ended:
        reason = f"none of its {counted(ended, 'comparison run')} has a finite test {document['metric']}"
    return f"  {arm['arm']}: {reason}{f'; tuned to {tuned}' if tuned else ''}"


def closing_lines(results: Results, registry: Registry) -> list[str]:
    """Return the few lines on what came out, with which a run ends, from a shell or from Python."""
    return result_lines(describe_results(results.records, registry, results))


def result_lines(document: Mapping[str, Any]) -> list[str]:
    """Return the results in the few lines of ``WIDTH`` columns that a run ends with.

    They are the answer, the verdict, the gravest doubt, and the arms by rank, after a line that says what their numbers are.
    """
    from harness.plugin.runs import short_arm_names
    from harness.results.reports import DOUBT, doubts_in
    from harness.verdict.reading import verdict_lines

    headline = document.get("headline", [])
    answer, doubts = headline[1:2], doubts_in(headline)[:1]  # the question is left out
    compares = "verdict" in document and len(document["arms"]) > 1
    verdict = verdict_lines(document["verdict"])[:1] if compares else []
    lines = []
    for text in (*answer, *verdict, *(f"{DOUBT}{doubt}" for doubt in doubts)):
        lines += folded(text, WIDTH)
    scored = [arm for arm in _ranked(document) if arm["score"]["n"]]
    names = short_arm_names(arm["arm"] for arm in document["arms"])
    width = max((len(names[arm["arm"]]) for arm in scored), default=0)
    if scored:
        with_spread = any("sd" in arm["score"] for arm in scored)
        spread = f", mean ± SD over {scored[0]['score']['over']}" if with_spread else ""
        lines.append(f"test {document['metric']}{spread}:")
    for rank, arm in enumerate(scored[:BEST], 1):
        score = f"{_score_text(document, arm['score'])} ({counted(arm['score']['n'], 'seed')})"
        lines.append(cut(f"  {rank}. {names[arm['arm']]:{width}}  {score}", WIDTH))
    hidden = len(document["arms"]) - len(scored[:BEST])
    if scored and hidden:
        lines.append(f"  and {counted(hidden, 'more arm')}")
    against = document.get("against", {})
    for text in (*(arm["sentence"] for arm in against.get("arms", ())[:BEST]), *against.get("remarks", ())):
        lines += folded(text, WIDTH)
    return lines


def _ranked(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the arms in the order of the leaderboard."""
    return sorted(document["arms"], key=lambda arm: int(arm["rank"]))


def _score_text(document: Mapping[str, Any], score: Mapping[str, Any]) -> str:
    """Return an arm's mean score and its standard deviation, where it has one, with the metric's unit."""
    unit = document["metrics"][document["metric"]]["unit"]
    mean = score.get("mean", math.inf)  # JSON has no infinite number, so a mean that overflows is absent
    if "sd" not in score:
        return measure(mean, unit)
    return f"{plain(mean, unit)} ± {plain(score['sd'], unit)} {unit}".rstrip()
