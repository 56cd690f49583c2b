"""Which networks and pairs of networks the size of a probe asks for. A verdict rests on these alone.

``compare.probe_sizes`` gives a number of measurements up to the last look. When it is raised and lowered again, there are more
measurements than the first protocol asked for. They must not change what that protocol says, so its verdict does not read them.
The plan that has networks measured, and the protocol that reads the measurements, count with the same ``Measured``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.verdict.arms import network_of
from harness.verdict.protocol import PROBES, Protocol
from harness.verdict.replicates import CONTROLS

Roles = Mapping[str, Mapping[str, Any]]  # by control: its role, and the arm that it is ``of``


@dataclass(frozen=True)
class Measured:
    """The arms whose networks the costly probes measure, and the controls that are measured beside them."""

    arms: tuple[str, ...]
    controls: Mapping[str, str]  # by the control's name: the arm that it belongs to

    @classmethod
    def among(cls, arms: Iterable[str], roles: Roles) -> Measured:
        """Return these arms with their controls, out of the role of every control and the arm ``of`` it."""
        arms = tuple(arms)
        controls = {name: str(role["of"]) for name, role in roles.items() if role["role"] in CONTROLS}
        return cls(arms, {name: arm for name, arm in controls.items() if arm in arms})

    def last_seed(self, size: int) -> int:
        """Return the last seed whose networks are measured, where all measure so many; seeds count from 0."""
        return max(1, size // (len(self.arms) + len(self.controls))) - 1

    def last_apart(self, size: int, replicates: int) -> int:
        """Return how far apart the replicates of a pair may be, where so many pairs are measured; at least 1."""
        pairs = self._pairs_of_two_replicates()
        total, pairs_apart = 0, 0
        while pairs_apart < replicates - 1 and total + (replicates - pairs_apart - 1) * pairs <= size:
            pairs_apart += 1
            total += (replicates - pairs_apart) * pairs
        return max(1, pairs_apart)

    def _pairs_of_two_replicates(self) -> int:
        """Return how many pairs two replicates have: of every arm and control with itself, of two arms, of a control and its arm."""
        controls = Counter(map(network_of, self.controls.values()))
        pairs = 0
        for network, arms in Counter(map(network_of, self.arms)).items():
            pairs += arms + controls[network] + 2 * (arms * (arms - 1) // 2 + controls[network])
        return pairs


def seed_asked(protocol: Protocol, roles: Roles, probe: str) -> int | None:
    """Return the last seed whose networks a protocol has a probe measure; None where it asks for all."""
    size = _size(protocol, probe)
    return None if size is None else Measured.among(protocol.arms, roles).last_seed(size)


def apart_asked(protocol: Protocol, roles: Roles, probe: str) -> int | None:
    """Return how far apart the replicates of a pair may be that a protocol has a probe measure; None where it asks for all."""
    size, measured = _size(protocol, probe), Measured.among(protocol.arms, roles)
    return None if size is None else measured.last_apart(size, protocol.most_replicates)


def apart_by_facet(protocol: Protocol, roles: Roles) -> dict[str, int]:
    """Return how far apart the replicates of a pair may be, by facet; those are left out of which all pairs are measured."""
    by_facet = {facet: apart_asked(protocol, roles, probe) for facet, probe in PROBES.items()}
    return {facet: apart for facet, apart in by_facet.items() if apart is not None}


def _size(protocol: Protocol, probe: str) -> int | None:
    size = protocol.design.get("probes", {}).get(probe, {}).get("size")
    return None if size is None else int(size)
