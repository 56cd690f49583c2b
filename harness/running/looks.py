"""How far a run goes: the replicates of its next look, what a look has decided, and why no further replicate begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.records import Records, Store
from harness.results.analysis import computed
from harness.verdict import reading
from harness.verdict.protocol import FACETS
from harness.verdict.tables import verdict as verdict_table


def look_of(looks: Sequence[int], replicates: int) -> int:
    """Return the replicates of the look that a run has come to which has begun so many; the first look for none.

    >>> look_of([6, 9, 12], 0), look_of([6, 9, 12], 9), look_of([6, 12], 9)
    (6, 9, 6)
    """
    return max((look for look in looks if look <= replicates), default=looks[0])


def next_look(looks: Sequence[int], replicates: int) -> int | None:
    """Return the replicates of the look after this one; None after the last one.

    >>> next_look([6, 9, 12], 9), next_look([6, 9, 12], 12)
    (12, None)
    """
    return next((look for look in looks if look > replicates), None)


def replicates_of_baseline(store: Store) -> int | None:
    """Return how many replicates the imported arms have, which no look can go beyond; None where nothing is imported."""
    baseline: Mapping[str, Any] = store.noted("baseline") or {}
    arms = set(baseline.get("arms", ()))
    last = {entry["arm"]: int(entry["replicate"]) for entry in baseline.get("comparison", ()) if entry["arm"] in arms}
    return min(last.values()) + 1 if last else None


def decided(records: Records, protocol: str) -> str:
    """Return in words what a look has decided by the protocol of that hash: "loss similar, function different"."""
    table = computed(verdict_table.ANALYSIS, records)
    verdicts = reading.read_verdicts(records.meta, {verdict_table.ANALYSIS.name: table})
    networks = [network for verdict in verdicts if verdict.hash == protocol for network in verdict.networks]
    words = []
    for network in networks:
        if network.row["arms"] < 2:
            continue
        facets = ", ".join(f"{facet} {network.row[facet]}" for facet in FACETS)
        words.append(f"{network.network}: {facets}" if len(networks) > 1 else facets)
    return "; ".join(words) or "there is nothing to compare"
