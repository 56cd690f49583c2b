"""How far a run is, from its records alone: trials, seeds, curves, and how long the rest takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.ahead import Ahead
from harness.errors import RunFolderError
from harness.plugin.runs import short_arm_names
from harness.records import Records, open_records, schema
from harness.records.workloads import has_workloads, read_workbook, run_folders
from harness.results.run_state import Measurements, count_measurements, is_over
from harness.verdict.trials import arm_trials

if TYPE_CHECKING:
    from pandas import DataFrame

Points = tuple[tuple[float, float], ...]
MOST_CURVES = 24  # runs whose learning curves are drawn: those under way, then the ones that ended last
LEAST_SECONDS = 30.0  # of work: before that the recorded times, which are whole seconds, say too little


@dataclass(frozen=True)
class ArmProgress:
    """How far one arm is."""

    arm: str
    name: str  # without what all arms share
    trials: int  # that have ended
    trials_wanted: int
    seeds: int  # of the comparison, that have ended
    seeds_wanted: int
    bad: int  # trials and seeds that failed or diverged
    best: float | None  # the best tune score of a trial so far
    best_so_far: Points  # by trial


@dataclass(frozen=True)
class RunProgress:
    """How far one run is. ``problem`` is why its records cannot be read, and then there is nothing else."""

    name: str
    folder: Path
    problem: str = ""
    is_over: bool = False
    left: str = ""  # how long the rest takes, about; "" where nothing is left, or nothing is known
    score: str = ""  # what a trial is scored by
    curve: str = ""  # the metric of the curves
    arms: tuple[ArmProgress, ...] = ()
    measurements: Mapping[str, tuple[int, int]] | None = None  # by probe: made, and to make
    curves: Mapping[str, Points] | None = None  # by "RUN_ID ARM"


def progress_of(folder: Path) -> list[RunProgress]:
    """Return how far the run of a folder is, or the runs of a folder of several workloads, in their order."""
    if has_workloads(folder):
        runs = run_folders(folder)
        return [_progress(runs[member.name], member.name) if member.name in runs
                else RunProgress(member.name, folder, member.problem or "it has not begun")
                for member in read_workbook(folder).members]  # fmt: skip
    return [_progress(folder, folder.name)]


def _progress(folder: Path, name: str) -> RunProgress:
    try:
        records = open_records(folder)
    except RunFolderError as error:  # it begins, or somebody has locked it for the moment
        return RunProgress(name, folder, str(error))
    over = is_over(records)
    metric, measurements = records.deciding.tune_column, count_measurements(records)
    return RunProgress(
        name=records.name,
        folder=folder,
        is_over=over,
        left="" if over else _time_left(records, measurements),
        score=records.searched.tune_column,
        curve=metric,
        arms=tuple(_arm_progress(records, arm, short) for arm, short in short_arm_names(records.meta.arms).items()),
        measurements={probe: (count.done, count.total) for probe, count in measurements.items()},
        curves=_curves(records, metric),
    )


def _arm_progress(records: Records, arm: str, short: str) -> ArmProgress:
    trials, compared = arm_trials(records, arm), records.compared()
    seeds = compared[compared["arm"] == arm]
    ended = trials[trials["state"].isin(schema.ENDED)]
    first = records.trials[(records.trials["arm"] == arm) & records.trials["value"].notna()].sort_values("number")
    sign = records.searched.sign
    best = (sign * first["value"]).cummax() * sign
    bad = (schema.FAILED, schema.DIVERGED)
    return ArmProgress(
        arm=arm,
        name=short,
        trials=len(ended),
        trials_wanted=records.trials_wanted(arm) * records.meta.planned_replicates,
        seeds=int(seeds["state"].isin(schema.ENDED).sum()),
        seeds_wanted=records.meta.planned_seeds,
        bad=int(trials["state"].isin(bad).sum() + seeds["state"].isin(bad).sum()),
        best=float(best.iloc[-1]) if len(best) else None,
        best_so_far=_steps(_points(first["number"] + 1, best)),
    )


def _curves(records: Records, metric: str) -> dict[str, Points]:
    """Return the learning curves of the runs under way and of those that ended last."""
    if metric not in records.epochs:
        return {}
    runs = records.runs[records.runs["started"].notna()].copy()
    runs["last"] = runs["ended"].where(runs["state"] != schema.WAITING, "9999").fillna("9999")
    shown = runs.sort_values("last", kind="stable")["run_id"].tail(MOST_CURVES)
    rows = records.epochs[records.epochs["run_id"].isin(shown) & records.epochs[metric].notna()]
    return {
        f"{run_id} {arm}": _points(of_run["epoch"], of_run[metric])
        for (run_id, arm), of_run in rows.groupby(["run_id", "arm"], sort=True)
    }


def _points(x: Any, y: Any) -> Points:
    return tuple((float(a), float(b)) for a, b in zip(x, y, strict=True))


def _steps(points: Points) -> Points:
    """Return points with those between them at which a value that stays the same until the next one makes a step."""
    corners = [(after[0], before[1]) for before, after in pairwise(points)]
    steps = [point for pair in zip(points, corners, strict=False) for point in pair]
    return (*steps, *points[-1:])


# --- how long the rest takes


def _time_left(records: Records, measurements: Mapping[str, Measurements]) -> str:
    """Return in words how long what is left takes: epochs by the pace of those so far, and measurements as a number."""
    ahead = Ahead()
    ahead.expect("epoch", round(epochs_left(records)), seconds_an_epoch(records))
    for probe, count in measurements.items():
        ahead.expect("measurement", count.left, of=probe)
    return ahead.text


def epochs_left(records: Records) -> float:
    """Return about how many epochs are still to train up to the look that the run goes to."""
    search, compare = records.meta.benchmark["search"], records.meta.benchmark["compare"]
    epochs, replicates = float(compare["epochs"]), records.meta.planned_replicates
    expected = float(search.get("seeds", 1)) * sum(search["epochs"]) / len(search["epochs"])
    left, compared = 0.0, records.compared()
    for arm in records.meta.arms:
        trials = arm_trials(records, arm)
        ended = trials[trials["state"].isin(schema.ENDED)]
        epochs_each = float(ended["trained"].mean()) if len(ended) else expected
        to_try = max(records.trials_wanted(arm) * replicates - len(ended), 0)
        seeds = int((compared[compared["arm"] == arm]["state"].isin(schema.ENDED)).sum())
        to_compare = max(records.meta.planned_seeds - seeds, 0)
        share = to_try / max(records.trials_wanted(arm) * replicates, 1)
        confirmations = share * float(search.get("confirm", 0)) * replicates
        left += to_try * epochs_each + (to_compare + confirmations) * epochs
        left += float(compare.get("untuned", 0)) * epochs * (to_compare > 0)
    return max(left - _epochs_under_way(records), 0.0)


def _epochs_under_way(records: Records) -> int:
    """Return how many epochs are recorded of runs that have not ended."""
    waiting = records.runs.loc[records.runs["state"] == schema.WAITING, "run_id"]
    return int(records.epochs["run_id"].isin(waiting).sum())


def seconds_an_epoch(records: Records) -> float | None:
    """Return the seconds that pass from one epoch to the next, over all workers; None before anything has ended."""
    runs = records.runs[records.runs["state"].isin(schema.ENDED) & (records.runs["taken_from"] == "")]
    epochs = int(records.epochs["run_id"].isin(runs["run_id"]).sum())
    if not epochs:
        return None
    passed = _seconds_covered(runs)
    return (passed if passed > LEAST_SECONDS else float(runs["seconds"].sum())) / epochs


def _seconds_covered(runs: DataFrame) -> float:
    """Return the seconds in which at least one of these runs was under way, so that a pause between two calls is none."""
    times_known = runs[["started", "ended"]].dropna()
    spans = sorted(
        (_time(str(start)), _time(str(end)))
        for start, end in zip(times_known["started"], times_known["ended"], strict=True)
    )
    covered, until = 0.0, float("-inf")
    for start, end in spans:
        covered += max(end - max(start, until), 0.0)
        until = max(until, end)
    return covered


def _time(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def whole_is_over(runs: Sequence[RunProgress]) -> bool:
    """Return whether every run is over, or will not begin."""
    return bool(runs) and all(run.is_over for run in runs if not run.problem) and any(run.is_over for run in runs)
