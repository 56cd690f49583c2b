"""What the names of arms tell, shared by the analyses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.records import Records


def network_of(arm: str) -> str:
    """Return an arm's network: its backbone, with the head where one is trained on it."""
    return arm.rsplit("/", 2)[0]


def optimizer_of(records: Records, arm: str) -> str:
    """Return an arm's optimizer, whatever its alias."""
    aliases = records.meta.optimizers
    return str(aliases.get(arm) or records.arms.set_index("arm").loc[arm, "optimizer"])


def alike(records: Records, arm: str) -> list[str]:
    """Return the arms of the same optimizer, schedule and network, itself among them: those that share its defaults."""
    schedules = records.arms.set_index("arm")["scheduler"]

    def about(name: str) -> tuple[str, str, str]:
        return optimizer_of(records, name), str(schedules[name]), network_of(name)

    return [other for other in map(str, records.arms["arm"]) if about(other) == about(arm)]
