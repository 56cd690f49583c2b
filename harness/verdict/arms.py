"""What the names of arms tell: network, optimizer and schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.plugin.runs import split_arm_name

if TYPE_CHECKING:
    from harness.records import Records


def network_of(arm: str) -> str:
    """Return an arm's network: its backbone, and the head where one is trained on the backbone."""
    return split_arm_name(arm).network


def short_name(arm: str) -> str:
    """Return an arm's name without its network: ``OPTIMIZER/SCHEDULE``."""
    name = split_arm_name(arm)
    return f"{name.optimizer}/{name.scheduler}"


def names_among(arms: Sequence[str]) -> dict[str, str]:
    """Return a short name for every arm of one network: the parts in which the arms differ, else the optimizer.

    >>> names_among(["net/sgd/cosine", "net/adam/cosine"])
    {'net/sgd/cosine': 'sgd', 'net/adam/cosine': 'adam'}
    """
    parts = {arm: split_arm_name(arm) for arm in arms}
    several = [name for name in ("optimizer", "scheduler") if len({getattr(part, name) for part in parts.values()}) > 1]
    return {arm: "/".join(getattr(part, name) for name in several or ["optimizer"]) for arm, part in parts.items()}


def optimizer_of(records: Records, arm: str) -> str:
    """Return the name of an arm's optimizer plugin, also where the benchmark gives it another name."""
    aliases = records.meta.optimizers
    return str(aliases.get(arm) or records.arms.set_index("arm").loc[arm, "optimizer"])


def arms_alike(records: Records, arm: str) -> list[str]:
    """Return the arms of the same optimizer, schedule and network, this one among them: they share their defaults."""
    ingredients = records.once("ingredients", lambda: _ingredients(records))
    return [name for name, parts in ingredients.items() if parts == ingredients[arm]]


def _ingredients(records: Records) -> dict[str, tuple[str, str, str]]:
    """Return each arm's optimizer plugin, schedule and network."""
    columns = (records.arms[column].astype(str) for column in ("arm", "optimizer", "scheduler"))
    aliases = records.meta.optimizers
    return {
        arm: (str(aliases.get(arm) or optimizer_part), schedule, network_of(arm))
        for arm, optimizer_part, schedule in zip(*columns, strict=True)
    }
