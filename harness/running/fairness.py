"""Is it fair? What an arm's optimizer and schedule would do to the comparison is tried out before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.benchmark.arms import Competitor, end_of, ends
from harness.benchmark.plan import Setting
from harness.benchmark.spaces import COMMON, SCHEDULE
from harness.errors import PluginError
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Optimizer
from harness.plugin.process_settings import kept
from harness.plugin.registry import Registry
from harness.plugin.runs import Arm, Run, split_arm_name
from harness.plugin.validate import is_penalty
from harness.records.attempts import Attempts
from harness.training.group_entries import overwritten_setting, refusal_text
from harness.training.rehearsal import (
    STEPS,
    Moved,
    Rehearsal,
    compare_steps,
    entries_of,
    moved_entries,
    own_penalties,
    shrinks_weights,
)

OBJECTIVE = "common_objective"  # the check of ``harness check`` for a weight decay; a method's own is a known failure


@dataclass(frozen=True)
class Equal:
    """Two optimizers, as the benchmark enters them, that take the same steps at equal settings."""

    name: str
    same_as: str
    steps: int  # that they were compared over
    weight_decay: bool  # one of them has a weight decay, which is 0 here
    exactly: bool = True  # to the last bit, and not only but for rounding

    def line(self) -> str:
        """Return it for a person."""
        rounding = "" if self.exactly else ", but for rounding"
        compared = f"take the same steps (compared over {self.steps} steps{rounding})"
        if self.weight_decay:
            cure = f"to give {self.name} a weight decay of its own, set search.objective to free"
            return f"{self.name} is {self.same_as} here: without weight decay both {compared}; {cure}"
        return f"{self.name} is {self.same_as} here: at equal settings both {compared}"


@dataclass(frozen=True)
class Fairness:
    """What a reader must know of the arms' optimizers and schedules."""

    equal: Sequence[Equal] = ()
    moved: Mapping[str, Mapping[str, Moved]] = field(default_factory=dict)  # entry of the groups, by arm
    unsaved: Sequence[str] = ()  # optimizers whose state cannot be saved

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON, with the lines for a person as ``notes``."""
        return {**asdict(self), "notes": self.notes()}

    def notes(self) -> list[str]:
        """Return a line for each pair of equal optimizers, each entry that a schedule moves, and each unsaved optimizer."""
        by_line: dict[str, list[str]] = {}
        for arm, entries in self.moved.items():
            for entry, moved in entries.items():
                scheduler = split_arm_name(arm).scheduler
                line = f"{scheduler} moves {entry} too, from {moved.low:.4g} to {moved.high:.4g} (built with {moved.before:.4g})"
                by_line.setdefault(line, []).append(arm)
        moved_lines = [f"{line}: {', '.join(arms)}" for line, arms in by_line.items()]
        unsaved_lines = [
            f"{name}: its state cannot be saved, so a run that is killed begins again" for name in self.unsaved
        ]
        return [pair.line() for pair in self.equal] + moved_lines + unsaved_lines


def rehearsal(arm: Arm) -> str:
    """Return what the rehearsal of an arm is called in the journal of attempts."""
    return f"rehearsal {arm.name}"


def check_fairness(setting: Setting, registry: Registry, attempts: Attempts | None = None) -> Fairness:
    """Return what a reader must know of the arms; raises PluginError for an arm that cannot be compared fairly.

    An arm whose rehearsal the process has died in again and again is passed over.
    """
    attempts = attempts or Attempts()
    moved: dict[str, dict[str, Moved]] = {}
    competitors = [arm for arm in setting.plan.competitors if not attempts.given_up(rehearsal(arm.arm))]
    for competitor in competitors:
        with (
            attempts.during(rehearsal(competitor.arm), f"the rehearsal of {competitor.name}"),
            kept(f"arm {competitor.name}, tried out before the search,"),
        ):
            if setting.plan.benchmark.search.objective == "common":
                _check_objective(setting, competitor, registry)
            if entries := _find_moved_entries(setting, competitor, registry):
                moved[competitor.name] = entries
    unsaved = [competitor.entered for competitor in setting.plan.competitors if not competitor.optimizer.resumes]
    return Fairness(_equal_pairs(setting, competitors, attempts), moved, tuple(dict.fromkeys(unsaved)))


def _runs_at_ends(setting: Setting, competitor: Competitor) -> Iterator[Run]:
    """Yield the runs at the low and at the high end of everything that is searched."""
    for end in (0, 1):
        yield setting.search_run(competitor, ends(competitor, end))


# --- a weight decay of the optimizer's own


@dataclass(frozen=True)
class _Penalty:
    text: str  # what it is, and where
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
        f'{penalty.text}; {cure} or write search.objective = "free" if a leaderboard is all you want'
    )


def _rehearsing(optimizer: Optimizer) -> Boundary:
    """Return the boundary around a rehearsal; what fails in it is named in the arm's first trial."""
    return Boundary("optimizer", optimizer.name, "be rehearsed", everything=True)


def _own_penalty(setting: Setting, competitor: Competitor) -> _Penalty | None:
    """Return the weight decay that an optimizer has of its own; None where it has none."""
    optimizer = competitor.optimizer
    for name in filter(is_penalty, competitor.space):
        low, high = (end_of(competitor.space[name], side) for side in (0, 1))
        return _Penalty(f"{name} in its space, {low!r} to {high!r}", name)
    for name, value in optimizer.settings(competitor.fixed).items():
        if is_penalty(name, value):
            return _Penalty(f"{name} = {value!r} in its defaults", name)
    for run in _runs_at_ends(setting, competitor):
        with suppress(PluginFailed), _rehearsing(optimizer):
            for name, value in own_penalties(Rehearsal(optimizer, run.optimizer).optimizer).items():
                return _Penalty(f"{name} = {value!r} in its parameter groups", name)
            if OBJECTIVE not in optimizer.known_failures and shrinks_weights(optimizer, run.optimizer):
                return _Penalty("weights that it pulls towards zero by itself")
    return None


