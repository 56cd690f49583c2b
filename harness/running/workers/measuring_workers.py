"""The workers of a pool that only measure: how many there are, and when they make room for others.

On a GPU late probes are bound by Python, so further processes measure beside those that train. Each has a part of the memory
of the GPU and of the machine, which everything else needs more than they do.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from harness.plugin.runs import Measurement
from harness.running.workers.pool_records import Member, Work

AHEAD = 2  # measurements for each worker: one that it makes, and the next one
KILLED = "signal 9"  # how a process ends that the system has killed


class MeasuringWorkers:
    """How many of a pool's workers only measure.

    Args:
        most: How many there may be. It sinks when one of them cannot begin, or when there is no memory for them.

    >>> from harness.plugin.runs import Measurement
    >>> workers = MeasuringWorkers(most=3)
    >>> workers.wanted([Work(Measurement("distance", "0", ())), Work(Measurement("inside", "0", ()))])
    2
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._crowded_until = 0.0  # when the last one that had to make room had given its memory back

    def wanted(self, works: Collection[Work]) -> int:
        """Return how many there should be for these jobs: one for each at the most, and none where a run is among them."""
        return min(self.most, len(works)) if _are_measurements(works) else 0

    def room(self, works: Collection[Work]) -> int:
        """Return how many more jobs the pool holds for them: a measurement for each to make, and the next one."""
        return AHEAD * self.most if _are_measurements(works) else 0

    def crowded(self, work: Work, members: Collection[Member]) -> bool:
        """Return whether they had memory of the GPU while this job was carried out."""
        return any(member.only_measures for member in members) or work.began < self._crowded_until

    def give_way(self) -> None:
        """Have none from now on: there is no memory for them."""
        self.most = 0

    def note_dismissed(self) -> None:
        """Note that one which had to make room has ended now."""
        self._crowded_until = time.monotonic()

    def lose(self, member: Member, reason: str, left: int) -> bool:
        """Return whether one that has ended is not replaced; then there are as many as are ``left``, or none.

        One that could not begin is not started again. Where the system has killed one, which it does for lack of memory,
        they give way.
        """
        over_its_limit = any(work.over for work in member.jobs.values() if work)
        if not member.is_ready:
            self.most = left
        elif reason == KILLED and not over_its_limit:
            self.give_way()
        else:
            return False
        return True


def _are_measurements(works: Collection[Work]) -> bool:
    return bool(works) and all(isinstance(work.job, Measurement) for work in works)
