"""Is it fair? What an arm's optimizer and schedule would do to the comparison, found out before anything is trained."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import PluginError
from harness.plan import Competitor, Setting, ends
from harness.registry import Registry
from harness.rules import is_penalty
from harness.training.rehearsal import Rehearsal, own_penalties, shrinks_weights

COMMON = (
    "common_objective"  # the check of ``harness check`` that says the same; a method's own shrinking is known there
)


def check_objective(setting: Setting, registry: Registry) -> None:
    """Raise PluginError for an optimizer with a weight decay of its own, where all arms have one objective."""
    if setting.plan.benchmark.search.objective != "common":
        return
    for competitor in setting.plan.competitors:
        wrong = _own_penalty(setting, competitor)
        if wrong:
            name = competitor.entered
            origin = registry.find("optimizer", competitor.arm.optimizer, "train.optimizers").origin
            section = name if re.fullmatch(r"[\w-]+", name) else f'"{name}"'
            raise PluginError(
                f"{origin}: optimizer '{name}' {wrong.fault}; "
                + (f"pin it to 0, [search.space.{section}] {wrong.name} = 0, or " if wrong.name else "take it out, or ")
                + 'write search.objective = "free" if a leaderboard is all you want'
            )


@dataclass(frozen=True)
class _Penalty:
    fault: str  # must ..., got ...
    name: str = ""  # of the hyperparameter; empty where the optimizer has no name for it


def _own_penalty(setting: Setting, competitor: Competitor) -> _Penalty | None:
    """Return the weight decay that an optimizer has of its own; None where it has none."""
    low, high = ends(competitor, 0), ends(competitor, 1)
    must = "must have no weight decay of its own where the arms have one objective, got"
    for name in filter(is_penalty, competitor.space):
        return _Penalty(f"{must} {name} in its space, {low[name]!r} to {high[name]!r}", name)
    given = {**competitor.optimizer.defaults, **competitor.fixed}
    for name, value in given.items():
        if is_penalty(name, value):
            return _Penalty(f"{must} {name} = {value!r} in its defaults", name)
    for end in (low, high):
        settings = setting.search_run(competitor, end).optimizer
        try:
            rehearsal = Rehearsal(competitor.optimizer, settings)
            for name, value in own_penalties(rehearsal.optimizer).items():
                return _Penalty(f"{must} {name} = {value!r} in its parameter groups", name)
            if COMMON not in competitor.optimizer.known_failures and shrinks_weights(competitor.optimizer, settings):
                return _Penalty(f"{must} weights that shrink where the gradient is 0")
        except Exception:  # one that cannot be built, or not step, is named in its first trial
            continue
    return None
