"""Trying a sampler and a pruner before anything is spent: their options are checked, and a small search runs in memory.

Many of Optuna's classes take any option and break only in the middle of a search. So every option is held against the
type that its class names and against its range, and each arm's own space is then searched for a few trials beyond the
start-up, with made-up scores.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from optuna.trial import TrialState

from harness.benchmark.arms import Competitor
from harness.benchmark.first_trial import first_trial
from harness.benchmark.plan import Plan
from harness.benchmark.toml import refusal
from harness.errors import BenchmarkError, did_you_mean, on_one_line, one_line, shortened, shown
from harness.plugin.runs import digest
from harness.running.search.optuna_study import OptunaStudy
from harness.running.search.samplers import (
    ACROSS_SEEDS,
    OURS,
    Tried,
    check_finite,
    directions,
    find_class,
    fixed_params,
    make_pruner,
    make_sampler,
    pruners,
    quiet_optuna,
    samplers,
    short_name,
)

Where = Callable[..., str]
GONE = ("restart_strategy", "inc_popsize")  # options that Optuna takes and forgets
MOST_TRIALS = 120  # of a small search
MOST_STEPS = 30  # that a trial of it reports to a pruner

_TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "float": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "str": ("a string", lambda value: isinstance(value, str)),
    "dict": ("a table", lambda value: isinstance(value, dict)),
}  # by what Optuna's signatures call them; whatever else they name cannot be written in TOML
_RANGES: Mapping[str, tuple[float, float]] = {
    "n_startup_trials": (0, 1e9), "n_ei_candidates": (1, 1e5), "popsize": (2, 1e4),
    "population_size": (2, 1e6), "dividing_parameter": (1, 1e3), "mutation_prob": (0, 1), "crossover_prob": (0, 1),
    "swapping_prob": (0, 1), "prior_weight": (1e-9, 1e9), "sigma0": (1e-9, 1e9), "min_resource": (1, 1e9),
    "max_resource": (1, 1e9), "reduction_factor": (2, 1e9), "bootstrap_count": (0, 1e9),
    "min_early_stopping_rate": (0, 1e3), "n_warmup_steps": (0, 1e9), "interval_steps": (1, 1e9), "n_min_trials": (1, 1e9),
    "percentile": (0, 100), "p_threshold": (0, 1), "n_startup_steps": (0, 1e9),
}  # fmt: skip
_WORDS: Mapping[str, tuple[str, ...]] = {
    "qmc_type": ("halton", "sobol"), "min_resource": ("auto",), "max_resource": ("auto",),
}  # fmt: skip
_tried: dict[str, str] = {}  # what came of the small searches of this process


def check(plan: Plan, where: Where) -> None:
    """Raise BenchmarkError where the benchmark's sampler or pruner, with its options, cannot search every arm's space."""
    search = plan.benchmark.search
    _check_options("sampler", samplers(), where, search.sampler, search.sampler_options)
    if search.pruner != "none":
        _check_options("pruner", pruners(), where, search.pruner, search.pruner_options)
        _check_pruner(plan, where("search", "pruner"))
    elif search.pruner_options:
        key = next(iter(search.pruner_options))
        place = where("search", "pruner_options", key)
        raise refusal(place, "go with a pruner", "it with pruner = 'none'", "leave it out")
    for competitor in plan.competitors:
        check_finite(search.sampler, competitor, where("search", "sampler"))
        if trouble := _trouble(plan, competitor):
            raise _blamed(plan, competitor, trouble, where)


def _check_pruner(plan: Plan, where: str) -> None:
    """Refuse a pruner that does not go with the number of objectives, or with the number of seeds of a trial."""
    search = plan.benchmark.search
    by_seeds = short_name(search.pruner) == ACROSS_SEEDS
    if len(search.objectives) > 1:
        raise refusal(where, "be 'none' with two search.objectives", shown(search.pruner))
    if by_seeds and search.seeds < 3:
        raise refusal(where, "have search.seeds of 3 or more to judge by", str(search.seeds))
    if not by_seeds and search.seeds > 1:
        must = f"be '{ACROSS_SEEDS}' or 'none' where a trial has {search.seeds} seeds"
        raise refusal(where, must, shown(search.pruner))


# --- options


def _check_options(part: str, classes: Mapping[str, type], where: Where, name: str, options: Mapping[str, Any]) -> None:
    """Raise BenchmarkError for an option that Optuna's class has not, or that is of a wrong type or out of its range."""
    kind = find_class(classes, name, where("search", part))
    parameters = inspect.signature(kind).parameters
    takes = {key: parameter for key, parameter in parameters.items() if _types(parameter.annotation)}
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in {*options, *OURS}:
            place = where("search", f"{part}_options")
            raise refusal(place, f"have '{key}' for {shown(name)}", "none", f"add {key} = ...")
    for key, value in options.items():
        place = where("search", f"{part}_options", key)
        if key in OURS:
            raise refusal(place, "be left out", shown(value), f"it is made from {OURS[key]}")
        if key in GONE:
            raise refusal(place, "be left out", shown(value), "Optuna does not use it any more")
        if key not in parameters:
            hint = did_you_mean(key, set(takes) - {*OURS, *GONE})
            raise refusal(place, f"be an option of Optuna's {kind.__name__}", shown(key), hint)
        if key not in takes:
            raise refusal(place, "be left out", shown(value), "it is not a value that TOML can hold")
        if wrong := _wrong(key, value, _types(takes[key].annotation)):
            raise refusal(place, f"be {wrong}", shown(value))


