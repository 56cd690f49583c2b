"""Which runs the comparison consists of: the arms' own runs, and the controls that say what the comparison can tell.

A comparison run is a run and the role that it has. Two of them may name the same run, as when two searches of an arm
chose the same parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.plan import OTHER_ORDER, Setting
from harness.plugin.runs import Run

LONGER = 0.2  # of a run's epochs, for which a restart goes on
Chosen = Mapping[str, Sequence[Mapping[str, Any] | None]]  # by arm: the parameters of each search, None without any


@dataclass(frozen=True)
class ComparisonRun:
    """A run of the comparison and its role there; the roles are those of ``Records.comparison``."""

    run: Run
    role: str
    of: str  # the arm that it belongs to
    replicate: int = 0

    def plain(self) -> dict[str, Any]:
        """Return it as plain values, as the records keep it."""
        run = self.run
        return {
            "run_id": run.id,
            "arm": run.arm.name,
            "role": self.role,
            "of": self.of,
            "replicate": self.replicate,
            "init_seed": run.init_seed,
            "order_seed": run.order_seed,
        }


def comparison_runs(setting: Setting, chosen: Chosen) -> list[ComparisonRun]:
    """Return the comparison without its restarts, in the order in which it is carried out.

    It goes seed by seed, so that a comparison that is stopped early has equal seeds for all arms. What matters most
    comes first.
    """
    planned: list[ComparisonRun] = []
    for seed in range(setting.plan.benchmark.compare.seeds):
        planned += _runs_of_seed(setting, chosen, seed)
    planned += _replicate_runs(setting, chosen)
    planned += _untuned_runs(setting)
    return planned


def count_comparison_runs(setting: Setting) -> int:
    """Return how many runs the comparison has, restarts included, if every search ends with parameters."""
    plan, compare = setting.plan, setting.plan.benchmark.compare
    arms = len(plan.competitors)
    controls = len(plan.controls_of("aa")) + len(plan.controls_of("different"))
    seeded = compare.seeds * (arms * plan.benchmark.search.replicates + controls)
    untuned = min(compare.untuned, compare.seeds) * len(plan.controls_of("untuned"))
    twins = min(compare.twins, compare.seeds) * arms
    return seeded + untuned + twins + len(_arms_to_restart(setting))


def _runs_of_seed(setting: Setting, chosen: Chosen, seed: int) -> Iterator[ComparisonRun]:
    """Yield the runs of one comparison seed: of each arm, of its twin, and of the controls that were tuned."""
    plan = setting.plan
    twins = plan.benchmark.compare.twins
    for competitor in plan.competitors:
        if (params := chosen[competitor.name][0]) is not None:
            yield ComparisonRun(setting.compare_run(competitor, params, seed), "fresh", competitor.name)
    for competitor in plan.competitors if seed < twins else ():
        if (params := chosen[competitor.name][0]) is not None:
            run = setting.compare_run(competitor, params, seed, snapshots=False)
            yield ComparisonRun(replace(run, order_seed=seed + OTHER_ORDER), "twin", competitor.name)
    for control in (*plan.controls_of("aa"), *plan.controls_of("different")):
        tuned = control.name if control.role == "aa" else control.of
        if (params := chosen[tuned][0]) is not None:
            yield ComparisonRun(setting.compare_run(control, params, seed), control.role, control.of)


def _replicate_runs(setting: Setting, chosen: Chosen) -> Iterator[ComparisonRun]:
    """Yield the runs with the parameters that each arm's further searches chose."""
    for competitor in setting.plan.competitors:
        for replicate, params in list(enumerate(chosen[competitor.name]))[1:]:
            if params is None:
                continue
            for seed in range(setting.plan.benchmark.compare.seeds):
                run = setting.compare_run(competitor, params, seed)
                yield ComparisonRun(run, "replicate", competitor.name, replicate)


def _untuned_runs(setting: Setting) -> Iterator[ComparisonRun]:
    """Yield the runs of each optimizer with its own defaults."""
    compare = setting.plan.benchmark.compare
    for control in setting.plan.controls_of("untuned"):
        for seed in range(min(compare.untuned, compare.seeds)):
            run = setting.compare_run(replace(control, fixed={}), {}, seed, snapshots=False)
            yield ComparisonRun(run, "untuned", control.of)


def restart_runs(setting: Setting, done: Sequence[ComparisonRun]) -> list[ComparisonRun]:
    """Return a restart for each arm: a run that goes on from the first of the arm's fresh runs that ended well.

    A restart begins at the peak of its schedule and anneals again, for a fifth of the steps. A convex arm has no
    restart: it is at its minimum where the gradient is zero, and nowhere else.
    """
    restarts = []
    for competitor in _arms_to_restart(setting):
        fresh = [planned.run for planned in done if planned.role == "fresh" and planned.of == competitor.name]
        if not fresh:
            continue
        before = fresh[0]
        run = replace(
            before,
            epochs=max(1, math.ceil(before.epochs * LONGER)),
            order_seed=before.order_seed + OTHER_ORDER,
            head_epochs=0,
            snapshots=False,
            tta=False,
            follows=before.id,
            plugins=competitor.plugins,
        )
        restarts.append(ComparisonRun(run, "restart", competitor.name))
    return restarts


def _arms_to_restart(setting: Setting) -> list[Competitor]:
    """Return the arms that the gate asks for a restart: all that are not convex."""
    if not setting.plan.benchmark.compare.gate:
        return []
    return [competitor for competitor in setting.plan.competitors if not competitor.network.convex]
