"""The time that a benchmark may take in all (``budget``, ``--time-limit``): what of it is used, and what still fits.

It is the time that passes from the beginning of ``harness run`` to its reports, added up over all calls in one run folder.
What a piece of work takes is measured while the run goes on: the seconds of an epoch, of a run beside its epochs, and of a
measurement. Nothing begins that does not fit beside what is reserved: the measurements of the probes, and the report.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.benchmark.sections import Benchmark
from harness.benchmark.sections.base import seconds_of, time_text
from harness.console.continuing import continuing
from harness.console.numbers import duration
from harness.records import Store
from harness.running.forecast.timing import SECONDS_OF_REPORT
from harness.running.throughput import Throughput

KEY = "budget"  # of the records' meta table
TOLERANCE = 0.05  # of the whole time, by which work that has begun may be late before it is put off
ROOM = 1.25  # a limit that is proposed leaves so much more room than the rest is expected to need


class TimeLimit:
    """The seconds that a benchmark may take in all, None for no limit, and what of them is used."""

    def __init__(
        self, seconds: float | None, store: Store, began: float | None = None,
        clock: Callable[[], float] = time.monotonic, share: int = 1, ending: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        noted: Mapping[str, Any] = store.noted(KEY) or {}
        self.seconds = None if seconds is None else seconds / share
        self._share = share  # of so many workloads this is one, and each gets an equal part of the time
        self.probes: dict[str, float] = dict(noted.get("seconds_each", {}))  # of a measurement, by probe
        self._store = store
        self._clock = clock
        self._began = clock() if began is None else began
        self._before = float(noted.get("used", 0.0))  # seconds, in earlier calls
        self.throughput = Throughput(noted, clock)
        self._ending = ending or (lambda: SECONDS_OF_REPORT)  # returns what follows the last measurement, in seconds
        self._worked_until: float | None = None  # when the last measurement had ended
        self._ending_expected: Mapping[str, float] = noted.get("ending", {})
        self._reserved: dict[str, float] = {}
        self._start: float | None = None  # seconds of this call before its first run
        self._units: float | None = noted.get("units")

    @property
    def is_set(self) -> bool:
        """Whether there is a limit."""
        return self.seconds is not None

    @property
    def before(self) -> float:
        """The seconds that earlier calls in the run folder have taken."""
        return self._before

    @property
    def used(self) -> float:
        """The seconds that all calls together have taken so far."""
        return self._before + self._clock() - self._began

    @property
    def left(self) -> float:
        """The seconds that are left; infinitely many without a limit."""
        return math.inf if self.seconds is None else self.seconds - self.used

    @property
    def words(self) -> str:
        """The limit as a text: "90 min"."""
        limit = duration((self.seconds or 0.0) * self._share)
        return f"{limit} for {self._share} workloads" if self._share > 1 else limit

    # --- what is measured

    def work_begins(self) -> None:
        """Take note that runs are carried out from here on; what passed before belongs to no epoch."""
        self.throughput.work_begins()
        if self._start is None:
            self._start = self._clock() - self._began

    def work_ends(self) -> None:
        """Take note that nothing is trained or measured any more; what follows is the run's end."""
        self._worked_until = self._clock()
        self._ending_expected = {"seconds": round(self._ending(), 3)} if self.is_set else {}

    def run_ended(self, store: Store) -> None:
        """Write down what all of the run has taken, its end included; the records were closed in between."""
        self._store = store
        if self._worked_until is not None and self._ending_expected:
            took = round(self._clock() - self._worked_until, 3)
            self._ending_expected = {**self._ending_expected, "took": took}
        self.write()

    # --- what fits

    def reserve(self, what: str, seconds: float) -> None:
        """Keep so many seconds free for a piece of work; 0 lets them go."""
        self._reserved[what] = seconds

    def fits(self, seconds: float, of: str = "", late: bool = False) -> bool:
        """Return whether so many more seconds fit beside what is reserved, for all but ``of``.

        Work that has begun may be ``late`` by a twentieth of the limit.
        """
        if self.seconds is None:
            return True
        reserved = sum(seconds_kept for purpose, seconds_kept in self._reserved.items() if purpose != of)
        return seconds + reserved + self._ending() <= self.left + (TOLERANCE * self.seconds if late else 0.0)

    def fits_alone(self, seconds: float) -> bool:
        """Return whether so many more seconds fit if nothing follows them but the report; they may be late."""
        return self.seconds is None or seconds + self._ending() <= self.left + TOLERANCE * self.seconds

    def fits_at_least(self, seconds: float) -> bool:
        """Return whether so many more seconds fit, whatever the report takes: it is made in any case, with a result or without."""
        return self.seconds is None or seconds <= self.left

    # --- what is written down

    @property
    def units(self) -> float | None:
        """How much of its budget each search of an arm got, in the benchmark's unit; None for all of it."""
        return self._units

    def note_units(self, units: float | None) -> None:
        """Write down how much of its budget each search got; None for all of it."""
        self._units = units
        self.write()

    def write(self) -> None:
        """Write down what was asked for, and what is used."""
        note: dict[str, Any] = {
            "asked": self.seconds, "used": round(self.used, 3), **self.throughput.plain(),
            "seconds_each": self.probes, "units": self._units, "ending": dict(self._ending_expected),
        }  # fmt: skip
        self._store.note(KEY, note)

    def remedy(self, needed: float, command: Sequence[str]) -> str:
        """Return the command that goes on, with a limit under which one more start and so many more seconds fit.

        Where no epoch has ended yet, nobody knows what is needed: then the limit is at least twice what it was.
        """
        start = self._clock() - self._began if self._start is None else self._start
        seconds = self.used + start + ROOM * max(needed, 1.0) + sum(self._reserved.values()) + self._ending()
        if not self.throughput.is_known:
            seconds = max(seconds, 2 * (self.seconds or 0.0))
        return continuing(command, time_limit=time_text(_rounded(seconds) * self._share))


def _rounded(seconds: float) -> float:
    """Return seconds, rounded up: to seconds up to two minutes, else to minutes of two digits."""
    if seconds <= 120:
        return float(math.ceil(seconds))
    minutes = math.ceil(seconds / 60)
    tens: int = 10 ** max(0, math.floor(math.log10(minutes)) - 1)
    return 60.0 * math.ceil(minutes / tens) * tens


def limit_of(benchmark: Benchmark) -> float | None:
    """Return the seconds that a benchmark may take; None for no limit."""
    seconds = math.inf if benchmark.budget is None else seconds_of(benchmark.budget)
    return seconds if math.isfinite(seconds) else None
