"""Optuna's samplers and pruners, by their short names, and one clear line where one cannot be had."""

from __future__ import annotations

import inspect
import math
import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import optuna

from harness.benchmark.arms import Competitor
from harness.benchmark.first_trial import first_trial
from harness.benchmark.plan import Plan
from harness.benchmark.toml import refusal
from harness.errors import did_you_mean, one_line, shown
from harness.plugin.rules import NO_RULES, Rules, every_setting
from harness.plugin.runs import digest

_ONE_SEED = ("qmc", "grid", "bruteforce")  # these walk through one sequence, so every trial gets the same seed
OURS = {"seed": "search.seed", "search_space": "search.space"}  # options that the harness gives itself, and from what
GRID = "grid"
EXHAUSTIVE = (GRID, "bruteforce")  # these try every combination of a finite space
ACROSS_SEEDS = "wilcoxon"  # the pruner that judges a trial by its seeds; all others go by epochs


def quiet_optuna() -> None:
    """Have Optuna print errors only; its lines on every trial are ours to say."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def study_name(arm: str, replicate: int = 0) -> str:
    """Return what a search of an arm is called in Optuna and in our tables: the first one like the arm."""
    return f"{arm} #{replicate + 1}" if replicate else arm


def directions(plan: Plan) -> list[Literal["minimize", "maximize"]]:
    """Return Optuna's words for the search's objectives, the score first."""
    score: Literal["minimize", "maximize"] = "maximize" if plan.searched.goal == "max" else "minimize"
    return [score if name == "score" else "minimize" for name in plan.benchmark.search.objectives]


def make_pruner(plan: Plan, where: str = "search.pruner") -> optuna.pruners.BasePruner:
    """Return the benchmark's pruner; raises BenchmarkError in one line."""
    options = plan.benchmark.search
    if options.pruner == "none":
        return optuna.pruners.NopPruner()
    pruner: optuna.pruners.BasePruner = _make(pruners(), options.pruner, options.pruner_options, where)
    return pruner


def make_sampler(
    plan: Plan, competitor: Competitor, number: int, replicate: int = 0, where: str = "search.sampler", attempt: int = 0
) -> optuna.samplers.BaseSampler:
    """Return the sampler of one trial, seeded from (search seed, study, number); raises BenchmarkError in one line.

    Where what it proposed broke a constraint, the sampler of the next ``attempt`` has another seed, or goes on in its sequence.
    """
    search, study = plan.benchmark.search, study_name(competitor.name, replicate)
    options = dict(search.sampler_options)
    name = short_name(search.sampler)
    key = [search.seed, study] if name in _ONE_SEED else [search.seed, study, number, *([attempt] if attempt else [])]
    check_finite(name, competitor, where)
    seed = int(digest(key)[:8], 16)
    if name == GRID and competitor.rules:
        options["search_space"] = _every_value(competitor)
    elif name == GRID:
        options["search_space"] = _grid(competitor, {**options, "seed": seed}, where)
    sampler: optuna.samplers.BaseSampler = _make(samplers(), search.sampler, options, where, seed=seed)
    return sampler


def fixed_params(plan: Plan, competitor: Competitor, number: int, replicate: int = 0) -> dict[str, Any]:
    """Return the parameters that a trial has whatever the sampler says: those of the first trial of a search.

    A grid's own first combination is the first trial already (``_grid``). Where the arm has rules, a sampler that tries every
    combination has all of them from here, because Optuna's own walk through those that no rule allows.
    """
    if competitor.rules and short_name(plan.benchmark.search.sampler) in EXHAUSTIVE:
        settings = walk(competitor, digest([plan.benchmark.search.seed, study_name(competitor.name, replicate)]))
        return settings[number % len(settings)]
    has_own = number > 0 or short_name(plan.benchmark.search.sampler) == GRID
    return {} if has_own else first_trial(competitor)


def walk(competitor: Competitor, seed: str) -> list[dict[str, Any]]:
    """Return every combination of a finite space that the arm's rules allow, its first trial first, the others shuffled."""
    settings = every_setting(_every_value(competitor), competitor.rules)
    random.Random(seed).shuffle(settings)
    first = competitor.rules.in_force(first_trial(competitor))
    place = next((number for number, setting in enumerate(settings) if setting == first), 0)
    return [settings[place], *settings[:place], *settings[place + 1 :]] if settings else []


def _every_value(competitor: Competitor) -> dict[str, list[Any]]:
    return {name: _every(space) for name, space in competitor.space.items()}


def _grid(competitor: Competitor, options: Mapping[str, Any], where: str) -> dict[str, list[Any]]:
    """Return every value of each parameter, in an order in which Optuna's grid begins with the arm's first trial.

    Optuna shuffles the combinations, and what it shuffles does not depend on the values. So the values of the combination
    that would come first change places with those of the first trial. A trial that was put before the grid instead would
    come up in the grid once more.
    """
    values = _every_value(competitor)
    study = optuna.create_study(sampler=_make(samplers(), GRID, {**options, "search_space": values}, where))
    leading = study.ask(dict(competitor.space)).params
    for name, default in first_trial(competitor).items():
        place, first = (_index(values[name], value) for value in (default, leading[name]))
        values[name][place], values[name][first] = values[name][first], values[name][place]
    return values


