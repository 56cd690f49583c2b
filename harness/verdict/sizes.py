"""Which networks and pairs of networks the size of a probe asks for. A verdict rests on these alone.

``compare.probe_sizes`` gives a number of measurements up to the last look. Who raises it and lowers it again has measured more
than the first protocol asked for. What that protocol says must not change by it, so the rest is not read for its verdict.
"""

from __future__ import annotations

from collections import Counter

from harness.plugin.meta import Meta
from harness.verdict.arms import network_of
from harness.verdict.protocol import Protocol
from harness.verdict.replicates import CONTROLS


def last_seed(size: int, networks: int) -> int:
    """Return the last seed whose networks are measured, where each seed has so many networks; seeds count from 0."""
    return max(1, size // networks) - 1


def last_apart(size: int, replicates: int, pairs: int) -> int:
    """Return how far apart the replicates of a pair may be, where two replicates have so many pairs; at least 1."""
    total, apart = 0, 0
    while apart < replicates - 1 and total + (replicates - apart - 1) * pairs <= size:
        apart += 1
        total += (replicates - apart) * pairs
    return max(1, apart)


def count_pairs(arms: int, controls: int) -> int:
    """Return how many pairs two replicates of one network have: of each arm, of two arms, and of a control and its arm."""
    return arms + controls + 2 * (arms * (arms - 1) // 2 + controls)


def seed_asked(protocol: Protocol, meta: Meta, probe: str) -> int | None:
    """Return the last seed whose networks a protocol has a probe measure; None where it asks for all."""
    size = _size(protocol, probe)
    return None if size is None else last_seed(size, len(protocol.arms) + sum(_controls(protocol, meta).values()))


def apart_asked(protocol: Protocol, meta: Meta, probe: str) -> int | None:
    """Return how far apart the replicates of a pair may be that a protocol has a probe measure; None where it asks for all."""
    size = _size(protocol, probe)
    if size is None:
        return None
    arms, controls = Counter(map(network_of, protocol.arms)), _controls(protocol, meta)
    pairs = sum(count_pairs(many, controls[network]) for network, many in arms.items())
    return last_apart(size, protocol.most_replicates, pairs)


def _size(protocol: Protocol, probe: str) -> int | None:
    size = protocol.design.get("probes", {}).get(probe, {}).get("size")
    return None if size is None else int(size)


def _controls(protocol: Protocol, meta: Meta) -> Counter[str]:
    """Return how many controls are measured beside the arms of each network."""
    roles = meta.roles.values()
    of = [str(role["of"]) for role in roles if role["role"] in CONTROLS and role["of"] in protocol.arms]
    return Counter(map(network_of, of))
