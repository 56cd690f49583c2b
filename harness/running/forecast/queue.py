"""How long a benchmark takes with so many workers: they work through the plan as the driver hands it out, on paper.

A search waits for its trials before it asks the next ones, searches wait for no other search, and the comparison is taken
to wait for all of them, though a replicate's waits for its own alone. So a worker may have nothing to do for a while, and the time is not the work divided by the workers.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Trial = Sequence[float]  # the seconds of its runs, which are carried out one after the other


@dataclass
class PlannedSearch:
    """The trials of one search: so many are asked together, and the next ones when all of them have ended.

    When all trials have ended, the runs that confirm the best of them follow, all at once.
    """

    trials: Sequence[Trial]
    together: int = 1
    confirmations: Sequence[float] = ()  # the seconds of each
    _asked: int = 0
    _under_way: int = 0
    _ready: deque[deque[float]] = field(default_factory=deque)

    def next(self) -> deque[float] | None:
        """Return the rest of a trial whose next run may begin; None where there is none now."""
        if not self._ready and not self._under_way:
            new = self.trials[self._asked : self._asked + self.together]
            if self._asked == len(self.trials):
                new, self.confirmations = [[seconds] for seconds in self.confirmations], ()
            else:
                self._asked += len(new)
            self._ready.extend(deque(runs) for runs in new if runs)
        if not self._ready:
            return None
        self._under_way += 1
        return self._ready.popleft()

    def ended(self, rest: deque[float]) -> None:
        """Take note that a run of a trial has ended, and of what is left of the trial."""
        self._under_way -= 1
        if rest:
            self._ready.append(rest)

    @property
    def asked(self) -> int:
        """How many trials have been asked; the search with the fewest comes next."""
        return self._asked


def search_seconds(searches: Sequence[PlannedSearch], workers: int) -> float:
    """Return how long so many workers take for searches that go on side by side.

    >>> search_seconds([PlannedSearch([[2.0], [2.0], [2.0]])], workers=4)
    6.0
    >>> search_seconds([PlannedSearch([[2.0], [2.0], [2.0]]), PlannedSearch([[1.0]] * 3)], workers=2)
    6.0
    >>> search_seconds([PlannedSearch([[2.0], [2.0], [2.0]], together=3)], workers=2)
    4.0
    >>> search_seconds([PlannedSearch([[2.0]], confirmations=[5.0, 5.0])], workers=2)
    7.0
    """
    now, free = 0.0, workers
    running: list[tuple[float, int, PlannedSearch, deque[float]]] = []
    number = 0
    while True:
        for search in sorted(searches, key=lambda search: search.asked):
            while free and (rest := search.next()) is not None:
                heapq.heappush(running, (now + rest.popleft(), number, search, rest))
                number, free = number + 1, free - 1
        if not running:
            return now
        now, _, search, rest = heapq.heappop(running)
        free += 1
        search.ended(rest)


def list_seconds(jobs: Iterable[float], workers: int) -> float:
    """Return how long so many workers take for jobs that begin in this order, each as soon as a worker is free.

    >>> list_seconds([3.0, 3.0, 3.0], workers=2)
    6.0
    >>> list_seconds([], workers=2)
    0.0
    """
    ends = [0.0] * workers
    for seconds in jobs:
        heapq.heappush(ends, heapq.heappop(ends) + seconds)
    return max(ends)


def spread_epochs(low: int, high: int, trials: int) -> list[int]:
    """Return for so many trials numbers of epochs, even over a range, in an order in which long and short ones alternate.

    >>> spread_epochs(4, 12, 4)
    [9, 7, 11, 5]
    >>> sum(spread_epochs(4, 12, 12)) / 12
    8.0
    """
    even = [round(low + (high - low) * (place + 0.5) / trials) for place in range(trials)]
    order = sorted(range(trials), key=lambda number: _mirrored(number + 1))
    return [epochs for _, epochs in sorted(zip(order, even, strict=True))]


def _mirrored(number: int) -> float:
    """Return a number's binary digits behind the point, in reverse: the sequence of van der Corput."""
    value, part = 0.0, 0.5
    while number:
        number, digit = divmod(number, 2)
        value, part = value + digit * part, part / 2
    return value