def _index(values: Sequence[Any], value: Any) -> int:
    """Return where a value stands, or the number that is nearest to it."""
    if value in values:
        return values.index(value)
    return min(range(len(values)), key=lambda place: abs(values[place] - value))


def check_finite(sampler: str, competitor: Competitor, where: str) -> None:
    """Raise BenchmarkError where a sampler tries every combination, and the arm's space has infinitely many."""
    if short_name(sampler) not in EXHAUSTIVE:
        return
    for name, space in competitor.space.items():
        if not _count(space):
            hint = f"give {{choices = [...]}} in [search.space.{competitor.entered}]"
            space_text = f"a range for '{name}' of {competitor.name}"
            raise refusal(where, f"have finite spaces for {shown(sampler)}", space_text, hint)


def combinations(space: Mapping[str, Any], rules: Rules = NO_RULES) -> int:
    """Return how many different settings a space has in all, 0 for infinitely many."""
    many = math.prod(_count(distribution) for distribution in space.values())
    if not many or not rules:
        return many
    return len(every_setting({name: _every(distribution) for name, distribution in space.items()}, rules))


def _count(space: Any) -> int:
    """Return how many values one parameter has, 0 for infinitely many."""
    if hasattr(space, "choices"):
        return len(space.choices)
    if space.single():
        return 1
    return math.floor((space.high - space.low) / space.step + 1e-9) + 1 if space.step else 0


class Tried:
    """Which combinations of a space have been asked, for a sampler that walks through all of them."""

    def __init__(self, sampler: str, space: Mapping[str, Any], rules: Rules = NO_RULES) -> None:
        self._space = space
        self._rules = rules
        self._many = combinations(space, rules) if short_name(sampler) in EXHAUSTIVE else 0  # 0 where it does not
        self._combinations: set[tuple[int | None, ...]] = set()

    def note(self, params: Mapping[str, Any]) -> None:
        """Note the parameters of one more trial."""
        if self._many:
            places = {name: _place(params.get(name), parameter) for name, parameter in self._space.items()}
            in_force = [place for name, place in places.items() if self._rules.is_in_force(name, params)]
            if None not in in_force:
                self._combinations.add(tuple(places.values()))

    @property
    def everything(self) -> bool:
        """Whether the sampler has asked all of them."""
        return 0 < self._many <= len(self._combinations)


def _place(value: Any, space: Any) -> int | None:
    """Return which of the values of one parameter this is; None for a value of another range."""
    if hasattr(space, "choices"):
        return next((number for number, choice in enumerate(space.choices) if choice == value), None)
    if value is None or not space.low - 1e-9 <= value <= space.high + 1e-9:
        return None
    return round((value - space.low) / space.step) if space.step else 0


def samplers() -> dict[str, type]:
    """Return Optuna's samplers by short name."""
    return _classes(optuna.samplers, "Sampler", ("BaseSampler", "BaseGASampler", "PartialFixedSampler"))


def pruners() -> dict[str, type]:
    """Return Optuna's pruners by short name."""
    return _classes(optuna.pruners, "Pruner", ("BasePruner", "NopPruner", "PatientPruner"))


def _classes(module: Any, ending: str, without: tuple[str, ...]) -> dict[str, type]:
    """Return Optuna's classes by short name: ``TPESampler`` is ``tpe``."""
    names = [name for name in module.__all__ if name.endswith(ending) and name not in without]
    return {name.removesuffix(ending).lower(): getattr(module, name) for name in names}


def short_name(name: str) -> str:
    """Return a name as Optuna's classes go by here: ``successive_halving`` is ``successivehalving``."""
    return name.replace("_", "").replace("-", "")


def find_class(classes: Mapping[str, type], name: str, where: str = "search") -> type:
    """Return Optuna's class of that short name; raises BenchmarkError in one line."""
    key = short_name(name)
    if key not in classes:
        raise refusal(where, "be one that Optuna has", shown(name), did_you_mean(name, classes))
    return classes[key]


def _make(classes: Mapping[str, type], name: str, options: Mapping[str, Any], where: str, **more: Any) -> Any:
    """Return an instance of Optuna's class of that name; raises BenchmarkError in one line."""
    kind = find_class(classes, name, where)
    takes = inspect.signature(kind).parameters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a class is experimental, or an option out of use
        try:
            return kind(**{key: value for key, value in more.items() if key in takes}, **options)
        except Exception as error:  # Optuna's constructors raise many types
            raise refusal(where, "build", one_line(error), f"see {where}_options") from error


def _every(space: Any) -> list[Any]:
    """Return every value of one parameter that has finitely many."""
    if hasattr(space, "choices"):
        return list(space.choices)
    return [space.low + number * (space.step or 0) for number in range(_count(space))]
