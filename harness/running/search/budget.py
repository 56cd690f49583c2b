"""What a search may spend, in the benchmark's unit: trials, epochs, or seconds of training.

The budget is a total, over everything the arm has ever been asked. The trial with which it is reached is the last one and
is finished; so in epochs or seconds no arm gets more than one trial beyond its share.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.sections import SearchSection

LEAST_SECONDS = 0.1  # that a trial is charged with
Ask = Mapping[str, Any]


def amount(search: SearchSection, competitor: Competitor) -> float:
    """Return the arm's whole budget, what it was extended by included."""
    return (search.trials if search.unit == "trials" else search.budget) + competitor.extra


def expected_epochs(competitor: Competitor) -> float:
    """Return how many epochs one training of a search has, in the mean; with a pruner the most there may be."""
    search = competitor.benchmark.search
    low, high = search.epochs[0], search.epochs[-1]
    return high if search.pruner != "none" else (low + high) / 2


def expected(competitor: Competitor, searches: int, epoch_seconds: float = 0.0) -> tuple[int, float]:
    """Return about how many trials an arm's searches have, and how many epochs with what confirms the best ones.

    The last trial ends beyond a budget in epochs. A budget in seconds is as many as these ``epoch_seconds`` give; none
    where they are not known.
    """
    search = competitor.benchmark.search
    epochs = search.seeds * expected_epochs(competitor)  # of a trial
    per_trial = {"trials": 1.0, "epochs": epochs, "seconds": epochs * epoch_seconds}[search.unit]
    trials = searches * math.ceil(amount(search, competitor) / per_trial - 1e-9) if per_trial else 0
    confirmed_epochs = confirmations(competitor, searches, trials) * competitor.benchmark.compare.epochs
    return trials, trials * epochs + confirmed_epochs


def confirmations(competitor: Competitor, searches: int, trials: int) -> int:
    """Return how many trials are trained once more, of an arm's searches with so many trials together.

    Where a search has a single trial, there is nothing to choose between, and it is not trained once more.
    """
    of_each = min(competitor.benchmark.search.confirm, trials // searches) if searches else 0
    return searches * of_each if of_each > 1 else 0


class Budgeted:
    """What a search may spend: all that the benchmark gives it, or the part of it that a time limit has room for."""

    competitor: Competitor
    granted = math.inf  # how much it may spend under a time limit, in the benchmark's unit
    growing = False  # it may still be granted more, and so is not over when that is spent
    _options: SearchSection
    _asks: list[dict[str, Any]]
    _spending: Spending

    @property
    def exhausted(self) -> bool:
        """Whether the sampler has asked every combination of the space."""
        return False

    @property
    def whole(self) -> float:
        """How much the benchmark gives the search, in its unit."""
        return amount(self._options, self.competitor)

    @property
    def limit(self) -> float:
        """How much the search may spend, in the benchmark's unit: the whole, or what a time limit leaves of it."""
        return min(self.whole, self.granted)

    @property
    def asks_for_more(self) -> bool:
        """Whether it has spent what it was granted, and the benchmark gives it more."""
        return self.granted < self.whole and self._spending.spent() >= self.granted and not self.exhausted

    @property
    def at_rest(self) -> bool:
        """Whether every trial that was asked has ended."""
        return self._spending.leading() == len(self._asks)

    @property
    def spent_so_far(self) -> float:
        """What all trials have cost, in the benchmark's unit."""
        return self._spending.spent()


class Spending:
    """What the trials of a search have cost, in order; those that have ended are added up once."""

    def __init__(self, search: SearchSection, asks: Sequence[Ask]) -> None:
        self._search = search
        self._asks = asks  # it grows, and its trials end
        self._totals = [0.0]  # before each of the leading trials that have ended, and after the last of them

    def spent(self, planned_from: int | None = None) -> float:
        """Return what all trials have cost; one under way costs the epochs it is to train, and no seconds yet.

        From ``planned_from`` on every trial costs what it was to cost when it was asked.
        """
        if self._search.unit == "trials":
            return float(len(self._asks))
        ended = self.leading()
        if planned_from is None or planned_from >= ended:
            first, total = ended, self._totals[-1]
        else:
            first, total = planned_from, self._totals[planned_from]
        planned = len(self._asks) if planned_from is None else planned_from
        return total + sum(self._cost(self._asks[number], number < planned) for number in range(first, len(self._asks)))

    def covered(self, limit: float) -> int:
        """Return how many of the trials, in order, a budget covers: those before which it was not yet spent."""
        if self._search.unit == "trials":
            return min(len(self._asks), math.ceil(limit))
        ended, total = self.leading(), self._totals[-1]
        if total >= limit:
            return bisect_left(self._totals, limit)
        for number in range(ended, len(self._asks)):
            total += self._cost(self._asks[number])
            if total >= limit:
                return number + 1
        return len(self._asks)

    def leading(self) -> int:
        """Return how many trials have ended before the first one that has not."""
        while len(self._totals) <= len(self._asks) and self._asks[len(self._totals) - 1]["ended"]:
            self._totals.append(self._totals[-1] + self._cost(self._asks[len(self._totals) - 1]))
        return len(self._totals) - 1

    def trials_left(self, limit: float) -> int:
        """Return how many more trials the budget will about cover, going by those there are."""
        search, used = self._search, self.spent()
        rest = limit - used
        if rest <= 0:
            return 0
        guess = {"trials": 1.0, "epochs": sum(search.epochs) / len(search.epochs) * search.seeds, "seconds": rest}
        return max(1, round(rest / (used / len(self._asks) if self._asks else guess[search.unit])))

    def _cost(self, ask: Ask, as_ended: bool = True) -> float:
        """Return what a trial costs: something even where it fails at once, or a search of failures would never end."""
        ended = as_ended and ask["ended"]
        if self._search.unit == "trials":
            return 1.0
        if self._search.unit == "seconds":
            return max(LEAST_SECONDS, float(ask["seconds"]) if ended else 0.0)
        return float(max(1, ask["trained"]) if ended else ask["params"]["epochs"] * self._search.seeds)
