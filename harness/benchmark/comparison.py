"""Which runs the comparison consists of: the arms' own, and the controls that say what it can tell.

A cell is one run and what it is for. Two cells may name one run, as two searches that chose the same parameters do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.benchmark.plan import OTHER_ORDER, Competitor, Setting
from harness.plugin.runs import Run

LONGER = 0.2  # of a run's epochs, for which a restart goes on
Chosen = Mapping[str, Sequence[Mapping[str, Any] | None]]  # by arm: the parameters of each search, None without any


@dataclass(frozen=True)
class Cell:
    """A run of the comparison, and what it is for: the roles are those of ``Records.comparison``."""

    run: Run
    role: str
    of: str  # the arm that it belongs to
    replicate: int = 0

    def plain(self) -> dict[str, Any]:
        """Return it as it stands in the records."""
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


def cells(setting: Setting, chosen: Chosen) -> list[Cell]:
    """Return the comparison, seed by seed, so that an early stop leaves all arms with equal seeds; what matters most first."""
    found = [cell for seed in range(setting.plan.benchmark.compare.seeds) for cell in _of_seed(setting, chosen, seed)]
    found += _replicates(setting, chosen)
    found += _untuned(setting)
    return found


def count(setting: Setting) -> int:
    """Return how many cells there will be, restarts included, if every search finds something."""
    plan, compare = setting.plan, setting.plan.benchmark.compare
    arms = len(plan.competitors)
    beside = len(plan.controls_of("aa")) + len(plan.controls_of("different"))
    each = compare.seeds * (arms * plan.benchmark.search.replicates + beside)
    untuned = min(compare.untuned, compare.seeds) * len(plan.controls_of("untuned"))
    return each + untuned + min(compare.twins, compare.seeds) * arms + len(_to_restart(setting))


def _of_seed(setting: Setting, chosen: Chosen, seed: int) -> Iterator[Cell]:
    plan = setting.plan
    twins = plan.benchmark.compare.twins
    for competitor in plan.competitors:
        if (params := chosen[competitor.arm.name][0]) is not None:
            yield Cell(setting.compare_run(competitor, params, seed), "fresh", competitor.arm.name)
    for competitor in plan.competitors if seed < twins else ():
        if (params := chosen[competitor.arm.name][0]) is not None:
            run = setting.compare_run(competitor, params, seed, probed=False)
            yield Cell(replace(run, order_seed=seed + OTHER_ORDER), "twin", competitor.arm.name)
    for control in (*plan.controls_of("aa"), *plan.controls_of("different")):
        own = control.arm.name if control.role == "aa" else control.of
        if (params := chosen[own][0]) is not None:
            yield Cell(setting.compare_run(control, params, seed), control.role, control.of)


def _replicates(setting: Setting, chosen: Chosen) -> Iterator[Cell]:
    """Yield what the other searches of each arm came to."""
    for competitor in setting.plan.competitors:
        for replicate, params in list(enumerate(chosen[competitor.arm.name]))[1:]:
            if params is None:
                continue
            for seed in range(setting.plan.benchmark.compare.seeds):
                run = setting.compare_run(competitor, params, seed)
                yield Cell(run, "replicate", competitor.arm.name, replicate)


def _untuned(setting: Setting) -> Iterator[Cell]:
    compare = setting.plan.benchmark.compare
    for control in setting.plan.controls_of("untuned"):
        for seed in range(min(compare.untuned, compare.seeds)):
            run = setting.compare_run(replace(control, fixed={}), {}, seed, probed=False)
            yield Cell(run, "untuned", control.of)


def restarts(setting: Setting, done: Sequence[Cell]) -> list[Cell]:
    """Return a run for each arm that goes on from the first of its fresh runs that ended well.

    It begins anew at the peak of its schedule and anneals again, for a fifth of the steps. A convex arm has none: it is
    at its minimum where the gradient is zero, and nowhere else.
    """
    found = []
    for competitor in _to_restart(setting):
        fresh = [cell.run for cell in done if cell.role == "fresh" and cell.of == competitor.arm.name]
        if not fresh:
            continue
        before = fresh[0]
        epochs = max(1, -(-before.epochs * LONGER // 1))
        again = replace(
            before,
            epochs=int(epochs),
            order_seed=before.order_seed + OTHER_ORDER,
            head_epochs=0,
            snapshots=False,
            tta=False,
            follows=before.id,
            plugins=competitor.plugins,
        )
        found.append(Cell(again, "restart", competitor.arm.name))
    return found


def _to_restart(setting: Setting) -> list[Competitor]:
    asked = setting.plan.benchmark.compare.gate
    return [each for each in setting.plan.competitors if asked and not each.network.convex]