# --- what a schedule moves beside the learning rate


def _find_moved_entries(setting: Setting, competitor: Competitor, registry: Registry) -> dict[str, Moved]:
    """Return what an arm's schedule moves; raises PluginError where that is a hyperparameter that was chosen."""
    optimizer, scheduler = competitor.optimizer, competitor.scheduler
    low, high = _runs_at_ends(setting, competitor)
    moved: dict[str, Moved] = {}
    for run in (low, high):
        with suppress(PluginFailed), _rehearsing(optimizer):
            entries = moved_entries(optimizer, run.optimizer, scheduler, run.scheduler)
            moved |= {entry: values.joined_with(moved.get(entry, values)) for entry, values in entries.items()}
    holders = _holders(competitor, low.optimizer, high.optimizer) if moved else {}
    for entry, values in moved.items():
        if chosen := overwritten_setting(entry, low.optimizer) or holders.get(entry):
            name = competitor.arm.scheduler
            origin = registry.find("scheduler", name, "train.schedulers").origin
            wrong = refusal_text(entry, chosen, f"{values.low:.4g} to {values.high:.4g}")
            raise PluginError(f"{origin}: scheduler '{name}' under '{competitor.entered}' {wrong}")
    return moved


def _holders(competitor: Competitor, low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, str]:
    """Return the searched hyperparameter that each entry of the groups holds, whatever the two are called."""
    holders: dict[str, str] = {}
    for name in ({*low} & {*high}) - {*competitor.fixed}:
        with suppress(PluginFailed), _rehearsing(competitor.optimizer):  # the two ends need not go together
            holders |= dict.fromkeys(entries_of(competitor.optimizer, low, {**low, name: high[name]}), name)
    return holders


# --- two optimizers that are one


def _equal_pairs(setting: Setting, competitors: Sequence[Competitor], attempts: Attempts) -> tuple[Equal, ...]:
    """Return each optimizer that takes the steps of one before it. An alias is left out: it is meant to take them."""
    by_name = {competitor.entered: competitor for competitor in reversed(competitors)}  # the first of each name
    different: list[Competitor] = []
    pairs = []
    for name in setting.plan.benchmark.train.optimizers:
        if name not in by_name:
            continue
        pair = _pair_with_equal(different, by_name[name], attempts)
        if pair:
            pairs.append(pair)
        else:
            different.append(by_name[name])
    return tuple(pairs)


def _pair_with_equal(candidates: Sequence[Competitor], competitor: Competitor, attempts: Attempts) -> Equal | None:
    """Return the first candidate, paired with a competitor, that takes the same steps; None where none does."""
    for candidate in candidates:
        if candidate.arm.optimizer != competitor.arm.optimizer:
            pair = _try_pair(candidate, competitor, attempts)
            if pair:
                return pair
    return None


def _try_pair(first: Competitor, second: Competitor, attempts: Attempts) -> Equal | None:
    """Return that two optimizers take the same steps; None where they do not, or cannot be compared."""
    work = f"pair {first.entered} {second.entered}"
    if attempts.given_up(work):
        return None
    with attempts.during(work, f"the steps of {first.entered} and {second.entered} side by side"):
        return _compare_steps(first, second)


def _compare_steps(first: Competitor, second: Competitor) -> Equal | None:
    settings, second_settings = _equal_settings(first, second)
    sameness = "not"
    pair = f"optimizer '{first.entered}' or '{second.entered}', tried out before the search,"
    with suppress(PluginFailed), _rehearsing(first.optimizer), kept(pair):
        sameness = compare_steps(first.optimizer, settings, second.optimizer, second_settings)
    if sameness == "not":
        return None
    decays = [_has_zero_penalty(settings), _has_zero_penalty(second_settings)]
    names = (first.entered, second.entered) if decays == [True, False] else (second.entered, first.entered)
    return Equal(*names, STEPS, weight_decay=any(decays), exactly=sameness == "exactly")


def _has_zero_penalty(settings: Mapping[str, Any]) -> bool:
    return any(is_penalty(name) and not value for name, value in settings.items())


def _equal_settings(first: Competitor, second: Competitor) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings at which two optimizers are compared: what one of them searches is equal for both.

    It has the value that the other one has without searching it, or else its default.
    """
    settings = [competitor.optimizer.settings(competitor.fixed) for competitor in (first, second)]
    for name in {**first.space, **second.space}:
        if name not in COMMON and not name.startswith(SCHEDULE):
            _equate(name, (first, second), settings)
    return settings[0], settings[1]


def _equate(name: str, pair: tuple[Competitor, Competitor], settings: list[dict[str, Any]]) -> None:
    """Give a hyperparameter one value in the settings of each of a pair that searches it."""
    highest = [end_of(competitor.space[name], 1) if name in competitor.space else None for competitor in pair]
    searched = [name in competitor.space for competitor in pair]
    unsearched = [
        values[name]
        for values, is_searched in zip(settings, searched, strict=True)
        if name in values and not is_searched
    ]
    defaults = [values[name] for values in settings if name in values]
    common = next(iter([*unsearched, *defaults, *(value for value in highest if value is not None)]))
    for values, high, is_searched in zip(settings, highest, searched, strict=True):
        if is_searched:  # a weight decay that is searched is not 0, whatever the other one's is
            values[name] = high if is_penalty(name) else common
