"""What follows the last measurement: the last tables of the records, the analyses and the page, on this machine now.

The seconds of a page were measured once, by its size, on a machine with nothing else to do. How much slower this machine is,
and how much of it other programs take, is measured while the run goes on, by a fixed piece of work of a few milliseconds.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable

from harness.records import Store
from harness.running.forecast.timing import SECONDS_OF_REPORT

# Seconds of processor time of an Intel Xeon, 27 Nov 2026: 7.5 for 2 arms, 10.6 for 3, 22.4 for 10, libraries included.
PER_ARM = 2.0  # further arm
PER_MEASUREMENT = 0.01
REFERENCE = 0.010  # of ``fixed_work`` on the same machine
MOST_OFF = 4.0  # times that an earlier call may correct what is expected
EVERY = 5.0  # seconds, at the least, between two measurements of the pace
KEPT = 5  # of these measurements


def seconds_of_ending(arms: int, measurements: int) -> float:
    """Return the seconds from the last measurement to the end of the run, on the machine of the reference.

    >>> seconds_of_ending(1, 0), seconds_of_ending(3, 200)
    (6.0, 12.0)
    """
    return SECONDS_OF_REPORT + PER_ARM * max(0, arms - 1) + PER_MEASUREMENT * measurements


def fixed_work() -> int:
    """Do what the pace is measured by, work as the page is made of: texts, lists and tables."""
    rows = [{"number": number, "name": f"row {number % 97}"} for number in range(2000)]
    return sum(len(json.dumps(sorted(rows, key=lambda row: row["name"]))) for _ in range(5))


class Slowness:
    """How many times as long as on the machine of the reference this process takes now, at the least once."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, work: Callable[[], object] = fixed_work
    ) -> None:  # fmt: skip
        self._clock = clock
        self._work = work
        self._measured: deque[float] = deque(maxlen=KEPT)
        self._when = -EVERY

    def measure(self) -> float:
        """Measure it, unless it was measured a moment ago; return the mean of the last few measurements but the largest.

        One measurement can fall into a pause of many seconds, which says nothing about the next minute.
        """
        if self._clock() - self._when >= EVERY or not self._measured:
            for _ in range(max(1, KEPT - len(self._measured))):
                began = self._clock()
                self._work()
                self._when = self._clock()
                self._measured.append(max(1.0, (self._when - began) / REFERENCE))
        return sum(sorted(self._measured)[:-1]) / (KEPT - 1)


class Ending:
    """What the end of one run takes: by its size, by the pace of this machine, and by what it took in an earlier call."""

    def __init__(self, store: Store, arms: int, slowness: Slowness | None = None) -> None:
        self._store = store
        self._arms = arms
        self._slowness = slowness or Slowness()
        before = (store.noted("budget") or {}).get("ending") or {}
        ratio = before["took"] / before["seconds"] if before.get("seconds") else 1.0
        self._ratio = min(max(ratio, 1 / MOST_OFF), MOST_OFF)  # of what it took, to what was expected then

    def expected(self) -> float:
        """Return the seconds that it takes at the pace of now."""
        measurements = sum((self._store.noted("measurements") or {}).values())
        return self._ratio * self._slowness.measure() * seconds_of_ending(self._arms, measurements)