def _types(annotation: Any) -> list[str]:
    """Return those of the types that an option may have which a benchmark file can hold, by their names in Python."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    if "Callable" in text:
        return []
    names = [part.split("[")[0].strip() for part in text.split("|")]
    return [name for name in names if name in _TYPES]


def _wrong(key: str, value: Any, types: list[str]) -> str:
    """Return what an option must be, where its value is something else; "" where it is right."""
    low, high = _RANGES.get(key, (float("-inf"), float("inf")))
    words = _WORDS.get(key, ())
    right = any(_TYPES[name][1](value) for name in types)
    if right and isinstance(value, str):
        right = not words or value in words
    elif right and isinstance(value, int | float) and not isinstance(value, bool):
        right = low <= value <= high
    if right:
        return ""
    return " or ".join(_must_be(name, low, high, words) for name in types)


def _must_be(name: str, low: float, high: float, words: tuple[str, ...]) -> str:
    if name == "str" and words:
        return " or ".join(map(repr, words))
    limits = (
        f" from {low:g} to {high:.10g}"
        if high < 1e9
        else f" above {0 if low < 1 else low - 1:g}"
        if low > 0
        else " >= 0"
    )
    return _TYPES[name][0] + (limits if name in ("int", "float") and low > float("-inf") else "")


# --- a small search


def _trouble(plan: Plan, competitor: Competitor) -> str:
    """Return what a small search of an arm breaks with, as ``ValueError: ...``; "" where it does not."""
    search = plan.benchmark.search
    space = {name: repr(distribution) for name, distribution in competitor.space.items()}
    space |= {"": repr(competitor.rules)} if competitor.rules else {}
    settings = search.model_dump(include={"sampler", "sampler_options", "pruner", "pruner_options", "objectives"})
    key = digest(
        [settings, search.seeds, search.epochs, search.trials, directions(plan), space, first_trial(competitor)]
    )
    if key not in _tried:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                _search(plan, competitor)
                _tried[key] = ""
            except Exception as error:  # Optuna's classes raise many types on options they cannot use
                _tried[key] = one_line((isinstance(error, BenchmarkError) and error.__cause__) or error)
    return _tried[key]


def _search(plan: Plan, competitor: Competitor) -> None:
    """Ask, report and tell as a search does, with made-up scores, until the sampler and the pruner have decided."""
    search = plan.benchmark.search
    quiet_optuna()
    study = OptunaStudy("small", directions(plan))
    startup, enough = _enough(plan, competitor)
    tried = Tried(search.sampler, competitor.space, competitor.rules)
    for number in range(enough):
        if number == 0 or number >= startup:
            study.prepare(make_sampler(plan, competitor, number), make_pruner(plan))
        sampler = partial(_sampler, plan, competitor, number)
        fixed = fixed_params(plan, competitor, number)
        tried.note(study.ask_with(fixed, competitor.space, competitor.rules, sampler).params)
        score = (number * 37 % 101 + 1) / 103
        state = {4: TrialState.FAIL, 7: TrialState.PRUNED}.get(number % 10, TrialState.COMPLETE)
        steps, notes, stop = _pruned(plan, study, number, score)
        state = TrialState.PRUNED if stop else state
        values = [score, 1.0 + number % 5][: len(search.objectives)] if state == TrialState.COMPLETE else None
        study.end(number, steps, notes, values, state)
        if tried.everything:
            return


def _sampler(plan: Plan, competitor: Competitor, number: int, attempt: int) -> Any:
    return make_sampler(plan, competitor, number, attempt=attempt)


def _pruned(plan: Plan, study: OptunaStudy, number: int, score: float) -> tuple[dict[int, float], dict[str, Any], bool]:
    """Ask the pruner after every step of a trial; return the steps, what it noted, and whether it stopped the trial."""
    search = plan.benchmark.search
    seen: dict[int, float] = {}
    notes: dict[str, Any] = {}
    if search.pruner == "none":
        return seen, notes, False
    steps = range(search.seeds) if search.seeds > 1 else range(1, search.epochs[-1] + 1)
    pruner = make_pruner(plan)
    for step in steps[:MOST_STEPS]:
        seen[step] = score * (1 + step / 100)
        stop, notes = study.decide(pruner, number, seen, notes)
        if stop:
            return seen, notes, True
    return seen, notes, False


def _enough(plan: Plan, competitor: Competitor) -> tuple[int, int]:
    """Return how many trials the start-up of sampler and pruner takes, and how many to try, within the search's budget."""
    search = plan.benchmark.search
    startup = _startup_trials(find_class(samplers(), search.sampler), search.sampler_options)
    if search.pruner != "none":
        startup += _startup_trials(find_class(pruners(), search.pruner), search.pruner_options)
    generation = 4 + 3 * len(competitor.space)  # no smaller than what CMA-ES takes by itself
    enough = startup + 2 + (generation if short_name(search.sampler) == "cmaes" else 0)
    budget = search.trials if search.unit == "trials" else MOST_TRIALS
    return startup, max(1, min(enough, budget, MOST_TRIALS))


