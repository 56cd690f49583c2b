"""The probability that one arm's search beats another's, at each budget.

The best of k trials of one arm against the best of k of the other, over all subsets of both (``_order``); equal scores
count half. Of a sampler that learns there is one search of each arm and no probability, so those have none.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from harness import Analysis, Records, digest, hookimpl
from harness_plugins.analyses._intervals import LEVEL
from harness_plugins.analyses._order import chances, exchangeable, scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

DRAWS = 300  # of the bootstrap
COLUMNS = ("arm", "other", "budget", "probability", "low", "high")


def compute(records: Records) -> DataFrame:
    """Return a row per pair of arms and budget that both have spent: P(``arm`` beats ``other``), with its 95 % band.

    A trial without a score loses to every one that has one, and ties with another such. The band is a bootstrap over
    the trials of both; at the largest budget, which leaves but one subset, the probability itself is 0, 1/2 or 1.
    """
    import pandas as pd

    rows: list[tuple[object, ...]] = []
    if exchangeable(records):
        found = {str(arm): scores(records, str(arm)) for arm in records.arms["arm"]}
        for one, other in combinations([arm for arm, values in found.items() if len(values)], 2):
            columns = zip(*beats(found[one], found[other], digest([one, other])), strict=True)
            rows += [(one, other, k, *map(float, row)) for k, row in enumerate(columns, 1)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def beats(a: NDArray[np.float64], b: NDArray[np.float64], key: str) -> tuple[NDArray[np.float64], ...]:
    """Return P(best of k of a > best of k of b) ``[min(n, m)]``, ties half, and the ends of its bootstrap band."""
    import numpy as np

    most = min(len(a), len(b))
    weights = chances(len(a))[:most], chances(len(b))[:most]
    random = np.random.default_rng(int(key[:8], 16))
    drawn = [_probability(random.choice(a, len(a)), random.choice(b, len(b)), *weights) for _ in range(DRAWS)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return _probability(a, b, *weights), low, high


def _probability(
    a: NDArray[np.float64], b: NDArray[np.float64], of_a: NDArray[np.float64], of_b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability ``[K]`` from the chances ``[K, n]`` and ``[K, m]`` of the ordered trials to be the best."""
    import numpy as np

    a, b = np.sort(a), np.sort(b)
    below = np.pad(np.cumsum(of_b, axis=1), ((0, 0), (1, 0)))  # [K, m + 1]: the best of b is among the first so many
    lower, upper = np.searchsorted(b, a, side="left"), np.searchsorted(b, a, side="right")
    found: NDArray[np.float64] = (of_a * (below[:, lower] + below[:, upper]) / 2).sum(axis=1)
    return found


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer duels."""
    return [Analysis(name="duels", compute=compute, reference="arXiv:1909.03004")]
