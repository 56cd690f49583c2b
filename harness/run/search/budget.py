"""What a search may spend, in the benchmark's unit: trials, epochs, or seconds of training.

The budget is a total, over everything the arm has ever been asked. The trial with which it is reached is the last one and
is finished; so in epochs or seconds no arm gets more than one trial beyond its share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.sections import SearchSection

LEAST_SECONDS = 0.1  # that a trial is charged with
Ask = Mapping[str, Any]


def amount(search: SearchSection, competitor: Competitor) -> float:
    """Return the arm's whole budget, what it was extended by included."""
    return (search.trials if search.unit == "trials" else search.budget) + competitor.extra


def expected(competitor: Competitor, searches: int, epoch_seconds: float = 0.0) -> tuple[int, float]:
    """Return about how many trials and epochs an arm's searches are: the last trial ends beyond a budget in epochs.

    A budget in seconds is as many as these ``epoch_seconds`` give; none where they are not known.
    """
    search = competitor.benchmark.search
    low, high = search.epochs[0], search.epochs[-1]
    epochs = search.seeds * (high if search.pruner != "none" else (low + high) / 2)  # of a trial
    per_trial = {"trials": 1.0, "epochs": epochs, "seconds": epochs * epoch_seconds}[search.unit]
    trials = searches * math.ceil(amount(search, competitor) / per_trial - 1e-9) if per_trial else 0
    return trials, trials * epochs


def spent(asks: Sequence[Ask], search: SearchSection) -> float:
    """Return what these trials have cost; one under way costs the epochs it is to train, and no seconds yet."""
    return sum(_cost(ask, search) for ask in asks)


def _cost(ask: Ask, search: SearchSection) -> float:
    """Return what a trial costs: something even where it fails at once, or a search of failures would never end."""
    if search.unit == "trials":
        return 1.0
    if search.unit == "seconds":
        return max(LEAST_SECONDS, float(ask["seconds"]))
    return float(max(1, ask["trained"]) if ask["ended"] else ask["params"]["epochs"] * search.seeds)


def trials_left(asks: Sequence[Ask], search: SearchSection, limit: float) -> int:
    """Return how many more trials the budget will about cover, going by those there are."""
    rest = limit - spent(asks, search)
    if rest <= 0:
        return 0
    guess = {"trials": 1.0, "epochs": sum(search.epochs) / len(search.epochs) * search.seeds, "seconds": rest}
    per_trial = spent(asks, search) / len(asks) if asks else guess[search.unit]
    return max(1, round(rest / per_trial))


def within(asks: Sequence[Ask], search: SearchSection, limit: float) -> int:
    """Return how many of the trials, in order, the budget covers: those before which it was not yet spent."""
    total = 0.0
    for number, ask in enumerate(asks):
        if total >= limit:
            return number
        total += _cost(ask, search)
    return len(asks)
