"""The state of a run as ``harness status`` and ``harness show`` tell it: whether it is over, and what it left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.records import Records


def is_over(records: Records) -> bool:
    """Return whether every trial and every seed that the benchmark wants has ended."""
    from harness.records import schema

    searched = all(records.search_over(arm) for arm in records.meta.arms)
    waiting = schema.WAITING in {*records.compared()["state"], *records.comparison["state"]}
    return searched and records.meta.compare_runs is not None and not waiting


def left_out(records: Records) -> list[str]:
    """Return a sentence for each probe whose limit in seconds has left something out, with the remedy."""
    sentences = [str(probe.get("left_out") or "") for probe in records.meta.probes.values()]
    return [sentence for sentence in sentences if sentence]
