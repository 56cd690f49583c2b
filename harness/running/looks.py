"""How far a run goes: the replicates of its next look, what a look has decided, and why no further replicate begins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.benchmark.plan import Setting
from harness.console.numbers import counted
from harness.console.safe_text import command_with
from harness.records import Records, Store
from harness.results.analysis import computed
from harness.verdict import reading
from harness.verdict.protocol import FACETS
from harness.verdict.tables import verdict as verdict_table

ROOM = (
    1.5  # a limit that is proposed leaves so much more room than the replicates to the next look are expected to need
)


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


class Allowance:
    """The user's limit in seconds of training (``compare.budget``), and what of it is used up."""

    def __init__(self, setting: Setting, store: Store) -> None:
        self._limit = setting.plan.benchmark.compare.budget
        self._store = store

    def lasts(self) -> bool:
        """Return whether a further replicate may begin."""
        return self._limit is None or self._store.seconds_trained() < self._limit

    def sentence(self, replicates: int, wanted: int, command: Sequence[str]) -> str:
        """Return that no further replicate begins after so many, and the command that goes on to the next look."""
        spent = self._store.seconds_trained()
        needed = spent * (wanted / replicates if replicates else 2.0)
        remedy = command_with(command, "compare.budget", _rounded(max(ROOM * needed, 2 * (self._limit or 0.0))))
        return (
            f"compare.budget, {self._limit:,.10g} s of training, is used up: no further replicate begins after "
            f"{counted(replicates, 'replicate')}; to go on: {remedy}"
        )


def _rounded(seconds: float) -> int:
    """Return seconds, rounded up to two digits."""
    tens = 10 ** max(0, math.floor(math.log10(max(1.0, seconds))) - 1)
    return int(math.ceil(seconds / tens) * tens)
