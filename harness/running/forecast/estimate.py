"""What a benchmark costs on this machine, from a few timed steps: seconds of work, seconds that pass, bytes, per arm and in all.

It goes to the first look, or to the one that the run folder has come to. What all looks would cost at the most stands beside.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.benchmark.arms import Competitor, middle
from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.console.numbers import counted
from harness.console.progress import Reporter
from harness.errors import HarnessError, PluginError, disk
from harness.plugin.runs import Run
from harness.records import open_records
from harness.running import disk_space
from harness.running.after.probe_costs import planned_cells, probe_costs, wanted_of
from harness.running.forecast.costs import ArmCost, Timed, arm_row, cost_of_arm, kinds, phases
from harness.running.forecast.pace import Pace, pace_of
from harness.running.forecast.power import power
from harness.running.forecast.timing import Timing, time_arm
from harness.running.looks import look_of
from harness.running.machine import precisions_of
from harness.running.prepare import Prepared, Request, prepare
from harness.running.reuse import earlier_runs, foreseen, foreseen_recipes, reusable_folders, unusable
from harness.running.time_limit import limit_of
from harness.running.workbench import Bench
from harness.running.workers.opening import opening_of
from harness.training import device


@dataclass(frozen=True)
class Work:
    """So many replicates of a benchmark: the runs of their comparison, what they cost by arm, and their probes."""

    setting: Setting
    replicates: int
    planned: Sequence[ComparisonRun]
    costs: Sequence[ArmCost]
    probes: Sequence[Mapping[str, Any]]

    @property
    def arms(self) -> list[dict[str, Any]]:
        """A row for each arm."""
        return [arm_row(cost, self.planned) for cost in self.costs]

    @property
    def runs(self) -> int:
        """The number of trainings."""
        return sum(int(arm["runs"]) for arm in self.arms) + self.setting.plan.benchmark.compare.folds

    @property
    def seconds(self) -> float:
        """The seconds of work, added up over all workers."""
        arms, folds = self.arms, self.setting.plan.benchmark.compare.folds
        of_folds = folds * max(float(arm["seconds_per_seed"]) for arm in arms)  # the best arm is not known yet
        costs = [*(float(arm["seconds"]) for arm in arms), *(float(probe["seconds"]) for probe in self.probes)]
        return sum(costs) + of_folds

    @property
    def room(self) -> disk_space.Room:
        """The room on the disk."""
        weights = {cost.competitor.name: cost.timing.weights for cost in self.costs if not cost.problem}
        trials, epochs = (sum(arm[key] for arm in self.arms) for key in ("trials", "epochs"))
        return disk_space.room_of(self.setting, self.planned, weights, trials, epochs)


@dataclass(frozen=True)
class Calibration:
    """A benchmark that was opened on this machine, and what was timed of it there."""

    setting: Prepared
    folder: Path  # of the run
    opening: float  # seconds to open the benchmark
    pace: Pace
    timed: Sequence[Timed]  # the arms

    def costs(self, planned: Sequence[ComparisonRun], replicates: int) -> list[ArmCost]:
        """Return what the runs of so many replicates cost, by arm."""
        return [cost_of_arm(arm, planned, replicates) for arm in self.timed]

    def seconds_of(self, work: Work, taken: Mapping[tuple[str, str], int] | None = None) -> dict[str, float]:
        """Return the seconds that pass by phase, the opening first; runs that are ``taken`` from other run folders cost none."""
        seconds = phases(work.setting, work.costs, work.planned, work.probes, self.pace, taken or {})
        return {"begin": self.opening + self.pace.opening, **seconds}


def estimate(request: Request, reporter: Reporter) -> dict[str, Any]:
    """Return runs, seconds and bytes per arm and in all; no run folder is written."""
    began = time.monotonic()
    run_folders = reusable_folders(request.out, request.reuse, request.no_reuse)
    setting, folder, opening = _opened(request, reporter)
    replicates = look_of(setting.plan.benchmark.compare.looks, _begun(folder))
    busy = device.contention(setting.device)
    reporter.say(_what_is_timed(setting))
    with reporter.during("timing the workers"):
        pace = _pace(setting)
    calibration = Calibration(setting, folder, opening, pace, _timed_arms(setting, pace, reporter))
    work = _work(calibration, replicates, reporter)
    most = _most(calibration, work)
    with reporter.during("looking into run folders for runs that are done"):
        earlier = earlier_runs(setting, folder, run_folders)
        begun = earlier_runs(setting, folder.parent, [folder])
        passed_over = unusable(setting, folder, request.reuse)
    for line in passed_over:
        reporter.say(f"note: {line}")
    recipes = foreseen_recipes(setting, earlier, replicates) | foreseen_recipes(setting, begun, replicates)
    seconds_of = calibration.seconds_of(work, Counter(kinds(recipes)))
    return {
        **_description(setting, folder),
        **_cost(calibration, work, seconds_of),
        "busy": busy,
        "taken": foreseen(setting, earlier, replicates),
        "most": most,
        "seconds_planning": time.monotonic() - began,
    }


def _opened(request: Request, reporter: Reporter) -> tuple[Prepared, Path, float]:
    """Return the benchmark, opened; its run folder; and the seconds that opening took."""
    began = time.monotonic()
    setting = prepare(request, reporter)
    return setting, request.place / setting.folder_name, time.monotonic() - began


def _timed_arms(setting: Setting, pace: Pace, reporter: Reporter) -> list[Timed]:
    """Return the arms with their times."""
    arms = setting.plan.competitors
    timed: list[Timed] = []
    for competitor in arms:
        reporter.preparing("timing arms", len(timed), len(arms))
        timed.append(_timed(setting, competitor, pace))
    reporter.preparing("timing arms", len(timed), len(arms))
    return timed


def _description(setting: Prepared, folder: Path) -> dict[str, Any]:
    """Return the part of the document that says what is planned, and where."""
    data, looks = setting.data, setting.plan.benchmark.compare.looks
    return {
        "name": setting.plan.benchmark.name,
        "folder": str(folder),
        "exists": folder.is_dir(),
        "data": {"source": data.source, "notice": data.notice, "fingerprint": data.fingerprint},
        "environment": device.environment(setting.device),
        "precisions": precisions_of(setting),
        "notes": setting.fairness.notes(),
        "looks": list(looks),
        "power": power(setting, setting.imported.arms if setting.imported else ()),
    }


def _cost(calibration: Calibration, work: Work, seconds_of: Mapping[str, float]) -> dict[str, Any]:
    """Return the part of the document that says what the work costs: runs, seconds and bytes."""
    setting, folder, pace = calibration.setting, calibration.folder, calibration.pace
    return {
        "workers": pace.workers,
        "crew": pace.places,
        "at_once": pace.slots,
        "replicates": work.replicates,
        "arms": work.arms,
        "probes": work.probes,
        "runs": work.runs,
        "seconds": work.seconds,
        "seconds_wall": sum(seconds_of.values()),
        "seconds_of": seconds_of,
        "bytes": work.room.kept,
        "bytes_passing": work.room.passing,
        "bytes_free": disk.free(folder),
        "bytes_cached": _cached_bytes(setting),
        "little_room": disk_space.warning(work.room, folder),
        "budget": _fitting(calibration, work),
    }


def _what_is_timed(setting: Setting) -> str:
    """Return in a line what an estimate does, and about how long."""
    arms, probes = len(setting.plan.competitors), len(setting.plan.probes)
    measured = f", and a measurement or two of {counted(probes, 'probe')}" if probes else ""
    return f"timing some steps of {counted(arms, 'arm')}{measured}: a few seconds each, and nothing is kept"


def _begun(folder: Path) -> int:
    """Return the replicates of the look that a run folder has come to; 0 where it has not begun, or cannot be read."""
    with suppress(HarnessError):
        return int(open_records(folder).meta.looks.get("replicates", 0))
    return 0


def _timed(setting: Setting, competitor: Competitor, pace: Pace) -> Timed:
    """Return an arm with its times; of one whose plugins fail the ``problem`` names the plugin and the reason."""
    try:
        return Timed(competitor, time_arm(setting, _middle_run(setting, competitor), pace))
    except PluginError as error:
        return Timed(competitor, Timing(), str(error))


def _work(calibration: Calibration, replicates: int, reporter: Reporter) -> Work:
    """Return the work of so many replicates; every probe is timed."""
    setting = calibration.setting
    planned = planned_cells(setting, replicates)
    costs = calibration.costs(planned, replicates)
    return Work(setting, replicates, planned, costs, probe_costs(setting, planned, reporter.preparing))


def _most(calibration: Calibration, first: Work) -> dict[str, Any]:
    """Return what all looks cost at the most, if nothing is there yet; the probes take as long a measurement as timed."""
    work = _work_of(calibration, first, calibration.setting.plan.benchmark.compare.looks[-1])
    return {
        "replicates": work.replicates,
        "runs": work.runs,
        "seconds": work.seconds,
        "seconds_wall": sum(calibration.seconds_of(work).values()),
        "bytes": work.room.kept,
    }


def _work_of(calibration: Calibration, first: Work, replicates: int) -> Work:
    """Return the work of so many replicates; the probes take as long a measurement as in the ``first`` work."""
    if replicates == first.replicates:
        return first
    setting = calibration.setting
    planned = planned_cells(setting, replicates)
    costs = calibration.costs(planned, replicates)
    return Work(setting, replicates, planned, costs, wanted_of(setting, planned, first.probes))


def _fitting(calibration: Calibration, first: Work) -> dict[str, Any]:
    """Return about how many replicates fit into the time limit, if nothing is there yet, and what the first one takes."""
    benchmark = calibration.setting.plan.benchmark
    limit, replicates, least = limit_of(benchmark), 0, 0.0
    for number in range(1, benchmark.compare.looks[-1] + 1) if limit is not None else ():
        seconds = sum(calibration.seconds_of(_work_of(calibration, first, number)).values())
        least = least or seconds
        if seconds > (limit or 0.0):
            break
        replicates = number
    used = 0.0
    with suppress(HarnessError):
        used = float(open_records(calibration.folder).meta.budget.get("used", 0.0))
    return {"asked": limit, "used": used, "replicates": replicates, "first_replicate": least}


def _pace(setting: Prepared) -> Pace:
    """Return how fast the executor carries out a run of each arm."""
    runs = {competitor.name: _middle_run(setting, competitor) for competitor in setting.plan.competitors}
    bench = Bench(
        setting, lambda _: None, open_elsewhere=lambda: opening_of(setting, setting.registry, bench.staffing, sys.path)
    )
    return pace_of(setting.plan.executor, bench, runs)


def _middle_run(setting: Setting, competitor: Competitor) -> Run:
    """Return a run of an arm at the middle of its space, for its costlier stage to be timed."""
    return replace(setting.compare_run(competitor, middle(competitor), seed=0, snapshots=False), head_epochs=0)


def _cached_bytes(setting: Setting) -> int:
    """Return the bytes of the decoded images and of the features that the cache holds for these data."""
    splits = list(setting.mirrored.values())
    for data in (setting.data, *setting.features.values()):
        splits += [data.train, data.tune, data.test]
    return sum(split.inputs.nbytes for split in splits)
