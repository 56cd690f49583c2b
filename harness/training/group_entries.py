"""The numbers in an optimizer's parameter groups, and which of them a schedule moves.

A schedule writes the learning rate. Some write more: torch's OneCycleLR moves the momentum against the rate unless it
is told not to, whatever momentum the optimizer was built with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from harness.errors import PluginError

OF_SCHEDULES = ("params", "lr", "initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum")
Groups = Sequence[Mapping[str, Any]]


def copy_groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return the parameter groups as they are now."""
    return [dict(group) for group in optimizer.param_groups]


def changed_entries(before: Groups, after: Groups) -> list[str]:
    """Return the entries that changed, ``momentum`` or ``betas[0]``, each once; the learning rate is none of them.

    An entry is a number, or one number of a tuple; entries that were not there before are the schedule's own notes.
    """
    changed: dict[str, None] = {}
    for old, new in zip(before, after, strict=True):
        for name, value in old.items():
            now = new.get(name)
            if now is not value and name not in OF_SCHEDULES:
                numbers, new_numbers = _list_numbers(name, value), _list_numbers(name, now)
                changed |= {entry: None for entry, number in numbers.items() if new_numbers.get(entry) != number}
    return list(changed)


def moved_entries(before: Groups, after: Groups, chosen: Iterable[str]) -> list[str]:
    """Return the entries that a schedule has changed beside the rate.

    Raises PluginError where one of them was ``chosen``, by the search or by the benchmark: the records would name a value that
    was not in force.
    """
    moved = changed_entries(before, after)
    for entry in moved:
        if hyperparameter := overwritten_setting(entry, chosen):
            old, new = value_of(before, entry), value_of(after, entry)
            raise PluginError(refusal_text(entry, hyperparameter, f"{new:.4g} for {old:.4g}"))
    return moved


def value_of(groups: Groups, entry: str) -> float:
    """Return an entry's number in the first group that has it."""
    name = entry.partition("[")[0]
    return float(next(_list_numbers(name, group[name])[entry] for group in groups if name in group))


def _list_numbers(name: str, value: Any) -> dict[str, float]:
    if isinstance(value, tuple | list):
        return {f"{name}[{i}]": number for i, number in enumerate(value) if _is_number(number)}
    return {name: value} if _is_number(value) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def overwritten_setting(entry: str, chosen: Iterable[str]) -> str | None:
    """Return the chosen hyperparameter that an entry holds, None for none; ``beta1`` is ``betas[0]``."""
    name, _, place = entry.removesuffix("]").partition("[")
    number = f"{re.sub('s$', '', name)}{int(place) + 1}" if place else name
    return next((name_chosen for name_chosen in chosen if name_chosen in (name, number)), None)


def refusal_text(entry: str, hyperparameter: str, got: str) -> str:
    """Return the error's text for a schedule that overwrites a hyperparameter, ``must ..., got ...``."""
    return (
        f"must leave '{hyperparameter}' as the search or the benchmark file chose it, got {got} in the parameter groups' "
        f"{entry}; move the learning rate alone (torch's OneCycleLR and CyclicLR: cycle_momentum=False)"
    )
