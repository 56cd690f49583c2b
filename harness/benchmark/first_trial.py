"""The first trial of every search: the defaults of the arm's optimizer and schedule, as far as its space contains them.

A search that never tries the defaults may end below them, and the comparison would then take the luck of the search for
the optimizer's fault.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.spaces import DECAY, SCHEDULE
from harness.training.read_defaults import read_defaults


def first_trial(competitor: Competitor) -> dict[str, Any]:
    """Return the parameters of an arm's first trial: a default, or the value of the space that is nearest to it.

    What the file pins stays pinned, and is not among them. The epochs are those of the longest trial. A parameter
    without a default is left to the sampler. Where that breaks a constraint, it is the setting near to it that breaks none;
    what is not in force is left out.
    """
    defaults = _defaults(competitor)
    trial = {name: _nearest(space, defaults.get(name)) for name, space in competitor.space.items()}
    return competitor.allowed({name: value for name, value in trial.items() if value is not None})


def moved_defaults(competitor: Competitor) -> dict[str, tuple[Any, Any]]:
    """Return the defaults that an arm's space does not contain, by hyperparameter: each with the value in its place."""
    trial, defaults = first_trial(competitor), _plugin_defaults(competitor)
    return {name: (defaults[name], trial[name]) for name in trial if defaults.get(name, trial[name]) != trial[name]}


def drawn_first(competitor: Competitor) -> list[str]:
    """Return the hyperparameters that an arm searches and no default is known of: the first trial draws them."""
    defaults = _defaults(competitor)
    return [name for name in competitor.space if name not in defaults]


def with_read_defaults(competitor: Competitor) -> Competitor:
    """Return an arm with the defaults that its plugins do not declare, as far as they can be read."""
    missing = drawn_first(competitor)
    of_optimizer = read_defaults(competitor.optimizer, [name for name in missing if not name.startswith(SCHEDULE)])
    names = [name.removeprefix(SCHEDULE) for name in missing if name.startswith(SCHEDULE)]
    of_schedule = read_defaults(competitor.scheduler, names)
    return replace(
        competitor, read_defaults=of_optimizer | {f"{SCHEDULE}{name}": read for name, read in of_schedule.items()}
    )


def _plugin_defaults(competitor: Competitor) -> dict[str, Any]:
    """Return the defaults of the optimizer and of the schedule, named as in the arm's space; a weight decay's is 0.

    What a plugin declares counts before what was read.
    """
    read = {name: default.value for name, default in competitor.read_defaults.items()}
    schedule = {f"{SCHEDULE}{name}": value for name, value in competitor.scheduler.settings({}).items()}
    return {DECAY: 0.0, **read, **competitor.optimizer.settings({}), **schedule}


def _defaults(competitor: Competitor) -> dict[str, Any]:
    """Return the defaults of everything that an arm may search; what is searched alike for every arm is among them."""
    train, search = competitor.benchmark.train, competitor.benchmark.search
    common = {"epochs": search.epochs[-1], "batch_size": train.batch_size, "layer_factor": train.layer_factor}
    return {**_plugin_defaults(competitor), **common}


def _nearest(space: Any, value: Any) -> Any:
    """Return the value of one parameter's space that is nearest to a value; None where nothing is near to it."""
    if hasattr(space, "choices"):
        return _nearest_choice(list(space.choices), value)
    if not _is_number(value):
        return None
    inside = min(max(value, space.low), space.high)
    if space.step:
        inside = min(space.low + space.step * round((inside - space.low) / space.step), space.high)
    return type(space.low)(inside)


def _nearest_choice(choices: list[Any], value: Any) -> Any:
    """Return the choice that equals a value, else the nearest number; None where there is neither."""
    equal = [choice for choice in choices if choice == value and isinstance(choice, bool) == isinstance(value, bool)]
    if equal or not _is_number(value):
        return next(iter(equal), None)
    return min(filter(_is_number, choices), key=lambda choice: abs(choice - value), default=None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
