"""The state of a run as ``harness status`` and ``harness show`` tell it: whether it is over, and what it left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.records import Records


def is_over(records: Records) -> bool:
    """Return whether every trial and every seed that the benchmark wants has ended, and no further look is needed."""
    from harness.records import schema

    searched = all(records.search_over(arm) for arm in records.meta.arms)
    waiting = schema.WAITING in {*records.compared()["state"], *records.comparison["state"]}
    looked = bool(records.meta.looks.get("ended", "by whoever wrote these records"))
    return searched and records.meta.compare_runs is not None and not waiting and looked


def left_out(records: Records) -> list[str]:
    """Return a sentence for each limit in seconds that has left something out, with the remedy."""
    limited = [records.meta.looks, *records.meta.probes.values()]
    sentences = [str(note.get("left_out") or "") for note in limited]
    return [sentence for sentence in sentences if sentence]
