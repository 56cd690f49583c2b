"""What an epoch of a run and a run beside its epochs take, as those of this call have shown.

A run takes time beside its epochs: its network is built, it is scored at its end, and a worker may wait for the next one.
Trials are short, and the runs of a comparison are long. So both are measured apart, or the first trials would make the
comparison look as if it took several times as long as it does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

SURE = 3  # epochs after which their pace is believed


class Work(NamedTuple):
    """An amount of training: epochs, and the runs that they belong to."""

    epochs: float
    runs: int


class Throughput:
    """The seconds that pass for an epoch and for a run while all workers are at work.

    >>> seconds = iter([0.0, 10.0, 11.0, 12.0, 13.0, 14.0])
    >>> shown = Throughput(clock=lambda: next(seconds))
    >>> shown.work_begins()
    >>> for number in (1, 2, 3, 4):
    ...     shown.epoch_ended("run", number, at_once=1)
    >>> shown.run_ended()
    >>> shown.seconds(Work(epochs=10, runs=2))
    12.0
    """

    def __init__(
        self, noted: Mapping[str, Any] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self._noted: Mapping[str, Any] = noted or {}  # of an earlier call
        self._clock = clock
        self._ended: dict[str, float] = {}  # by run: when its last epoch ended
        self._intervals, self._passed = 0, 0.0  # between two epochs of one run, each divided by the runs at once
        self._at_once = 0  # runs at once, added up over the intervals
        self._epochs, self._runs = 0, 0  # since the first epoch of this stretch of work had ended
        self._since: float | None = None
        self._elapsed = 0.0  # in stretches of work, each from its first epoch on

    def work_begins(self) -> None:
        """Take note that runs are carried out from here on; what passed before belongs to none of them."""
        self._since = None
        self._ended.clear()

    def epoch_ended(self, run_id: str, number: int, at_once: int) -> None:
        """Take note that a run has ended an epoch, while so many runs were carried out at a time."""
        now = self._clock()
        before = self._ended.get(run_id)
        if before is not None and number > 1:
            self._intervals += 1
            self._passed += (now - before) / max(1, at_once)
            self._at_once += max(1, at_once)
        self._ended[run_id] = now
        self._count(now, epochs=1)

    def run_ended(self, run_id: str = "") -> None:
        """Take note that a run has ended, its scores included."""
        self._ended.pop(run_id, None)
        self._count(self._clock(), runs=1)

    def _count(self, now: float, epochs: int = 0, runs: int = 0) -> None:
        if self._since is not None:
            self._elapsed += now - self._since
            self._epochs += epochs
            self._runs += runs
        self._since = now

    @property
    def per_epoch(self) -> float | None:
        """The seconds of an epoch, divided by the runs that are carried out at a time; None where that is not known yet."""
        if self._intervals >= SURE:
            return self._passed / self._intervals
        if self._epochs >= SURE and self._runs >= SURE:  # runs of one epoch
            return self._elapsed / self._epochs
        return self._noted.get("seconds_per_epoch")

    @property
    def per_run(self) -> float:
        """The seconds that pass for a run beside its epochs; 0 where that is not known yet."""
        if self._intervals < SURE or not self._runs:
            return float(self._noted.get("seconds_per_run", 0.0))
        return max(0.0, self._elapsed - (self.per_epoch or 0.0) * self._epochs) / self._runs

    @property
    def is_known(self) -> bool:
        """Whether it is known what an epoch takes."""
        return self.per_epoch is not None

    def seconds(self, work: Work) -> float:
        """Return what an amount of training takes; 0 where that is not known yet."""
        return (self.per_epoch or 0.0) * work.epochs + self.per_run * work.runs

    def seconds_of_round(self, work: Work) -> float:
        """Return what runs of equal length take that begin together, while nothing else is trained beside the last of them."""
        at_once = max(1, round(self._at_once / self._intervals)) if self._intervals else 1
        full = math.ceil(work.runs / at_once) * at_once  # as if no place were empty
        return self.seconds(work) * full / max(1, work.runs)

    def plain(self) -> dict[str, Any]:
        """Return it as plain values, for the next call."""
        return {"seconds_per_epoch": self.per_epoch, "seconds_per_run": self.per_run}
