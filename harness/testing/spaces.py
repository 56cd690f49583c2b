"""The settings at the ends of a search space, and whether a value lies in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.plugin.contracts import Optimizer, Scheduler, Space
from harness.plugin.rules import Constraint, Rules, allowed_near, as_values


def ends(offer: Optimizer | Scheduler) -> dict[str, dict[str, Any]]:
    """Return settings by what they are: the defaults, everything low, everything high, and each choice there is.

    Where the offer's rules do not allow one of them, it is the setting near to it that they allow.
    """
    rules = rules_of(offer)
    wanted_ends = _ends(offer.space, offer.defaults)
    allowed = {name: allowed_near(offer.space, rules, setting) for name, setting in wanted_ends.items() if setting}
    return {name: setting if not setting else allowed[name] or setting for name, setting in wanted_ends.items()}


def rules_of(offer: Optimizer | Scheduler) -> Rules:
    """Return the rules that an offer declares for its space."""
    conditions = {}
    for name, values_needed in offer.when.items():
        conditions[name] = {above: as_values(values) for above, values in values_needed.items() if above in offer.space}
    values_needed = {name: value for name, value in offer.defaults.items() if name not in offer.space}
    return Rules(conditions, tuple(map(Constraint, offer.constraints)), values_needed)


def _ends(space: Space, defaults: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    settings: dict[str, dict[str, Any]] = {"the defaults": {}}
    if space:
        settings["the low end"] = {name: _choices(d)[0] for name, d in space.items()}
        settings["the high end"] = {name: _choices(d)[-1] for name, d in space.items()}
    for name, distribution in space.items():
        for choice in _choices(distribution):
            settings[f"{name}={choice!r}"] = {name: choice}
            if any(parameter not in defaults for parameter in space):
                settings[f"{name}={choice!r}"] = {**settings["the low end"], name: choice}
    return settings


def inside(distribution: Any, value: Any) -> bool:
    """Return whether the search may choose the value."""
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except ValueError:  # what Optuna says of a choice that there is not
        return False


def _choices(distribution: Any) -> tuple[Any, ...]:
    """Return the choices, or both ends."""
    choices: tuple[Any, ...] | None = getattr(distribution, "choices", None)
    return choices if choices else (distribution.low, distribution.high)
