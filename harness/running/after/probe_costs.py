"""What the probes would cost and leave out: each is timed on freshly built networks, before anything is spent.

One network stands for all of the same architecture. What differs by arm, a training that a probe asks for, is added for each.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from harness.benchmark.arms import middle
from harness.benchmark.comparison import ComparisonRun, comparison_runs, restart_runs
from harness.benchmark.plan import Setting
from harness.console.progress import Reporter
from harness.data.images import Progress
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Probe
from harness.running.after.measuring import Runs, first_timed
from harness.running.after.probe_work import seconds_needed, work_of
from harness.running.after.retraining import note_trainings, retraining_seconds, shortened
from harness.running.time_limit import TimeLimit
from harness.running.workbench import Bench

PART_FOR_TIMING = 0.05  # of a time limit, for timing probes
# Seconds: a measurement that takes longer is not repeated to be timed warm. Of pairs, the second one is faster, because the first
# one kept something of its networks. Of one network nothing is kept, so the first time is right already: 4.1 s of processor time and then 4.0 for
# sharpness, 13.2 and 13.3 for stability (flagship, two cores, 27 Nov 2026).
DEAR_OF_PAIR, DEAR = 5.0, 1.0


def planned_cells(setting: Setting, replicates: int) -> list[ComparisonRun]:
    """Return the comparison of so many replicates, as it will be if every search chooses the middle of the space."""
    searched = (*setting.plan.competitors, *setting.plan.controls_of("aa"))
    chosen = {arm.name: middle(arm) for arm in searched}
    planned = comparison_runs(setting, [chosen] * replicates)
    return [*planned, *restart_runs(setting, planned)]


def probe_costs(
    setting: Setting, planned: Sequence[ComparisonRun], progress: Progress = lambda what, done, total: None
) -> list[dict[str, Any]]:
    """Return a row per probe: how many measurements there are and are asked for, and what they take.

    A probe that fails on networks that are not trained is not timed, and ``problem`` says why. ``part`` says which of
    all measurements ``compare.probe_sizes`` asks for, "" where all.
    """
    rows: list[dict[str, Any]] = []
    for probe in setting.plan.probes:
        progress(f"timing probes, now {probe.name}", len(rows), len(setting.plan.probes))
        rows.append(_cost(probe, setting, planned))
    if rows:
        progress("timing probes", len(rows), len(rows))
    return rows


def wanted_of(
    setting: Setting, planned: Sequence[ComparisonRun], timed: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:  # fmt: skip
    """Return rows of probes that were ``timed``, for other networks."""
    rows = []
    for probe, row in zip(setting.plan.probes, timed, strict=True):
        count = len(work_of(probe, setting, planned).wanted)
        rows.append({**row, "wanted": count, "seconds": count * row["seconds_each"]})
    return rows


def foretell(setting: Setting, replicates: int, limit: TimeLimit, reporter: Reporter) -> list[str]:
    """Return a line for each probe that will not measure everything; under a time limit each is timed, and noted there.

    The timing ends when it has taken a twentieth of the limit: the other probes count as nothing until they have measured.
    """
    planned, lines, began = planned_cells(setting, replicates), [], time.monotonic()
    for probe in setting.plan.probes:
        work = work_of(probe, setting, planned)
        late = time.monotonic() - began > PART_FOR_TIMING * (limit.seconds or 0.0)
        timed = limit.is_set and probe.name not in limit.probes and not late
        if timed or work.part(work.asked):
            with reporter.during(f"timing the probe {probe.name}"):
                row = _cost(probe, setting, planned, timed)
            lines += [probe_line(row)] if row["part"] or row["problem"] else []
            if row["timed"]:
                limit.probes[probe.name] = row["seconds_each"]
    return lines


def wanted_measurements(setting: Setting, planned: Sequence[ComparisonRun]) -> dict[str, int]:
    """Return by probe how many measurements are asked for on the networks of these runs."""
    return {probe.name: len(work_of(probe, setting, planned).wanted) for probe in setting.plan.probes}


def _cost(
    probe: Probe, setting: Setting, planned: Sequence[ComparisonRun], timed: bool = True
) -> dict[str, Any]:  # fmt: skip
    work = work_of(probe, setting, planned)
    seconds_each, problem = _price(probe, setting, work.wanted) if timed else (0.0, "")
    count = len(work.wanted)
    return {
        "probe": probe.name,
        "unit": work.unit,
        "possible": len(work.all),
        "wanted": count,
        "counted": work.count(count),
        "part": work.part(work.asked),
        "timed": timed and not problem,
        "seconds_each": seconds_each,
        "seconds": count * seconds_each,
        "problem": problem,
    }


def probe_line(row: dict[str, Any]) -> str:
    """Return for a person what a probe will measure, and what that takes."""
    line = f"probe {row['probe']}: {row['part'] or row['counted']}"
    line += " (compare.probe_sizes)" if row["part"] else ""
    if row["problem"]:
        return f"{line}, not timed: {row['problem']}"
    if row["timed"]:
        line += f", at about {row['seconds_each']:.2g} s each: {seconds_needed(row['seconds'])}"
    return line


def _price(probe: Probe, setting: Setting, every: Sequence[Runs]) -> tuple[float, str]:
    """Return what a measurement costs in the mean over those of all networks, and why it is not known, or ""."""
    prices: list[tuple[float, int]] = []
    for measurements in first_timed(every, len(every)).values():
        try:
            with Boundary("probe", probe.name, "measure", everything=True):
                seconds = _timed(probe, setting, measurements[0])
            if probe.networks == 1:
                bench = Bench(setting, lambda _: None)
                seconds += retraining_seconds(probe, bench, [run for (run,) in measurements])
            prices.append((seconds, len(measurements)))
        except PluginFailed as error:
            return 0.0, error.why
    many = sum(count for _, count in prices)
    return (sum(price * count for price, count in prices) / many if many else 0.0), ""


def _timed(probe: Probe, setting: Setting, runs: Runs) -> float:
    """Return the seconds of one measurement on new networks, the second where the first was quick.

    A training that the probe asks for has one epoch here, and does not count.
    """
    bench = Bench(setting, lambda _: None)
    parts = [bench.parts(shortened(run)) for run in runs]
    trainings = [note_trainings(network) for network in parts]
    for network in parts:
        network.model.eval()
    spent = 0.0
    for _ in range(2):
        for network in parts if probe.networks == 1 else ():
            network.probe_cache.clear()  # of pairs, what a probe keeps of a network serves many measurements; else only one
        for seconds in trainings:
            seconds.clear()
        start = time.perf_counter()
        probe.measure(*parts, **probe.options)
        spent = time.perf_counter() - start - sum(map(sum, trainings))
        if spent > (DEAR if probe.networks == 1 else DEAR_OF_PAIR):
            break
    return spent
