"""What fits into the time limit of a benchmark: more trials of its first replicate, and more replicates.

The first replicate takes its trials step by step, the same number for every arm, as long as its comparison, the measurements
and the report still fit afterwards. A later replicate has as many trials, and begins only where all of it fits. One that turns
out to be too slow is put off as a whole: what it has done stays, and the same command with more time goes on with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from harness.benchmark.plan import Setting
from harness.running.search import Search
from harness.running.search.budget import amount, expected_epochs
from harness.running.time_limit import TimeLimit

Epochs = Callable[[int], float]  # returns how many epochs are left up to so many replicates
Seconds = Callable[[int], float]  # returns what the measurements of so many replicates take


class Searches(Protocol):
    """The searches of one replicate, and whether a time limit has room for them."""

    searches: list[Search]
    replicate: int
    put_off: bool  # there is no room
    granted: bool  # there is room

    @property
    def finished(self) -> bool:
        """Whether all searches have ended."""


class Before(NamedTuple):
    """What comes before a replicate."""

    first: Searches  # the searches of the first replicate
    at_work: bool  # whether any replicate before it has something to do


class Fitting:
    """Decides what begins under a time limit. Without one, everything does."""

    def __init__(
        self,
        setting: Setting,
        limit: TimeLimit,
        epochs: Epochs,
        measuring: Seconds,
        before: Callable[[Searches], Before],
    ) -> None:
        self._limit = limit
        self._epochs = epochs
        self._measuring = measuring
        self._before = before
        self._step = _step(setting)
        self._settled = not limit.is_set  # how many trials the first replicate has

    def may_compare(self, tune: Searches) -> bool:
        """Return whether a replicate whose searches have ended may be compared; one that may not is put off."""
        if self._limit.is_set and not tune.put_off and not self._has_room(tune.replicate, late=True):
            tune.put_off = True
        return not tune.put_off

    def may_ask(self, tune: Searches) -> bool:
        """Return whether the searches of a replicate may ask for trials now; grant them what fits."""
        if not self._limit.is_set:
            return True
        if tune.replicate == 0:
            return self._grant(tune)
        return not tune.put_off and self._may_go_on(tune)

    def _grant(self, tune: Searches) -> bool:
        """Let the searches of the first replicate spend one more step, where all of them may and it fits."""
        if not self._settled and any(search.granted > search.whole for search in tune.searches):
            self._begin(tune)
        while not self._settled and any(search.asks_for_more for search in tune.searches):
            if self._limit.per_epoch is None and not all(search.at_rest for search in tune.searches):
                return True  # trials are under way, and what they take is known soon
            before = max(search.granted for search in tune.searches)
            self._set(tune, before + self._step)
            if not self._has_room(0):
                self._set(tune, before)
                self._settled = True
        self._settled = self._settled or all(search.spent for search in tune.searches)
        if self._settled:
            self._set(tune, max(search.granted for search in tune.searches))
            self._note(tune)
        return True

    def _begin(self, tune: Searches) -> None:
        """Grant what was asked in an earlier call, and one step at the least, unless no time is left at all."""
        asked = self._limit.units or max(search.spent_so_far for search in tune.searches)
        least = self._step if self._limit.fits(0.0) else 0.0
        self._set(tune, max(asked, least))
        self._settled = not least

    def _may_go_on(self, tune: Searches) -> bool:
        """Return whether a later replicate may ask for trials; one that does not fit is put off."""
        if not tune.granted:
            before = self._before(tune)
            if not self._settled or (self._limit.per_epoch is None and before.at_work):
                return False  # it is not known yet how many trials it has, or what they take
            self._set(tune, max(search.granted for search in before.first.searches))
        if not tune.finished:
            tune.put_off = not self._has_room(tune.replicate, late=tune.granted)
        tune.granted = not tune.put_off
        return tune.granted

    def _has_room(self, replicate: int, late: bool = False) -> bool:
        """Return whether all that is left up to a replicate fits; what takes no time yet does."""
        needed = (self._limit.per_epoch or 0.0) * self._epochs(replicate + 1) + self._measuring(replicate + 1)
        return self._limit.fits(needed, late=late)

    def _note(self, tune: Searches) -> None:
        granted = max(search.granted for search in tune.searches)
        units = None if all(granted >= search.whole for search in tune.searches) else granted
        if units != self._limit.units:
            self._limit.note_units(units)

    def _set(self, tune: Searches, granted: float) -> None:
        for search in tune.searches:
            search.granted = granted
            search.growing = not self._settled and granted < search.whole


class Standing(Fitting):
    """Begins nothing: searches have what they were granted before, and only what has ended is compared."""

    def may_compare(self, tune: Searches) -> bool:
        """Put a replicate off whose comparison has not ended."""
        tune.put_off = True
        return False

    def may_ask(self, tune: Searches) -> bool:
        """Put a replicate off whose searches have not ended."""
        self._set(tune, self._limit.units or math.inf)
        for search in tune.searches:
            search.growing = False
        tune.put_off = not tune.finished
        return False


def _step(setting: Setting) -> float:
    """Return by how much the searches of the first replicate grow at a time, in the benchmark's unit: a generation."""
    arms: Sequence[float] = [expected_epochs(arm) for arm in setting.plan.competitors]
    search = setting.plan.benchmark.search
    if search.unit == "trials":
        return float(search.together)
    if search.unit == "epochs":
        return search.together * search.seeds * max(arms)
    return max(amount(search, arm) for arm in setting.plan.competitors) / 8
