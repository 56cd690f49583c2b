"""Is it fair? What an arm's optimizer and schedule would do to the comparison, found out before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.benchmark.arms import Competitor, ends
from harness.benchmark.plan import Setting
from harness.benchmark.spaces import COMMON, SCHEDULE
from harness.errors import PluginError
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Optimizer
from harness.plugin.process_settings import kept
from harness.plugin.registry import Registry
from harness.plugin.runs import Arm, Run
from harness.plugin.validate import is_penalty
from harness.records.attempts import Attempts
from harness.training.entries import overwritten_setting, refusal_text
from harness.training.rehearsal import (
    STEPS,
    Moved,
    Rehearsal,
    entries_of,
    moved_entries,
    own_penalties,
    shrinks_weights,
    take_same_steps,
)

OBJECTIVE = "common_objective"  # the check of ``harness check`` for a weight decay; a method's own is a known failure


@dataclass(frozen=True)
class Equal:
    """Two optimizers, as the benchmark enters them, that take the same steps at equal settings."""

    name: str
    same_as: str
    steps: int  # that they were compared over
    weight_decay: bool  # one of them has a weight decay, which is 0 here

    def line(self) -> str:
        """Return it for a person."""
        compared = f"take the same steps (compared over {self.steps} steps)"
        if self.weight_decay:
            return f"{self.name} is {self.same_as} here: without weight decay both {compared}; see search.objective"
        return f"{self.name} is {self.same_as} here: at equal settings both {compared}"


@dataclass(frozen=True)
class Fairness:
    """What a reader must know of the arms' optimizers and schedules."""

    equal: Sequence[Equal] = ()
    moved: Mapping[str, Mapping[str, Moved]] = field(default_factory=dict)  # entry of the groups, by arm

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON, with the lines for a person as ``notes``."""
        return {**asdict(self), "notes": self.notes()}

    def notes(self) -> list[str]:
        """Return a line for each pair of equal optimizers, and for each entry that a schedule moves."""
        by_line: dict[str, list[str]] = {}
        for arm, entries in self.moved.items():
            for entry, moved in entries.items():
                scheduler = arm.rpartition("/")[2]
                line = f"{scheduler} moves {entry} too, from {moved.low:.4g} to {moved.high:.4g} (built with {moved.before:.4g})"
                by_line.setdefault(line, []).append(arm)
        return [each.line() for each in self.equal] + [f"{line}: {', '.join(arms)}" for line, arms in by_line.items()]


def rehearsal(arm: Arm) -> str:
    """Return what the rehearsal of an arm is called in the journal of attempts."""
    return f"rehearsal {arm.name}"


def check_fairness(setting: Setting, registry: Registry, attempts: Attempts | None = None) -> Fairness:
    """Return what a reader must know of the arms; raises PluginError for an arm that cannot be compared fairly.

    An arm whose rehearsal the process has died in again and again is passed over.
    """
    moved, attempts = {}, attempts or Attempts()
    left = [each for each in setting.plan.competitors if not attempts.given_up(rehearsal(each.arm))]
    for competitor in left:
        with (
            attempts.during(rehearsal(competitor.arm), f"the rehearsal of {competitor.arm.name}"),
            kept(f"arm {competitor.arm.name}, tried out before the search,"),
        ):
            if setting.plan.benchmark.search.objective == "common":
                _check_objective(setting, competitor, registry)
            moved[competitor.arm.name] = _moved(setting, competitor, registry)
    return Fairness(_equal_pairs(setting, left, attempts), {arm: each for arm, each in moved.items() if each})


def _runs(setting: Setting, competitor: Competitor) -> Iterator[Run]:
    """Yield the runs at the low and at the high end of everything that is searched."""
    for which in (0, 1):
        yield setting.search_run(competitor, ends(competitor, which))


# --- a weight decay of the optimizer's own -------------------------------------------------------------------


@dataclass(frozen=True)
class _Penalty:
    got: str
    name: str = ""  # of the hyperparameter; empty where the optimizer has no name for it


def _check_objective(setting: Setting, competitor: Competitor, registry: Registry) -> None:
    """Raise PluginError for an optimizer with a weight decay of its own."""
    penalty = _own_penalty(setting, competitor)
    if penalty is None:
        return
    name = competitor.entered
    origin = registry.find("optimizer", competitor.arm.optimizer, "train.optimizers").origin
    section = name if re.fullmatch(r"[\w-]+", name) else f'"{name}"'
    cure = f"pin it to 0, [search.space.{section}] {penalty.name} = 0," if penalty.name else "take it out,"
    raise PluginError(
        f"{origin}: optimizer '{name}' must have no weight decay of its own where the arms have one objective, got "
        f'{penalty.got}; {cure} or write search.objective = "free" if a leaderboard is all you want'
    )


def _rehearsing(optimizer: Optimizer) -> Boundary:
    """Return the boundary around a rehearsal; what fails in it is named in the arm's first trial."""
    return Boundary("optimizer", optimizer.name, "be rehearsed", everything=True)