def _startup_trials(kind: type, options: Mapping[str, Any]) -> int:
    """Return how many trials one of Optuna's classes takes before it begins to decide."""
    parameters = inspect.signature(kind).parameters
    keys = [key for key in ("n_startup_trials", "n_min_trials", "popsize", "population_size") if key in parameters]
    return sum(int(options.get(key, parameters[key].default) or 0) for key in keys)


def _blamed(plan: Plan, competitor: Competitor, trouble: str, where: Where) -> BenchmarkError:
    """Return the error that names the options without which the small search does not break, if there are such."""
    search = plan.benchmark.search
    arm, trouble = competitor.name, shortened(on_one_line(trouble), 120)
    for part in ("sampler", "pruner"):
        options = getattr(search, f"{part}_options")
        guilty = []
        for key in options:
            rest = {name: value for name, value in options.items() if name != key}
            if not _trouble(_changed(plan, {f"{part}_options": rest}), competitor):
                guilty.append(key)
        if guilty:
            key = (f"{part}_options", *guilty) if len(guilty) == 1 else (f"{part}_options",)
            values = shown(options[guilty[0]] if len(guilty) == 1 else {name: options[name] for name in guilty})
            must = f"be such that Optuna's {part} can search {arm}"
            return refusal(where("search", *key), must, f"{values} ({trouble})")
    without = _changed(plan, {"pruner": "none", "pruner_options": {}})
    part = "pruner" if search.pruner != "none" and not _trouble(without, competitor) else "sampler"
    hint = f"choose another, or other {part}_options"
    return refusal(where("search", part), f"work for {arm}", trouble, hint)


def _changed(plan: Plan, search: Mapping[str, Any]) -> Plan:
    """Return the plan with other settings of its search."""
    changed = plan.benchmark.search.model_copy(update=dict(search))
    return replace(plan, benchmark=plan.benchmark.model_copy(update={"search": changed}))
