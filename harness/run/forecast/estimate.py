"""What a benchmark costs on this machine, from a few timed steps: seconds of work, seconds that pass, bytes, per arm and in all."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.console.progress import Reporter
from harness.errors import PluginError, disk
from harness.plugin.runs import Arm, Run
from harness.run import disk_space
from harness.run.after.probe_costs import inside, planned_cells, probe_costs
from harness.run.forecast.pace import Pace, pace_of
from harness.run.forecast.power import pairs_circle, power
from harness.run.forecast.queue import PlannedSearch, list_seconds, search_seconds, spread_epochs
from harness.run.forecast.timing import SECONDS_OF_REPORT, Timing, time_arm
from harness.run.prepare import Prepared, Request, prepare
from harness.run.reuse import earlier_runs, foreseen, foreseen_recipes, reusable_folders
from harness.run.search.budget import amount, expected
from harness.run.search.range_test import range_test_steps
from harness.run.workbench import Bench
from harness.run.workers.opening import opening_of
from harness.training import device

SECONDS_PER_ASK = 0.005  # of Optuna and the records, for a trial of two parameters
SECONDS_PER_EVENT = 0.002  # of the driver
AROUND = 1.0  # seconds, of what is recorded between the last run and the report

Taken = Mapping[tuple[str, str], int]  # how many runs are there already, by arm and kind: search, compare or restart


@dataclass(frozen=True)
class ArmCost:
    """What the runs of one arm cost."""

    competitor: Competitor
    timing: Timing
    problem: str  # why it cannot be timed; ""
    trials: int  # of all its searches
    epochs: float  # of these trials
    searches: int

    @property
    def epoch(self) -> float:
        """The seconds of an epoch, with its look at the tune split."""
        return self.timing.step * self.timing.batches + self.timing.tune

    def run_seconds(self, run: Run) -> float:
        """Return the seconds of a run."""
        scoring = self.timing.scoring if run.phase == "compare" else 0.0
        return self.timing.building + run.epochs * self.epoch + scoring

    @property
    def range_test(self) -> float:
        """The seconds of its range test; 0 without one."""
        asked = self.competitor.benchmark.search.lr_range_test
        return self.timing.step * range_test_steps(self.competitor) if asked else 0.0

    def planned_searches(self, taken: int) -> list[PlannedSearch]:
        """Return its searches, of which the first so many trials are there already."""
        search = self.competitor.benchmark.search
        each = self.trials // self.searches if self.searches else 0
        low, high = search.epochs[0] if search.pruner == "none" else search.epochs[-1], search.epochs[-1]
        runs = [
            self.timing.building + SECONDS_PER_ASK + epochs * self.epoch for epochs in spread_epochs(low, high, each)
        ]
        planned = []
        for number in range(self.searches):
            done = taken // search.seeds // self.searches + (number < taken // search.seeds % self.searches)
            trials = [[seconds] * search.seeds for seconds in runs]
            planned.append(PlannedSearch([[0.0]] * min(done, each) + trials[done:], search.together))
        return planned


def estimate(request: Request, reporter: Reporter) -> dict[str, Any]:
    """Return runs, seconds and bytes per arm and in all; no run folder is written."""
    began = time.monotonic()
    run_folders = reusable_folders(request.out, request.reuse, request.no_reuse)
    setting = prepare(request, reporter)
    opening = time.monotonic() - began
    busy = device.contention(setting.device)
    benchmark, planned = setting.plan.benchmark, planned_cells(setting)
    pace = _pace(setting)
    costs = [_cost_of_arm(setting, competitor, planned, pace) for competitor in setting.plan.competitors]
    arms = [_arm_row(cost, planned) for cost in costs]
    probes = probe_costs(setting, planned)
    folder = request.place / setting.folder_name
    earlier = earlier_runs(setting, folder, run_folders)
    begun = earlier_runs(setting, folder.parent, [folder])
    there = foreseen_recipes(setting, earlier) | foreseen_recipes(setting, begun)
    taken = Counter(_kinds(there))
    folds = benchmark.compare.folds
    weights = {cost.competitor.name: cost.timing.weights for cost in costs if not cost.problem}
    trials, epochs = sum(arm["trials"] for arm in arms), sum(arm["epochs"] for arm in arms)
    room = disk_space.room_of(setting, planned, weights, trials, epochs)
    phases = {"begin": opening + pace.opening, **_phases(setting, costs, planned, probes, pace, taken)}
    return {
        "name": benchmark.name,
        "folder": str(folder),
        "exists": folder.is_dir(),
        "data": {"source": setting.data.source, "notice": setting.data.notice, "fingerprint": setting.data.fingerprint},
        "environment": device.environment(setting.device),
        "notes": setting.fairness.notes(),
        "busy": busy,
        "workers": pace.workers,
        "crew": pace.places,
        "at_once": pace.slots,
        "arms": arms,
        "probes": probes,
        "runs": sum(arm["runs"] for arm in arms) + folds,
        "taken": foreseen(setting, earlier),
        "seconds": sum(arm["seconds"] for arm in arms)
        + folds * max(arm["seconds_per_seed"] for arm in arms)  # the best arm is not known yet
        + sum(probe["seconds"] for probe in probes),
        "seconds_wall": sum(phases.values()),
        "seconds_of": phases,
        "seconds_planning": time.monotonic() - began,
        "bytes": room.kept,
        "bytes_passing": room.passing,
        "bytes_free": disk.free(folder),
        "bytes_cached": _cached_bytes(setting),
        "little_room": disk_space.warning(room, folder),
        "power": power(setting, setting.imported.arms if setting.imported else (), pairs_circle(probes)),
    }


def _pace(setting: Prepared) -> Pace:
    """Return how fast the executor carries out a run of each arm."""
    runs = {competitor.name: _middle_run(setting, competitor) for competitor in setting.plan.competitors}
    bench = Bench(
        setting, lambda _: None, open_elsewhere=lambda: opening_of(setting, setting.registry, bench.staffing, sys.path)
    )
    return pace_of(setting.plan.executor, bench, runs)


def _middle_run(setting: Setting, competitor: Competitor) -> Run:
    """Return a run of an arm at the middle of its space, for its costlier stage to be timed."""
    params = {name: inside(space) for name, space in competitor.space.items()}
    return replace(setting.compare_run(competitor, params, seed=0, snapshots=False), head_epochs=0)


def _cost_of_arm(setting: Setting, competitor: Competitor, planned: Sequence[ComparisonRun], pace: Pace) -> ArmCost:
    """Return the cost of an arm; of one whose plugins fail the ``problem`` names the plugin and the reason."""
    again = any(one.role == "aa" and one.of == competitor.name for one in planned)
    searches = (1 + again) * competitor.benchmark.compare.looks[0]
    try:
        timing = time_arm(setting, _middle_run(setting, competitor), pace)
    except PluginError as error:
        return ArmCost(competitor, Timing(), str(error), 0, 0.0, searches)
    trials, epochs = expected(competitor, searches, timing.step * timing.batches)
    return ArmCost(competitor, timing, "", trials, epochs, searches)


def _arm_row(cost: ArmCost, planned: Sequence[ComparisonRun]) -> dict[str, Any]:
    benchmark, timing = cost.competitor.benchmark, cost.timing
    comparison = [] if cost.problem else [one for one in planned if one.of == cost.competitor.name]
    roles = Counter(one.role for one in planned if one.of == cost.competitor.name)
    epochs = cost.epochs + sum(one.run.epochs for one in comparison)
    searched = cost.trials * (SECONDS_PER_ASK + benchmark.search.seeds * timing.building) + cost.epochs * cost.epoch
    return {
        "arm": cost.competitor.name,
        "problem": cost.problem,
        "unit": benchmark.search.unit,
        "budget": amount(benchmark.search, cost.competitor),
        "searches": cost.searches,
        "trials": cost.trials,
        "seeds": benchmark.compare.seeds,
        "comparison": dict(roles),
        "runs": cost.trials * benchmark.search.seeds + len(comparison),
        "epochs": epochs,
        "parameters": timing.parameters,
        "examples_per_second": timing.batch_size / timing.step if timing.step else 0.0,
        "seconds_per_seed": benchmark.compare.epochs * cost.epoch,
        "seconds": cost.range_test + searched + sum(cost.run_seconds(one.run) for one in comparison),
        "weights": timing.weights,
    }


def _phases(
    setting: Setting, costs: Sequence[ArmCost], planned: Sequence[ComparisonRun], probes: Sequence[Mapping[str, Any]],
    pace: Pace, taken: Taken,
) -> dict[str, float]:  # fmt: skip
    """Return how many seconds pass in each phase, without what is there already."""
    by_arm = {cost.competitor.name: cost for cost in costs if not cost.problem}
    searches = [
        search for arm, cost in by_arm.items() for search in cost.planned_searches(taken.get((arm, "search"), 0))
    ]
    compared = [*_left_of(planned, by_arm, taken, "compare")]
    folds = [setting.plan.benchmark.compare.epochs * max((cost.epoch for cost in by_arm.values()), default=0.0)]
    slow = pace.slowdown
    measured = [list_seconds([slow * probe["seconds_each"]] * probe["fits"], pace.workers) for probe in probes]
    events = sum(cost.epochs for cost in by_arm.values()) + sum(one.run.epochs for one in planned)
    formats = setting.plan.benchmark.report.formats
    return {
        "range tests": sum(cost.range_test for cost in by_arm.values()),
        "search": search_seconds(searches, pace.slots),
        "comparison": list_seconds(compared, pace.slots),
        "restarts": list_seconds(_left_of(planned, by_arm, taken, "restart"), pace.slots),
        "folds": list_seconds(folds * setting.plan.benchmark.compare.folds, pace.slots),
        "probes": sum(measured),
        "driver": SECONDS_PER_EVENT * events / pace.slots if pace.slots > 1 else SECONDS_PER_EVENT * events,
        "report": AROUND + SECONDS_OF_REPORT * ("html" in formats),
    }


def _left_of(
    planned: Sequence[ComparisonRun], by_arm: Mapping[str, ArmCost], taken: Taken, kind: str
) -> Iterator[float]:
    """Yield the seconds of the runs of a kind that are still to be carried out, in their order."""
    there = Counter({arm: number for (arm, of_kind), number in taken.items() if of_kind == kind})
    done: set[str] = set()
    for one in planned:
        if one.of not in by_arm or (one.role == "restart") != (kind == "restart") or one.run.id in done:
            continue
        done.add(one.run.id)
        if there[one.run.arm.name]:
            there[one.run.arm.name] -= 1
            continue
        yield by_arm[one.of].run_seconds(one.run)


def _kinds(recipes: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return for each of these runs its arm and its kind."""
    return [
        (Arm(**recipe["arm"]).name, "restart" if recipe["follows"] else str(recipe["phase"]))
        for recipe in recipes.values()
    ]


def _cached_bytes(setting: Setting) -> int:
    """Return the bytes of the decoded images and of the features that the cache holds for these data."""
    splits = list(setting.mirrored.values())
    for data in (setting.data, *setting.features.values()):
        splits += [data.train, data.tune, data.test]
    return sum(split.inputs.nbytes for split in splits)
