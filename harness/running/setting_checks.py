"""What the benchmark file says on optimizers and schedules is built and tried before anything runs."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.benchmark.arms import Competitor, end_of, ends
from harness.benchmark.plan import Setting
from harness.benchmark.toml import refusal
from harness.errors import BenchmarkError, did_you_mean
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Optimizer, Schedule, Scheduler
from harness.training.stages import build_optimizer, build_schedule

if TYPE_CHECKING:
    import torch

REHEARSED = 10  # steps of a schedule


def check_overrides(setting: Setting, where: Callable[..., str]) -> None:
    """Build what ``[search.space]`` overrides, at both ends and with every choice, and take some steps.

    Raises BenchmarkError where it does not build, or leaves the finite numbers.

    What a plugin does with its own space is the plugin's affair; what the user wrote is checked before anything runs.
    """
    for competitor, part, plugin in _overridden(setting):
        for params in _tried(competitor):
            try:
                _try(setting, competitor, params)
            except PluginFailed as error:
                overrides = competitor.benchmark.search.space[part]
                raise _refused(error, where, part, plugin, overrides) from error


def _overridden(setting: Setting) -> Iterator[tuple[Competitor, str, Optimizer | Scheduler]]:
    """Yield every arm's optimizer and schedule that ``[search.space]`` overrides, by the file's name for it."""
    for competitor in setting.plan.competitors:
        optimizer = competitor.entered, competitor.optimizer
        for part, plugin in (optimizer, (competitor.arm.scheduler, competitor.scheduler)):
            if competitor.benchmark.search.space.get(part):
                yield competitor, part, plugin


def _try(setting: Setting, competitor: Competitor, params: Mapping[str, Any]) -> None:
    """Build an arm's optimizer and schedule with these values, and take some steps; raises PluginFailed where one fails."""
    import torch

    run = setting.search_run(competitor, params)
    weights = [torch.nn.Parameter(torch.zeros(2, 2))]
    settings = competitor.optimizer.settings(run.optimizer)
    timing = competitor.scheduler.settings(run.scheduler)
    with Boundary("optimizer", competitor.optimizer.name, "build", everything=True):
        optimizer = build_optimizer(competitor.optimizer, settings, [weights], layer_factor=1)
        schedule = competitor.scheduler.build(optimizer, REHEARSED, **timing)
        _rehearse(competitor, optimizer, schedule, weights[0])


def _refused(
    error: PluginFailed, where: Callable[..., str], part: str, plugin: Optimizer | Scheduler, overrides: Mapping[str, Any]
) -> BenchmarkError:  # fmt: skip
    """Return the refusal of overrides that do not work. It names one that the plugin does not know, or the only one."""
    names = [*plugin.space, *plugin.defaults, *plugin.limits]
    strange = [name for name in overrides if name not in names]
    place = where("search", "space", part, *(strange[:1] or (overrides if len(overrides) == 1 else ())))
    hint = did_you_mean(strange[0], names) if strange else ""
    return refusal(place, f"be what '{part}' takes", error.why, hint)


def _tried(competitor: Competitor) -> Iterator[dict[str, Any]]:
    """Yield the low ends of what is searched, the high ones, and every choice beside the low ends, as the rules allow."""
    lowest = {name: end_of(space, 0) for name, space in competitor.space.items()}
    yield from (ends(competitor, 0), ends(competitor, 1))
    for name, space in competitor.space.items():
        for choice in getattr(space, "choices", ())[1 : None if competitor.rules.when else -1]:
            yield competitor.allowed({**lowest, name: choice})


def _rehearse(competitor: Competitor, optimizer: Any, schedule: Schedule, weight: torch.nn.Parameter) -> None:
    """Take some steps on a bowl; raises ValueError where weights or rates leave what they can be.

    An optimizer that cannot take these steps is left to its first run, whose network may be what it needs.
    """
    import torch

    def closure() -> Any:
        optimizer.zero_grad()
        objective: Any = (weight - 1).square().sum()
        objective.backward(create_graph=competitor.optimizer.second_order)
        return objective

    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            if competitor.optimizer.switches:
                optimizer.train()
            for _ in range(5):
                closure()
                optimizer.step(closure if competitor.optimizer.closure else None)
        if not torch.isfinite(weight).all():
            raise ValueError("weights that are not finite after five steps")
        for number in range(1, REHEARSED + 1):
            rates = [float(group["lr"]) for group in optimizer.param_groups]
            if not all(math.isfinite(rate) and rate >= 0 for rate in rates):
                raise ValueError(f"a learning rate of {rates[0]:g} for step {number} of {REHEARSED}")
            schedule.step(*([1.0] if competitor.scheduler.per_epoch else []))


def check_layer_factor(setting: Setting, where: Callable[..., str]) -> None:
    """Build every arm's optimizer and schedule on two layer groups, where the benchmark trains by them.

    Raises BenchmarkError for an arm that cannot: LBFGS has one step length for all.
    """
    import torch

    benchmark = setting.plan.benchmark
    searched = benchmark.search.layer_factor
    factor = searched[0] if searched else benchmark.train.layer_factor
    for competitor in setting.plan.competitors if factor != 1 else ():
        run = setting.search_run(competitor, ends(competitor, 0))
        groups = [[torch.nn.Parameter(torch.zeros(2, 2))] for _ in range(2)]
        settings = competitor.optimizer.settings(run.optimizer)
        timing = competitor.scheduler.settings(run.scheduler)
        try:
            with Boundary("optimizer", competitor.optimizer.name, "build", everything=True):
                optimizer = build_optimizer(competitor.optimizer, settings, groups, factor)
                build_schedule(competitor.scheduler, timing, optimizer, 10, groups, factor)
        except PluginFailed as error:
            place = where("search" if searched else "train", "layer_factor")
            raise refusal(place, f"be left out for the arm {competitor.name}", error.why) from error
