"""Values by key from Python, as ``--set KEY=VALUE`` has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.benchmark.toml import to_toml
from harness.errors import arguments, repr_of


def overrides_of(values: object) -> tuple[str, ...]:
    """Return values by key as ``--set`` has them; raises TypeError for a value that TOML does not have.

    >>> overrides_of({"train.optimizers": ["sgd"], "train.l2": 1e-4})
    ('train.optimizers=["sgd"]', 'train.l2=0.0001')
    """
    if values is None:
        return ()
    values_given = arguments.mapping("set", values, "a mapping from keys to values, such as {'search.trials': 4}")
    return tuple(f"{arguments.text('set', key)}={to_toml(_plain(value))}" for key, value in values_given.items())


def _plain(value: Any) -> Any:
    """Return a value as TOML has it: numbers of numpy become Python's own, a tuple a list, a path a text."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {arguments.text("set", key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"set: must have texts, numbers, flags, lists and mappings as values, got {repr_of(value):.60}")
