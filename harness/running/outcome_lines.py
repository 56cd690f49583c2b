"""Lines for the user on how the runs of a benchmark ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Plan
from harness.console import numbers
from harness.plugin.runs import Run
from harness.records import Store, schema
from harness.running.search import Search, study_name

LABEL = 19  # columns for what a run is: "search 2, trial 4/8"


def outcome_line(
    plan: Plan, run: Run, row: Mapping[str, Any], label: str, arm: str = "", taken_from: str = ""
) -> str:  # fmt: skip
    """Return one line on how a run ended; ``row`` has its state, reason, metrics and seconds, ``arm`` is what it is called.

    Hyperparameters stand with a trial only: its confirmation, and the seeds of the arm that chose it, have the same.
    """
    if row["state"] == schema.DONE:
        column, unit = plan.searched.tune_column, plan.searched.unit
        if run.phase == "compare":
            column, unit = f"test_{plan.metric}", plan.goal.unit
        result = f"{column.replace('_', ' ')} {numbers.measure(row['metrics'][column], unit)}"
    else:
        result = f"{row['state']}: {row['reason']}" if row["reason"] else row["state"]
    words = [f"{label:>{LABEL}}", arm or run.arm.name, result, numbers.duration(row["seconds"])]
    words += [f"taken from {taken_from}"] if taken_from else []
    if run.phase == "search" and not row.get("confirms"):
        words.append(numbers.assignments(_rate_first({**run.optimizer, **run.scheduler, "epochs": run.epochs})))
    return "  ".join(words)


def _rate_first(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the learning rate before all others, which a narrow terminal may leave out."""
    return {**{name: value for name, value in settings.items() if name == "lr"}, **settings}


def taken_over_lines(taken: Iterable[tuple[str, int, str, str]]) -> list[str]:
    """Return a line for each run folder that runs were taken from; see ``Store.taken_over``."""
    lines = []
    for folder, number, first, last in taken:
        were, they = ("was", "it was") if number == 1 else ("were", "they were")
        days = f"on {first}" if first == last else f"from {first} to {last}"
        lines.append(f"{numbers.counted(number, 'run')} {were} taken from {folder}, where {they} trained {days}")
    return lines


def run_label(runs: Sequence[ComparisonRun], run: Run) -> str:
    """Return in two words which run of its arm a run of the comparison is."""
    entry = next((entry for entry in runs if entry.run.id == run.id), None)
    kind = entry.role if entry and entry.role in ("restart", "twin") else "seed"
    return f"{kind} {run.init_seed}"


def search_failures(searches: Sequence[Search], names: Mapping[str, str]) -> list[str]:
    """Return a line for every search with trials that failed, or in which none ended well; trials count from one.

    ``names`` has what an arm is called on the console.
    """
    lines = []
    for search in searches:
        name = study_name(names.get(search.arm, search.arm), search.replicate)
        failed = [trial for trial in search.trials if trial["state"] == schema.FAILED]
        if failed:
            first = f"the first one, trial {failed[0]['number'] + 1}: {failed[0]['reason']}"
            lines.append(f"{name}: {len(failed)} of {numbers.counted(len(search.trials), 'trial')} failed; {first}")
        lines += [
            f"{name}: the confirmation of trial {outcome['number'] + 1} failed: {outcome['reason']}"
            for outcome in search.failed_confirmations()
        ]
        if search.trials and search.finished and search.best() is None:  # one without a trial is what a limit left out
            lines.append(f"{name}: no trial ended well, so it cannot be compared")
    return lines


def comparison_failures(runs: Sequence[ComparisonRun], store: Store, names: Mapping[str, str]) -> list[str]:
    """Return a line for every arm and way in which runs of its comparison ended without a result, with the first reason.

    That an optimizer fails with its own defaults is a result, and not listed.
    """
    counts = Counter(entry.run.arm.name for entry in runs if entry.role != "untuned")
    ended: dict[tuple[str, str], list[str]] = {}
    for entry in runs:
        row = store.run(entry.run.id)
        if row and row["reason"] and entry.role != "untuned":
            reason = f"{run_label(runs, entry.run)}: {row['reason']}"
            ended.setdefault((entry.run.arm.name, row["state"]), []).append(reason)
    lines = []
    for (arm, state), reasons in ended.items():
        of_all = f"{len(reasons)} of {numbers.counted(counts[arm], 'run')} of the comparison {state}"
        lines.append(f"{names.get(arm, arm)}: {of_all}; {'the first one, ' if len(reasons) > 1 else ''}{reasons[0]}")
    return lines


def undefined_metrics(plan: Plan, runs: Sequence[ComparisonRun], store: Store) -> list[str]:
    """Return a line for every metric, the deciding one apart, that was no finite number in runs of the comparison."""
    rows = [store.run(entry.run.id) or {} for entry in runs]
    done = [row["metrics"] for row in rows if row.get("state") == schema.DONE]
    undefined: Counter[str] = Counter()
    for metrics in done:
        undefined.update(name for name, value in metrics.items() if value is None)
    undefined.pop(f"test_{plan.metric}", None)
    lines = []
    for name in plan.task.metrics:
        splits = [split for split in ("train", "tune", "test") if undefined[f"{split}_{name}"]]
        if splits:
            most = max(undefined[f"{split}_{name}"] for split in splits)
            lines.append(
                f"metric '{name}' was not a finite number in {most} of {len(done)} runs of the comparison "
                f"({', '.join(splits)}); its means leave them out"
            )
    return lines
