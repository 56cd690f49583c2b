"""The state of a run as ``harness status`` and ``harness show`` tell it: whether it is over, how much is measured, and what it left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.records import Records

FINISHED, UNFINISHED = "finished", "unfinished"
NOT_BEGUN = "not begun"  # of a workload without a run


@dataclass(frozen=True)
class Measurements:
    """How many measurements of a probe are made, and how many there will be."""

    done: int
    total: int  # of a probe that is over, without those that a time limit left out
    over: bool  # no more will come

    @property
    def left(self) -> int:
        """How many are still to come."""
        return 0 if self.over else self.total - self.done


def is_over(records: Records) -> bool:
    """Return whether every trial and every seed that the benchmark wants has ended, and no further look is needed."""
    from harness.records import schema

    searched = all(records.search_over(arm) for arm in records.meta.arms)
    waiting = schema.WAITING in {*records.compared()["state"], *records.comparison["state"]}
    looked = bool(records.meta.looks.get("ended", "by whoever wrote these records"))
    return searched and records.meta.compare_runs is not None and not waiting and looked


def state_of(records: Records | None) -> str:
    """Return in words how far a run has come; None is a workload without one."""
    if records is None:
        return NOT_BEGUN
    return FINISHED if is_over(records) else UNFINISHED


def state_of_workloads(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return how far several workloads have come, from their ``state`` and ``problem``; what could not begin is not waited for."""
    over = all(row["state"] == FINISHED or (row["problem"] and row["state"] == NOT_BEGUN) for row in rows)
    return FINISHED if over else UNFINISHED


def left_out(records: Records) -> list[str]:
    """Return a sentence for each limit in seconds that has left something out, with the remedy."""
    limited = [records.meta.looks, *records.meta.probes.values()]
    sentences = [str(note.get("left_out") or "") for note in limited]
    return [sentence for sentence in sentences if sentence]


def count_measurements(records: Records) -> dict[str, Measurements]:
    """Return by probe how many measurements are made, and how many there will be; its folder is read anew."""
    from harness.records import database
    from harness.records.tables import count_measured

    with database.reading(records.folder) as db:
        made = count_measured(db, records.meta)
    counts = {}
    for probe, total in records.meta.measurements.items():
        note, done = records.meta.probes.get(probe, {}), made.get(probe, 0)
        over = bool(note.get("over"))
        counts[probe] = Measurements(done, max(int(note["planned"]) if over else total, done), over)
    return counts
