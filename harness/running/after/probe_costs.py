"""What the probes would cost and leave out: each is timed on freshly built networks, before anything is spent."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from harness.benchmark.comparison import ComparisonRun, comparison_runs, restart_runs
from harness.benchmark.plan import Setting
from harness.console.safe_text import command_with
from harness.data.images import Progress
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Probe
from harness.running.after.measuring import Runs, first_timed
from harness.running.after.probe_limits import limit_of, more_seconds, seconds_allowed, seconds_needed
from harness.running.after.probe_work import Work, work_of
from harness.running.workbench import Bench

DEAR = 5.0  # seconds: a measurement that takes longer is not repeated to be timed warm


def planned_cells(setting: Setting, replicates: int) -> list[ComparisonRun]:
    """Return the comparison of so many replicates, as it will be if every search chooses the middle of the space."""
    searched = (*setting.plan.competitors, *setting.plan.controls_of("aa"))
    chosen = {arm.name: {name: inside(space) for name, space in arm.space.items()} for arm in searched}
    planned = comparison_runs(setting, [chosen] * replicates)
    return [*planned, *restart_runs(setting, planned)]


def inside(space: Any, place: float = 0.5) -> Any:
    """Return a value inside a distribution, at a part of the way from its low end to its high one; a choice is the first."""
    if hasattr(space, "choices"):
        return space.choices[0]
    low, high = space.low, space.high
    value = low ** (1 - place) * high**place if space.log else low + (high - low) * place
    return int(value) if isinstance(low, int) else value


def probe_costs(
    setting: Setting, planned: Sequence[ComparisonRun], progress: Progress = lambda what, done, total: None
) -> list[dict[str, Any]]:
    """Return a row per probe: how many measurements there are, are asked for and will be made, and what they take.

    A probe that fails on networks that are not trained is not timed, and ``problem`` says why. ``part`` says which of
    all measurements ``compare.probe_sizes`` asks for, "" where all, and ``left_out`` what a limit in seconds leaves out.
    """
    rows = []
    for probe in setting.plan.probes:
        rows.append(_cost(probe, setting, planned))
        progress("timing probes", len(rows), len(setting.plan.probes))
    return rows


def wanted_of(
    setting: Setting, planned: Sequence[ComparisonRun], timed: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:  # fmt: skip
    """Return rows of probes that were ``timed``, for other networks: as many measurements as are asked for and fit."""
    rows = []
    for probe, row in zip(setting.plan.probes, timed, strict=True):
        work, each = work_of(probe, setting, planned), row["seconds_each"]
        fits = len(work.wanted)
        if row["budget"] is not None and each:
            fits = min(fits, int(row["budget"] / each))
        rows.append({**row, "wanted": len(work.wanted), "fits": fits, "seconds": fits * each})
    return rows


def foretell(setting: Setting, replicates: int, command: Sequence[str] = ()) -> list[str]:
    """Return a line for each probe that will not measure everything; only those with a limit in seconds are timed."""
    planned, lines = planned_cells(setting, replicates), []
    for probe in setting.plan.probes:
        work = work_of(probe, setting, planned)
        timed = limit_of(setting, probe)[0] is not None
        if timed or work.part(work.asked):
            row = _cost(probe, setting, planned, timed, command)
            lines += [probe_line(row)] if row["part"] or row["left_out"] or row["problem"] else []
    return lines


def _cost(
    probe: Probe, setting: Setting, planned: Sequence[ComparisonRun], timed: bool = True, command: Sequence[str] = ()
) -> dict[str, Any]:
    work = work_of(probe, setting, planned)
    limit, key = limit_of(setting, probe)
    each, problem = _price(probe, setting, work.wanted) if timed else (0.0, "")
    groups = 0
    while groups < work.asked and (limit is None or len(work.first(groups + 1)) * each <= limit):
        groups += 1
    fits = len(work.first(groups))
    return {
        "probe": probe.name,
        "unit": work.unit,
        "possible": len(work.all),
        "wanted": len(work.wanted),
        "counted": work.count(len(work.wanted)),
        "part": work.part(work.asked),
        "groups": groups,
        "timed": timed and not problem,
        "seconds_each": each,
        "budget": limit,
        "fits": fits,
        "seconds": fits * each,
        "left_out": _left_out(probe, work, fits, each, f"{key}, {seconds_allowed(limit)}", command) if limit else "",
        "problem": problem,
    }


def _left_out(probe: Probe, work: Work, fits: int, each: float, limit: str, command: Sequence[str]) -> str:
    """Return what does not fit into a limit in seconds, and the setting under which it would; "" where all fits."""
    count = len(work.wanted)
    if fits == count:
        return ""
    remedy = command_with(command, *more_seconds(probe, count * each))
    what = f"only {fits} of them fit" if fits else "too few of them fit, so that the probe is left out"
    return f"{what}, into {limit}; to measure all of them: {remedy}"


def probe_line(row: dict[str, Any]) -> str:
    """Return for a person what a probe will measure, what that takes, and what is left out."""
    line = f"probe {row['probe']}: {row['part'] or row['counted']}"
    line += " (compare.probe_sizes)" if row["part"] else ""
    if row["problem"]:
        return f"{line}, not timed: {row['problem']}"
    if row["timed"]:
        line += f", at about {row['seconds_each']:.2g} s each: {seconds_needed(row['wanted'] * row['seconds_each'])}"
    return f"{line}; {row['left_out']}" if row["left_out"] else line


def _price(probe: Probe, setting: Setting, every: Sequence[Runs]) -> tuple[float, str]:
    """Return what a measurement costs in the mean over those of all networks, and why it is not known, or ""."""
    prices: list[tuple[float, int]] = []
    for measurements in first_timed(every, len(every)).values():
        try:
            with Boundary("probe", probe.name, "measure", everything=True):
                prices.append((_timed(probe, setting, measurements[0]), len(measurements)))
        except PluginFailed as error:
            return 0.0, error.why
    many = sum(count for _, count in prices)
    return (sum(price * count for price, count in prices) / many if many else 0.0), ""


def _timed(probe: Probe, setting: Setting, runs: Runs) -> float:
    """Return the seconds of one measurement on new networks, the second where the first was no trouble."""
    bench = Bench(setting, lambda _: None)
    parts = [bench.parts(run) for run in runs]
    for one in parts:
        one.model.eval()
    spent = 0.0
    for _ in range(2):
        for one in parts if probe.networks == 1 else ():
            one.probe_cache.clear()  # of pairs, what a probe keeps of a network serves many measurements; else only one
        start = time.perf_counter()
        probe.measure(*parts, **probe.options)
        spent = time.perf_counter() - start
        if spent > DEAR:
            break
    return spent
