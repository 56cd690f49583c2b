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
from harness.running.search import Search


def outcome_line(plan: Plan, run: Run, row: Mapping[str, Any], label: str, taken_from: str = "") -> str:
    """Return one line on how a run ended; ``row`` has its state, reason, metrics and seconds."""
    origin = f", taken from {taken_from}" if taken_from else ""
    settings = numbers.assignments({**run.optimizer, **run.scheduler, "epochs": run.epochs})
    if row["state"] == schema.DONE:
        column, unit = plan.searched.tune_column, plan.searched.unit
        if run.phase == "compare":
            column, unit = f"test_{plan.metric}", plan.goal.unit
        result = f"{column.replace('_', ' ')} {numbers.measure(row['metrics'][column], unit)}"
    else:
        result = f"{row['state']}: {row['reason']}" if row["reason"] else row["state"]
    return f"{label:>12}  {run.arm.name}  {result}  ({settings}; {numbers.duration(row['seconds'])}{origin})"


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


def search_failures(searches: Sequence[Search]) -> list[str]:
    """Return a line for every trial that failed, and for every search in which no trial ended well."""
    lines = []
    for search in searches:
        failed = [trial for trial in search.trials if trial["state"] == schema.FAILED]
        lines += [f"{search.study}: trial {trial['number']} failed: {trial['reason']}" for trial in failed[:1]]
        if len(failed) > 1:
            lines.append(f"{search.study}: {len(failed)} of {len(search.trials)} trials failed")
        for outcome in search.failed_confirmations():
            lines.append(f"{search.study}: the confirmation of trial {outcome['number']} failed: {outcome['reason']}")
        if search.finished and search.best() is None:
            lines.append(f"{search.study}: no trial ended well, so it cannot be compared")
    return lines


def comparison_failures(runs: Sequence[ComparisonRun], store: Store) -> list[str]:
    """Return a line for every run of the comparison without a result; that an optimizer's defaults fail is a finding."""
    lines = []
    for entry in runs:
        row = store.run(entry.run.id)
        if row and row["reason"] and entry.role != "untuned":
            lines.append(f"{entry.run.arm.name}: {run_label(runs, entry.run)} {row['state']}: {row['reason']}")
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
