"""The settings at the ends of a search space, and whether a value lies in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.plugin.contracts import Space


def ends(space: Space, defaults: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return settings by what they are: the defaults, everything low, everything high, and each choice there is."""
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
