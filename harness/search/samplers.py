"""Optuna's samplers and pruners, by their short names, and one clear line where one cannot be had."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

import optuna

from harness.errors import BenchmarkError, did_you_mean, one_line
from harness.plan import Competitor, Plan
from harness.runs import digest

optuna.logging.set_verbosity(optuna.logging.ERROR)

_ONE_SEED = ("qmc", "grid", "bruteforce")  # these walk through one sequence, so every trial gets the same seed
ACROSS_SEEDS = "wilcoxon"  # the pruner that judges a trial by its seeds; all others go by epochs


def study_name(arm: str, replicate: int = 0) -> str:
    """Return what a search of an arm is called in Optuna and in our tables: the first one like the arm."""
    return f"{arm} #{replicate + 1}" if replicate else arm


def directions(plan: Plan) -> list[Literal["minimize", "maximize"]]:
    """Return Optuna's words for the search's objectives, the score first."""
    score: Literal["minimize", "maximize"] = "maximize" if plan.goal.goal == "max" else "minimize"
    return [score if name == "score" else "minimize" for name in plan.benchmark.search.objectives]


def check(plan: Plan, where: Callable[..., str]) -> None:
    """Raise BenchmarkError where the benchmark's sampler or pruner is not one that Optuna has, or does not work.

    Every arm's space is asked once, in memory, for some samplers refuse only then.
    """
    options = plan.benchmark.search
    if options.pruner != "none":
        make_pruner(plan, where("search", "pruner"))
        _check_pruner(plan, where("search", "pruner"))
    for competitor in plan.competitors:
        sampler = make_sampler(plan, competitor, 0, where=where("search", "sampler"))
        try:
            study = optuna.create_study(sampler=sampler, directions=directions(plan))
            study.ask(dict(competitor.space))
        except Exception as error:  # Optuna's samplers raise many types on options they cannot use
            raise BenchmarkError(
                f"{where('search', 'sampler')}: must work for {competitor.arm.name}, got {one_line(error)}"
            ) from error


def _check_pruner(plan: Plan, where: str) -> None:
    search = plan.benchmark.search
    by_seeds = _key(search.pruner) == ACROSS_SEEDS
    if len(search.objectives) > 1:
        raise BenchmarkError(f"{where}: must be 'none' with two search.objectives, got '{search.pruner}'")
    if by_seeds and search.seeds < 3:
        raise BenchmarkError(f"{where}: must have search.seeds of 3 or more to judge by, got {search.seeds}")
    if not by_seeds and search.seeds > 1:
        raise BenchmarkError(
            f"{where}: must be '{ACROSS_SEEDS}' or 'none' where a trial has {search.seeds} seeds, got '{search.pruner}'"
        )


def make_pruner(plan: Plan, where: str = "search.pruner") -> optuna.pruners.BasePruner:
    """Return the benchmark's pruner; raises BenchmarkError in one line."""
    options = plan.benchmark.search
    if options.pruner == "none":
        return optuna.pruners.NopPruner()
    pruner: optuna.pruners.BasePruner = _make(pruners(), options.pruner, options.pruner_options, where)
    return pruner


def make_sampler(
    plan: Plan, competitor: Competitor, number: int, replicate: int = 0, where: str = "search.sampler"
) -> optuna.samplers.BaseSampler:
    """Return the sampler of one trial, seeded from (search seed, study, number); raises BenchmarkError in one line."""
    search, study = plan.benchmark.search, study_name(competitor.arm.name, replicate)
    options = dict(search.sampler_options)
    key = [search.seed, study] if search.sampler in _ONE_SEED else [search.seed, study, number]
    if search.sampler == "grid":
        options["search_space"] = _grid(competitor, where)
    seed = int(digest(key)[:8], 16)
    sampler: optuna.samplers.BaseSampler = _make(samplers(), search.sampler, options, where, seed=seed)
    return sampler


def combinations(space: Mapping[str, Any]) -> int:
    """Return how many different values a space has in all, 0 for infinitely many."""
    return math.prod(_count(each) for each in space.values())


def _count(space: Any) -> int:
    """Return how many values one parameter has, 0 for infinitely many."""
    if hasattr(space, "choices"):
        return len(space.choices)
    if space.single():
        return 1
    return math.floor((space.high - space.low) / space.step + 1e-9) + 1 if space.step else 0


def samplers() -> dict[str, type]:
    """Return Optuna's samplers by short name."""
    return _classes(optuna.samplers, "Sampler", ("BaseSampler", "BaseGASampler", "PartialFixedSampler"))


def pruners() -> dict[str, type]:
    """Return Optuna's pruners by short name."""
    return _classes(optuna.pruners, "Pruner", ("BasePruner", "NopPruner", "PatientPruner"))


def _key(name: str) -> str:
    return name.replace("_", "").replace("-", "")


def _classes(module: Any, ending: str, without: tuple[str, ...]) -> dict[str, type]:
    """Return Optuna's classes by short name: ``TPESampler`` is ``tpe``."""
    names = [name for name in module.__all__ if name.endswith(ending) and name not in without]
    return {name.removesuffix(ending).lower(): getattr(module, name) for name in names}


def _make(classes: Mapping[str, type], name: str, options: Mapping[str, Any], where: str, **more: Any) -> Any:
    """Return an instance of Optuna's class of that name; raises BenchmarkError in one line."""
    key = _key(name)
    if key not in classes:
        raise BenchmarkError(f"{where}: must be one that Optuna has, got '{name}'{did_you_mean(name, classes)}")
    takes = inspect.signature(classes[key]).parameters
    for option in options:
        if option not in takes:
            raise BenchmarkError(
                f"{where}_options: must be options of Optuna's {classes[key].__name__}, got '{option}'{did_you_mean(option, takes)}"
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return classes[key](**{k: v for k, v in more.items() if k in takes}, **options)
        except (TypeError, ValueError, ImportError) as error:
            raise BenchmarkError(f"{where}: must build, got {' '.join(str(error).split())}") from error


def _grid(competitor: Competitor, where: str) -> dict[str, list[Any]]:
    """Return every value of every parameter; raises BenchmarkError for one with infinitely many."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    grid: dict[str, list[Any]] = {}
    for name, space in competitor.space.items():
        if isinstance(space, CategoricalDistribution):
            grid[name] = list(space.choices)
        elif isinstance(space, IntDistribution):
            grid[name] = list(range(space.low, space.high + 1, space.step))
        else:
            raise BenchmarkError(
                f"{where}: must have finite spaces for 'grid', got a range for '{name}' of {competitor.arm.name}; give {{choices = [...]}} in [search.space.{competitor.entered}]"
            )
    return grid
