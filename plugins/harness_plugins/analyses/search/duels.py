"""Which arm's search beats another's.

The probability that one arm's search beats another's, at each budget.

The best of k trials of one arm is compared with the best of k of the other, over all subsets of both
(``harness.verdict.trials``); equal scores count half. A sampler that learns makes its trials in one order, so each of its searches
wins or loses.

With several replicates the probability is the mean over them: in each the search of one arm meets that of the other. One search
that learns has no probability, and so no rows.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from harness import Analysis, Records, digest, hookimpl
from harness.statistics.intervals import equal_numbers, mean_interval, standard_deviation
from harness.statistics.proportions import LEVEL, clopper_pearson
from harness.verdict.trials import chances, exchangeable, incumbents, scores, thinned
from harness_plugins.analyses._searches import spent_trials

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

DRAWS = 300  # of the bootstrap
COLUMNS = ("arm", "other", "budget", "probability", "low", "high", "searches")


def compute(records: Records) -> DataFrame:
    """Return a row per pair of arms and budget that both have spent: P(``arm`` beats ``other``), with its 95 % band.

    A search of more than a hundred trials has at most a hundred budgets, the nearer together the smaller they are. A trial
    without a score loses to every trial that has one, and ties with another such trial. At the largest budget there is only one
    subset, and the probability in one replicate is 0, 1/2 or 1.

    With several replicates, ``searches`` of each arm, the band is Student's over replicates, and Clopper and Pearson's of a
    proportion of so many duels for a sampler that learns. With one, it is a bootstrap over the trials of both arms. Where all
    samples agree, the band is Clopper and Pearson's of as many duels as the trials allow without using one twice.
    """
    import pandas as pd

    by_arm = {}
    for arm in map(str, records.arms["arm"]):
        by_arm[arm] = [scores(records, trials) for trials in spent_trials(records, arm)]
    rows: list[tuple[object, ...]] = []
    for first, second in combinations([arm for arm, searches in by_arm.items() if searches], 2):
        duels = list(zip(by_arm[first], by_arm[second], strict=False))
        if len(duels) == 1 and not exchangeable(records):
            continue
        budgets = thinned(min(len(values) for pair in duels for values in pair))
        columns = (
            _over_replicates(records, duels, budgets) if len(duels) > 1 else beats(*duels[0], digest([first, second]))
        )
        table = zip(budgets, *columns, strict=True)
        rows += [(first, second, int(k), *map(float, row), len(duels)) for k, *row in table]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _over_replicates(
    records: Records, duels: list[tuple[NDArray[np.float64], NDArray[np.float64]]], budgets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], ...]:
    """Return the mean probability [K] over replicates that the first search of a duel wins, and the ends of its band."""
    import numpy as np

    learns = not exchangeable(records)
    won = np.array([(_outcome if learns else _chance_to_win)(*duel, budgets) for duel in duels])
    mean = np.clip(won.mean(axis=0), 0, 1)
    if learns:
        return mean, *clopper_pearson(mean, len(duels))
    most = len(duels) * (min(len(values) for pair in duels for values in pair) // budgets)
    low, high = mean_interval(mean, standard_deviation(won.T), len(duels), (0.0, 1.0))
    ends = clopper_pearson(mean, most)
    return mean, *(np.where(np.isfinite(end), end, exact) for end, exact in zip((low, high), ends, strict=True))


def _outcome(a: NDArray[np.float64], b: NDArray[np.float64], budgets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return whether the best of a's first trials is better than that of b's [K]: 1, 0, or 1/2 where they are equal."""
    import numpy as np

    first_best, second_best = incumbents(a)[budgets - 1], incumbents(b)[budgets - 1]
    return np.where(first_best == second_best, 0.5, (first_best > second_best).astype(float))


def _chance_to_win(a: NDArray[np.float64], b: NDArray[np.float64], budgets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return P(best of k of a > best of k of b) [K], ties half."""
    return _probability(a, b, chances(len(a))[budgets - 1], chances(len(b))[budgets - 1])


def beats(a: NDArray[np.float64], b: NDArray[np.float64], key: str) -> tuple[NDArray[np.float64], ...]:
    """Return P(best of k of a > best of k of b) ``[K]``, ties half, and the ends of its bootstrap band.

    The K budgets k are those of ``thinned(min(n, m))``.
    """
    import numpy as np

    budgets = thinned(min(len(a), len(b)))
    of_a, of_b = (_below(chances(len(values))[budgets - 1]) for values in (a, b))
    random = np.random.default_rng(int(key[:8], 16))
    drawn = [_even(random.choice(a, len(a)), random.choice(b, len(b)), of_a, of_b) for _ in range(DRAWS)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    probability = _even(a, b, of_a, of_b)
    equal = equal_numbers(probability, high - low)
    ends = clopper_pearson(np.clip(probability, 0, 1), min(len(a), len(b)) // budgets)
    return probability, np.where(equal, ends[0], low), np.where(equal, ends[1], high)


def _probability(
    a: NDArray[np.float64], b: NDArray[np.float64], of_a: NDArray[np.float64], of_b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability ``[K]`` from the chances ``[K, n]`` and ``[K, m]`` of the ordered trials to be the best."""
    return _even(a, b, _below(of_a), _below(of_b))


def _below(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[m + 1, K]``: the probability that the best is among the first so many of the ordered trials."""
    import numpy as np

    return np.ascontiguousarray(np.pad(np.cumsum(chances, axis=1), ((0, 0), (1, 0))).T)


def _even(
    a: NDArray[np.float64], b: NDArray[np.float64], of_a: NDArray[np.float64], of_b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability [K] that a's best is better, ties half, from ``_below`` of both.

    Trials of a that lie between the same two trials of b count together. That halves the work for samples drawn with
    replacement.
    """
    import numpy as np

    a, b = np.sort(a), np.sort(b)
    lower, upper = np.searchsorted(b, a, side="left"), np.searchsorted(b, a, side="right")
    ends = np.append(np.flatnonzero(np.diff(lower + upper)), len(a) - 1)
    lower, upper = lower[ends], upper[ends]
    beaten, tied = of_b[lower], lower != upper
    beaten[tied] = (beaten[tied] + of_b[upper[tied]]) / 2
    probability: NDArray[np.float64] = np.einsum("nk,nk->k", np.diff(of_a[ends + 1], axis=0, prepend=0), beaten)
    return probability


MEANINGS = {  # of the columns that are not the same in every table
    "budget": "how many trials of each",
    "probability": "the probability that the arm's best beats the other's",
    "searches": "searches of each arm, one a replicate",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer duels."""
    return [Analysis(name="duels", compute=compute, reference="arXiv:1909.03004", columns=MEANINGS)]