def _own_penalty(setting: Setting, competitor: Competitor) -> _Penalty | None:
    """Return the weight decay that an optimizer has of its own; None where it has none."""
    optimizer, low, high = competitor.optimizer, ends(competitor, 0), ends(competitor, 1)
    for name in filter(is_penalty, competitor.space):
        return _Penalty(f"{name} in its space, {low[name]!r} to {high[name]!r}", name)
    for name, value in optimizer.settings(competitor.fixed).items():
        if is_penalty(name, value):
            return _Penalty(f"{name} = {value!r} in its defaults", name)
    for run in _runs(setting, competitor):
        with suppress(PluginFailed), _rehearsing(optimizer):
            for name, value in own_penalties(Rehearsal(optimizer, run.optimizer).optimizer).items():
                return _Penalty(f"{name} = {value!r} in its parameter groups", name)
            if OBJECTIVE not in optimizer.known_failures and shrinks_weights(optimizer, run.optimizer):
                return _Penalty("weights that shrink where the gradient is 0")
    return None


# --- what a schedule moves beside the learning rate ----------------------------------------------------------


def _moved(setting: Setting, competitor: Competitor, registry: Registry) -> dict[str, Moved]:
    """Return what an arm's schedule moves; raises PluginError where that is a hyperparameter that was chosen."""
    optimizer, scheduler = competitor.optimizer, competitor.scheduler
    low, high = _runs(setting, competitor)
    moved: dict[str, Moved] = {}
    for run in (low, high):
        with suppress(PluginFailed), _rehearsing(optimizer):
            entries = moved_entries(optimizer, run.optimizer, scheduler, run.scheduler)
            moved |= {entry: each.with_(moved.get(entry, each)) for entry, each in entries.items()}
    holders = _holders(competitor, low.optimizer, high.optimizer) if moved else {}
    for entry, each in moved.items():
        if chosen := overwritten_setting(entry, low.optimizer) or holders.get(entry):
            name = competitor.arm.scheduler
            origin = registry.find("scheduler", name, "train.schedulers").origin
            wrong = refusal_text(entry, chosen, f"{each.low:.4g} to {each.high:.4g}")
            raise PluginError(f"{origin}: scheduler '{name}' under '{competitor.entered}' {wrong}")
    return moved


def _holders(competitor: Competitor, low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, str]:
    """Return the searched hyperparameter that each entry of the groups holds, whatever the two are called."""
    holders: dict[str, str] = {}
    for name in {*low} - {*competitor.fixed}:
        with suppress(PluginFailed), _rehearsing(competitor.optimizer):  # the two ends need not go together
            holders |= dict.fromkeys(entries_of(competitor.optimizer, low, {**low, name: high[name]}), name)
    return holders


# --- two optimizers that are one -----------------------------------------------------------------------------


def _equal_pairs(setting: Setting, competitors: Sequence[Competitor], attempts: Attempts) -> tuple[Equal, ...]:
    """Return each optimizer that takes the steps of one before it, with that one; an alias of an optimizer is meant to."""
    first = {competitor.entered: competitor for competitor in reversed(competitors)}
    different: list[Competitor] = []
    found = []
    for name in (name for name in setting.plan.benchmark.train.optimizers if name in first):
        others = [each for each in different if each.arm.optimizer != first[name].arm.optimizer]
        equal = next((pair for pair in (_equal(each, first[name], attempts) for each in others) if pair), None)
        if equal:
            found.append(equal)
        else:
            different.append(first[name])
    return tuple(found)


def _equal(one: Competitor, other: Competitor, attempts: Attempts) -> Equal | None:
    """Return that two optimizers take the same steps; None where they do not, or cannot be compared."""
    work = f"pair {one.entered} {other.entered}"
    if attempts.given_up(work):
        return None
    with attempts.during(work, f"the steps of {one.entered} and {other.entered} side by side"):
        return _compared(one, other)


def _compared(one: Competitor, other: Competitor) -> Equal | None:
    settings, others = _equal_settings(one, other)
    same = False
    who = f"optimizer '{one.entered}' or '{other.entered}', tried out before the search,"
    with suppress(PluginFailed), _rehearsing(one.optimizer), kept(who):
        same = take_same_steps(one.optimizer, settings, other.optimizer, others)
    if not same:
        return None
    decays = [any(is_penalty(name) and not each[name] for name in each) for each in (settings, others)]
    name, same_as = (one.entered, other.entered) if decays == [True, False] else (other.entered, one.entered)
    return Equal(name, same_as, STEPS, weight_decay=any(decays))


def _equal_settings(one: Competitor, other: Competitor) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings at which two optimizers are compared: what one of them searches is equal for both.

    It has the value that the other one has without searching it, or else its default.
    """
    pair = (one, other)
    settings = [each.optimizer.settings(each.fixed) for each in pair]
    for name in {**one.space, **other.space}:
        if name in COMMON or name.startswith(SCHEDULE):
            continue
        searched = [name in each.space for each in pair]
        highest = [
            ends(each, 1)[name] if is_searched else None for each, is_searched in zip(pair, searched, strict=True)
        ]
        unsearched = [
            values[name] for values, its in zip(settings, searched, strict=True) if name in values and not its
        ]
        defaults = [values[name] for values in settings if name in values]
        common = next(iter([*unsearched, *defaults, *(each for each in highest if each is not None)]))
        for values, high, is_searched in zip(settings, highest, searched, strict=True):
            if is_searched:  # a weight decay that is searched is not 0, whatever the other one's is
                values[name] = high if is_penalty(name) else common
    return settings[0], settings[1]
