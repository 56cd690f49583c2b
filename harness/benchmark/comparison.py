"""Which runs the comparison consists of: the arms' own runs, and the controls that say what the comparison can tell.

The comparison grows by replicates. In each of them every arm is retrained with what its own search of that replicate has
chosen, under seeds that all arms share. A comparison run is a run and the role that it has there.
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
Chosen = Mapping[str, Mapping[str, Any] | None]  # by arm: what its search of a replicate chose, None without any


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


def comparison_runs(setting: Setting, chosen: Sequence[Chosen]) -> list[ComparisonRun]:
    """Return the comparison without its restarts: what was ``chosen`` is given for each replicate, in their order."""
    planned: list[ComparisonRun] = []
    for replicate, of_replicate in enumerate(chosen):
        planned += replicate_runs(setting, of_replicate, replicate)
    return planned


def replicate_runs(setting: Setting, chosen: Chosen, replicate: int) -> list[ComparisonRun]:
    """Return the runs of one replicate, in the order in which they are carried out.

    It goes seed by seed, so that a comparison that is stopped early has equal seeds for all arms. What matters most
    comes first.
    """
    planned: list[ComparisonRun] = []
    for seed in setting.seeds_of(replicate):
        planned += _runs_of_seed(setting, chosen, seed)
    for seed in setting.seeds_of(replicate):
        planned += _untuned_runs(setting, seed)
    return planned


def count_comparison_runs(setting: Setting, replicates: int) -> int:
    """Return how many runs so many replicates have, restarts included, if every search ends with parameters."""
    runs = sum(count_replicate_runs(setting, replicate) for replicate in range(replicates))
    return runs + len(arms_to_restart(setting))


def count_replicate_runs(setting: Setting, replicate: int) -> int:
    """Return how many runs a replicate has, if every search ends with parameters."""
    plan, compare = setting.plan, setting.plan.benchmark.compare
    tuned = len(plan.competitors) + len(plan.controls_of("aa")) + len(plan.controls_of("different"))
    seeds = setting.seeds_of(replicate)
    twins = sum(seed < compare.twins for seed in seeds) * len(plan.competitors)
    untuned = sum(seed < _untuned_seeds(setting) for seed in seeds) * len(plan.controls_of("untuned"))
    return len(seeds) * tuned + twins + untuned


def _runs_of_seed(setting: Setting, chosen: Chosen, seed: int) -> Iterator[ComparisonRun]:
    """Yield the runs of one comparison seed: of each arm, of its twin, and of the controls that were tuned."""
    plan, replicate = setting.plan, setting.replicate_of(seed)
    for competitor in plan.competitors:
        if (params := chosen[competitor.name]) is not None:
            yield ComparisonRun(setting.compare_run(competitor, params, seed), "fresh", competitor.name, replicate)
    for competitor in plan.competitors if seed < plan.benchmark.compare.twins else ():
        if (params := chosen[competitor.name]) is not None:
            run = setting.compare_run(competitor, params, seed, snapshots=False)
            twin = replace(run, order_seed=seed + OTHER_ORDER)
            yield ComparisonRun(twin, "twin", competitor.name, replicate)
    for control in (*plan.controls_of("aa"), *plan.controls_of("different")):
        tuned = control.name if control.role == "aa" else control.of
        if (params := chosen[tuned]) is not None:
            yield ComparisonRun(setting.compare_run(control, params, seed), control.role, control.of, replicate)


def _untuned_runs(setting: Setting, seed: int) -> Iterator[ComparisonRun]:
    """Yield the runs of each optimizer with its own defaults, where the seed is one of the first that they have."""
    for control in setting.plan.controls_of("untuned") if seed < _untuned_seeds(setting) else ():
        run = setting.compare_run(replace(control, fixed={}), {}, seed, snapshots=False)
        yield ComparisonRun(run, "untuned", control.of, setting.replicate_of(seed))


def _untuned_seeds(setting: Setting) -> int:
    """Return under how many of the first seeds the optimizers' defaults are trained; no later look adds to them."""
    compare = setting.plan.benchmark.compare
    return min(compare.untuned, compare.first_seeds)


def restart_runs(setting: Setting, done: Sequence[ComparisonRun]) -> list[ComparisonRun]:
    """Return a restart for each arm: a run that goes on from the first of the arm's fresh runs that ended well.

    A restart begins at the peak of its schedule and anneals again, for a fifth of the steps. A convex arm has no
    restart: it is at its minimum where the gradient is zero, and nowhere else.
    """
    restarts = []
    for competitor in arms_to_restart(setting):
        fresh = [planned for planned in done if planned.role == "fresh" and planned.of == competitor.name]
        if not fresh:
            continue
        before = fresh[0].run
        run = replace(
            before,
            epochs=epochs_longer(before.epochs),
            order_seed=before.order_seed + OTHER_ORDER,
            head_epochs=0,
            snapshots=False,
            tta=False,
            follows=before.id,
            plugins=competitor.plugins,
        )
        restarts.append(ComparisonRun(run, "restart", competitor.name, fresh[0].replicate))
    return restarts


def epochs_longer(epochs: int) -> int:
    """Return for how many epochs a restart goes on from a run of so many."""
    return max(1, math.ceil(epochs * LONGER))


def arms_to_restart(setting: Setting) -> list[Competitor]:
    """Return the arms that the gate asks for a restart: all that are not convex."""
    if not setting.plan.benchmark.compare.gate:
        return []
    return [competitor for competitor in setting.plan.competitors if not competitor.network.convex]
