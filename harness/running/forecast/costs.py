"""What the runs of each arm cost, and how many seconds pass in each phase of a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.first_trial import drawn_first, first_trial, moved_defaults
from harness.benchmark.plan import Setting
from harness.plugin.runs import Arm, Run
from harness.results.reports import PAGE
from harness.running.forecast.ending import seconds_of_ending
from harness.running.forecast.pace import Pace
from harness.running.forecast.queue import PlannedSearch, list_seconds, search_seconds, spread_epochs
from harness.running.forecast.timing import Timing
from harness.running.search.budget import amount, confirmations, expected
from harness.running.search.range_test import range_test_steps

SECONDS_PER_ASK = 0.005  # of Optuna and the records, for a trial of two parameters
SECONDS_PER_EVENT = 0.002  # of the driver
AROUND = 1.0  # seconds, of what is recorded between the last run and the report

Taken = Mapping[tuple[str, str], int]  # how many runs are there already, by arm and kind; see ``_kind``


@dataclass(frozen=True)
class ArmCost:
    """What the runs of one arm cost."""

    competitor: Competitor
    timing: Timing
    problem: str  # why it cannot be timed; ""
    trials: int  # of all its searches
    epochs: float  # of these trials, and of the runs that confirm the best of them
    searches: int

    @property
    def confirmations(self) -> int:
        """The number of trials that are trained once more."""
        return confirmations(self.competitor, self.searches, self.trials)

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
        rates = self.competitor.benchmark.search.lr_range_test
        return self.timing.step * range_test_steps(self.competitor) if rates else 0.0

    def planned_searches(self, taken: int, confirmed: int) -> list[PlannedSearch]:
        """Return its searches, where the runs of so many trials and so many confirmations exist already."""
        search = self.competitor.benchmark.search
        trials_each = self.trials // self.searches if self.searches else 0
        low, high = search.epochs[0] if search.pruner == "none" else search.epochs[-1], search.epochs[-1]
        runs = [
            self.timing.building + SECONDS_PER_ASK + epochs * self.epoch
            for epochs in spread_epochs(low, high, trials_each)
        ]
        confirmation = self.timing.building + self.competitor.benchmark.compare.epochs * self.epoch
        planned = []
        for number in range(self.searches):
            done, confirmed_here = (self._share(many, number) for many in (taken // search.seeds, confirmed))
            trials = [[seconds] * search.seeds for seconds in runs]
            left = max(0, min(search.confirm, trials_each) - confirmed_here)
            trials = [[0.0]] * min(done, trials_each) + trials[done:]
            planned.append(PlannedSearch(trials, search.together, [confirmation] * left))
        return planned

    def _share(self, many: int, number: int) -> int:
        """Return how many of so many runs belong to a search, if all searches have equally many."""
        return many // self.searches + (number < many % self.searches)


@dataclass(frozen=True)
class Timed:
    """An arm with its times; ``problem`` says why it cannot be timed, or is ""."""

    competitor: Competitor
    timing: Timing
    problem: str = ""


def cost_of_arm(timed: Timed, planned: Sequence[ComparisonRun], replicates: int) -> ArmCost:
    """Return what an arm costs in so many replicates."""
    competitor, timing = timed.competitor, timed.timing
    searches_again = any(cell.role == "aa" and cell.of == competitor.name for cell in planned)
    searches = (1 + searches_again) * replicates
    if timed.problem:
        return ArmCost(competitor, timing, timed.problem, 0, 0.0, searches)
    trials, epochs = expected(competitor, searches, timing.step * timing.batches)
    return ArmCost(competitor, timing, "", trials, epochs, searches)


def arm_row(cost: ArmCost, planned: Sequence[ComparisonRun]) -> dict[str, Any]:
    """Return an arm's costs as plain values."""
    benchmark, timing = cost.competitor.benchmark, cost.timing
    comparison = [] if cost.problem else [cell for cell in planned if cell.of == cost.competitor.name]
    roles = Counter(cell.role for cell in planned if cell.of == cost.competitor.name)
    epochs = cost.epochs + sum(cell.run.epochs for cell in comparison)
    building = (cost.trials * benchmark.search.seeds + cost.confirmations) * timing.building
    searched = cost.trials * SECONDS_PER_ASK + building + cost.epochs * cost.epoch
    return {
        "arm": cost.competitor.name,
        "problem": cost.problem,
        "unit": benchmark.search.unit,
        "budget": amount(benchmark.search, cost.competitor),
        "searches": cost.searches,
        "trials": cost.trials,
        "confirmations": cost.confirmations,
        "first_trial": first_trial(cost.competitor),
        "drawn_first": drawn_first(cost.competitor),
        "read_defaults": {name: read.source for name, read in cost.competitor.read_defaults.items()},
        "moved_defaults": {name: list(values) for name, values in moved_defaults(cost.competitor).items()},
        "seeds": benchmark.compare.seeds,
        "comparison": dict(roles),
        "runs": cost.trials * benchmark.search.seeds + cost.confirmations + len(comparison),
        "epochs": epochs,
        "parameters": timing.parameters,
        "examples_per_second": timing.batch_size / timing.step if timing.step else 0.0,
        "seconds_per_seed": benchmark.compare.epochs * cost.epoch,
        "seconds": cost.range_test + searched + sum(cost.run_seconds(cell.run) for cell in comparison),
        "weights": timing.weights,
    }


