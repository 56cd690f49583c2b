"""What all trackers show of an occurrence: its numbers by a name, and a run by its phase, arm and seed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness import Occurrence


def metrics_of(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the finite numbers of an epoch or an end: its metrics, and the learning rate and the seconds where it has them."""
    for name, value in {**values["metrics"], "lr": values.get("lr"), "seconds": values.get("seconds")}.items():
        if isinstance(value, int | float) and math.isfinite(value):
            yield name, float(value)


def run_name(began: Occurrence) -> str:
    """Return a run's name for people: phase, arm and seed; the trials of a search have seeds of their own.

    >>> began = Occurrence("began", "began 1", "1", "mlp/adam/cosine", {"phase": "compare", "init_seed": 3})
    >>> run_name(began)
    'compare/mlp/adam/cosine/seed 3'
    """
    return f"{began.values['phase']}/{began.arm}/seed {began.values['init_seed']}"


def hyperparameters(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain settings of a run by name, those of the schedule with ``schedule.`` before them."""
    plain = {
        key: recipe[key] for key in ("phase", "epochs", "batch_size", "l2", "precision", "init_seed", "order_seed")
    }
    schedule = {f"schedule.{name}": value for name, value in recipe["scheduler"].items()}
    return {**plain, **recipe["optimizer"], **schedule}


def verdict_lines(values: Mapping[str, Any]) -> list[str]:
    """Return a verdict for people: a line for each network, and its own lines below it."""
    lines = []
    for network in values["networks"]:
        lines += [f"{network['network']}: {network['statement']}", *(f"  {line}" for line in network["lines"])]
    return lines


def plain_name(text: str) -> str:
    """Return a text as a name that every tracker and every file system takes.

    >>> plain_name("sam(torch:Adam)")
    'sam_torch_Adam_'
    """
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text)
