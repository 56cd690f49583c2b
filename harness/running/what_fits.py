"""What fits into the time limit of a benchmark: the smallest complete run first, then more trials and more replicates.

The smallest complete run has one trial of every search and one seed of every arm. It begins as long as its training fits, even
where the report will be late: the report is made in any case, and one with a result is worth more than one without.
The first replicate takes further trials one by one, the same number for every arm, as long as its whole comparison, the
measurements and the report still fit afterwards. Where its comparison does not fit as a whole, it goes seed by seed.
A later replicate has as many trials, and begins only where all of it fits. One that turns out to be too slow is put off as a
whole: what it has done stays, and the same command with more time goes on with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from harness.benchmark.plan import Setting
from harness.plugin.runs import Run
from harness.running.search import Search
from harness.running.search.budget import amount, expected_epochs
from harness.running.throughput import Work
from harness.running.time_limit import TimeLimit

NOTHING = Work(0.0, 0)
Training = Callable[[int], Work]  # returns what is left to train up to so many replicates
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

    @property
    def work_left(self) -> Work:
        """What is still to train."""


class Before(NamedTuple):
    """What comes before a replicate."""

    first: Searches  # the searches of the first replicate
    at_work: bool  # whether any replicate before it has something to do


class Fitting:
    """Decides what begins under a time limit. Without one, everything does."""

    def __init__(
        self, setting: Setting, limit: TimeLimit, training: Training, measuring: Seconds,
        before: Callable[[Searches], Before], too_short: Callable[[float], object] = lambda seconds: None,
    ) -> None:  # fmt: skip
        self._limit = limit
        self._training = training
        self._measuring = measuring
        self._before = before
        self._too_short = too_short  # called once, with the seconds that the smallest complete run still needs
        self._step = _step(setting)
        self._smallest = _smallest_comparison(setting)
        self._foretold = not limit.is_set  # whether it was looked if the smallest complete run fits
        self._settled = not limit.is_set  # how many trials the first replicate has

    @property
    def is_limited(self) -> bool:
        """Whether there is a time limit."""
        return self._limit.is_set

    def may_compare(self, tune: Searches, first: Sequence[Run]) -> bool:
        """Return whether a replicate whose searches have ended may be compared; one that may not is put off.

        Of the first replicate it is enough that the ``first`` runs fit, a seed of every arm.
        """
        if self._limit.is_set and not tune.put_off and not self._has_room(tune.replicate, late=True):
            smallest = self._limit.throughput.seconds_of_round(Work(sum(run.epochs for run in first), len(first)))
            tune.put_off = tune.replicate > 0 or not self._limit.fits_at_least(smallest)
        return not tune.put_off

    def may_train(self, runs: Sequence[Run], under_way: Work = NOTHING) -> bool:
        """Return whether runs beside those under way fit, if nothing follows them but the report."""
        together = Work(under_way.epochs + sum(run.epochs for run in runs), under_way.runs + len(runs))
        return self._limit.fits_alone(self._limit.throughput.seconds_of_round(together))

    def seconds_of_smallest(self, tune: Searches) -> float:
        """Return what is left of the smallest complete run: the searches so far, and one seed of every arm; 0 where unknown."""
        shown = self._limit.throughput
        return shown.seconds(tune.work_left) + shown.seconds_of_round(self._smallest)

    def may_ask(self, tune: Searches) -> bool:
        """Return whether the searches of a replicate may ask for trials now; grant them what fits."""
        if not self._limit.is_set:
            return True
        if tune.replicate == 0:
            self._foretell(tune)
            return self._grant(tune)
        return not tune.put_off and self._may_go_on(tune)

    def _foretell(self, tune: Searches) -> None:
        """As soon as it is known what an epoch takes, tell whoever waits that the smallest complete run does not fit."""
        if self._foretold or not self._limit.throughput.is_known or any(math.isinf(s.granted) for s in tune.searches):
            return
        self._foretold = True
        needed = self.seconds_of_smallest(tune)
        if self._training(1).epochs and not tune.finished and not self._limit.fits_at_least(needed):
            self._too_short(needed)

    def _grant(self, tune: Searches) -> bool:
        """Let the searches of the first replicate spend one more step, where all of them may and it fits."""
        if not self._settled and any(search.granted > search.whole for search in tune.searches):
            self._begin(tune)
        while not self._settled and any(search.asks_for_more for search in tune.searches):
            if not self._limit.throughput.is_known and not all(search.at_rest for search in tune.searches):
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
        """Grant what was asked in an earlier call, and one step at the least, unless the limit is used up."""
        granted_before = self._limit.units or max(search.spent_so_far for search in tune.searches)
        least = self._step if self._limit.fits_at_least(0.0) else 0.0
        self._set(tune, max(granted_before, least))
        self._settled = not least

    def _may_go_on(self, tune: Searches) -> bool:
        """Return whether a later replicate may ask for trials; one that does not fit is put off."""
        if not tune.granted:
            before = self._before(tune)
            if not self._settled or (not self._limit.throughput.is_known and before.at_work):
                return False  # it is not known yet how many trials it has, or what they take
            self._set(tune, max(search.granted for search in before.first.searches))
        if not tune.finished:
            tune.put_off = not self._has_room(tune.replicate, late=tune.granted)
        tune.granted = not tune.put_off
        return tune.granted

    def _has_room(self, replicate: int, late: bool = False) -> bool:
        """Return whether all that is left up to a replicate fits; what takes no time yet does."""
        needed = self._limit.throughput.seconds(self._training(replicate + 1)) + self._measuring(replicate + 1)
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

    def may_compare(self, tune: Searches, first: Sequence[Run]) -> bool:
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
    """Return by how much the searches of the first replicate grow at a time, in the benchmark's unit: about a trial."""
    arms: Sequence[float] = [expected_epochs(arm) for arm in setting.plan.competitors]
    search = setting.plan.benchmark.search
    if search.unit == "trials":
        return 1.0
    if search.unit == "epochs":
        return search.seeds * max(arms)
    return max(amount(search, arm) for arm in setting.plan.competitors) / 8


def _smallest_comparison(setting: Setting) -> Work:
    """Return what one comparison seed of every arm has to train."""
    arms = setting.plan.competitors
    return Work(sum(arm.benchmark.compare.epochs for arm in arms), len(arms))
