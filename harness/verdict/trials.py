"""The scores of a search's trials, and the best of k of them: exact order statistics, without replacement.

For n exchangeable trials, ordered from the worst to the best, the i-th is the best of k drawn from them without
replacement with probability

    P(best of k is the i-th) = C(i - 1, k - 1) / C(n, k)

Dodge et al. 2019 (arXiv:1909.03004) draw with replacement, (i/n)^k - ((i - 1)/n)^k. That lets one trial count twice, so
it is too pessimistic, and at k = n it is not the best that was found. Without replacement the mean is unbiased, and ends
there (Tang et al. 2020, arXiv:2004.13705).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from harness.records import Records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

EXCHANGEABLE = ("random",)  # samplers whose trials may be reordered; all others learn, or follow a fixed sequence
FINEST = 100  # budgets of a table with a row a budget, where computing one is costly
SPENT = ("done", "stopped", "diverged", "failed")  # states of a trial that has taken its part of the budget


def exchangeable(records: Records) -> bool:
    """Return whether the order of the trials means nothing."""
    return str(records.meta.benchmark["search"]["sampler"]) in EXCHANGEABLE


def arm_trials(records: Records, arm: str) -> DataFrame:
    """Return the trials of an arm's searches in all replicates: those columns of ``Records.trials`` that tell how one ended.

    ``replicate`` is beside them. They are in the order of replicates, and in each in the order in which they were asked.
    """
    import pandas as pd

    columns = ["number", "state", "value", "seconds", "trained", "params", "replicate"]
    further = records.repeated[(records.repeated["arm"] == arm) & (records.repeated["control"] == "")]
    first = records.trials[records.trials["arm"] == arm].assign(replicate=0)
    searches = [trials.reindex(columns=columns) for trials in (first, further) if len(trials)]
    together = pd.concat(searches or [first.reindex(columns=columns)], ignore_index=True)
    return together.sort_values(["replicate", "number"], kind="stable").reset_index(drop=True)


def scores(records: Records, spent: DataFrame) -> NDArray[np.float64]:
    """Return the scores [n] of spent trials in their order, higher is better, -inf for a trial without one.

    A trial that diverged, failed or was stopped has taken its part of the budget and brought nothing.
    """
    import numpy as np

    values = spent["value"].where(spent["state"] == "done").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(values), records.searched.sign * values, -np.inf)


@lru_cache(maxsize=4)  # most arms have equally many trials
def chances(n: int) -> NDArray[np.float64]:
    """Return [n, n]: in row k - 1 the probability of each trial, the worst first, to be the best of k.

    The array cannot be written to.
    """
    import numpy as np

    k = np.arange(1, n + 1)
    weights = np.zeros((n, n))  # by trial first, so that the loop writes whole rows
    if n:
        weights[n - 1] = k / n
    for i in range(n - 1, 0, -1):  # C(i - 1, k - 1) / C(i, k - 1) = (i - k + 1) / i
        weights[i - 1] = weights[i] * np.maximum(i - k + 1, 0) / i
    weights.flags.writeable = False
    return weights.T


def chance(n: int, k: int) -> NDArray[np.float64]:
    """Return row k - 1 of ``chances(n)`` alone [n], for k of 1 to n."""
    import numpy as np

    weights = np.zeros(n)
    weights[n - 1] = k / n
    for i in range(n - 1, k - 1, -1):
        weights[i - 1] = weights[i] * (i - k + 1) / i
    return weights


def thinned(most: int) -> NDArray[np.int64]:
    """Return the budgets 1 to ``most``, rising; at most ``FINEST`` of them.

    Both ends are among them, and the gaps grow with the budget, for a further trial brings ever less.
    """
    import numpy as np

    if most <= FINEST:
        return np.arange(1, most + 1)
    return np.unique(np.rint(1 + (most - 1) * np.linspace(0, 1, FINEST) ** 2).astype(np.int64))


def incumbents(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the best of the first 1, 2, ... n scores [n], in the order in which the trials were asked."""
    import numpy as np

    best: NDArray[np.float64] = np.maximum.accumulate(values)
    return best