def phases(
    setting: Setting, costs: Sequence[ArmCost], planned: Sequence[ComparisonRun], probes: Sequence[Mapping[str, Any]],
    pace: Pace, taken: Taken,
) -> dict[str, float]:  # fmt: skip
    """Return how many seconds pass in each phase, without what is there already."""
    by_arm = {cost.competitor.name: cost for cost in costs if not cost.problem}
    searches = [
        search
        for arm, cost in by_arm.items()
        for search in cost.planned_searches(taken.get((arm, "search"), 0), taken.get((arm, "confirmation"), 0))
    ]
    compared = [*_left_of(planned, by_arm, taken, "compare")]
    folds = [setting.plan.benchmark.compare.epochs * max((cost.epoch for cost in by_arm.values()), default=0.0)]
    slow = pace.slowdown
    measured = [list_seconds([slow * probe["seconds_each"]] * probe["wanted"], pace.measuring) for probe in probes]
    events = sum(cost.epochs for cost in by_arm.values()) + sum(cell.run.epochs for cell in planned)
    formats = setting.plan.benchmark.report.formats
    return {
        "range tests": sum(cost.range_test for cost in by_arm.values()),
        "search": search_seconds(searches, pace.slots),
        "comparison": list_seconds(compared, pace.slots),
        "restarts": list_seconds(_left_of(planned, by_arm, taken, "restart"), pace.slots),
        "folds": list_seconds(folds * setting.plan.benchmark.compare.folds, pace.slots),
        "probes": sum(measured),
        "driver": SECONDS_PER_EVENT * events / pace.slots if pace.slots > 1 else SECONDS_PER_EVENT * events,
        "report": AROUND + (PAGE in formats) * seconds_of_ending(len(by_arm), sum(probe["wanted"] for probe in probes)),
    }


def _left_of(
    planned: Sequence[ComparisonRun], by_arm: Mapping[str, ArmCost], taken: Taken, kind: str
) -> Iterator[float]:
    """Yield the seconds of the runs of a kind that are still to be carried out, in their order."""
    left_to_take = Counter({arm: number for (arm, of_kind), number in taken.items() if of_kind == kind})
    done: set[str] = set()
    for cell in planned:
        if cell.of not in by_arm or (cell.role == "restart") != (kind == "restart") or cell.run.id in done:
            continue
        done.add(cell.run.id)
        if left_to_take[cell.run.arm.name]:
            left_to_take[cell.run.arm.name] -= 1
            continue
        yield by_arm[cell.of].run_seconds(cell.run)


def kinds(recipes: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return for each of these runs its arm and its kind."""
    return [(Arm(**recipe["arm"]).name, _kind(recipe)) for recipe in recipes.values()]


def _kind(recipe: Mapping[str, Any]) -> str:
    """Return the kind of a run: "search", "confirmation", "compare" or "restart"."""
    if recipe["follows"]:
        return "restart"
    return "confirmation" if Setting.confirms(recipe) else str(recipe["phase"])
