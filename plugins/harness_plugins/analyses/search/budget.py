"""The best score to expect of a budget.

The best tune score to expect of a budget of 1, 2, ... n trials.

A comparison of tuned arms holds for the budget that they were tuned with, and another budget may turn it round (Dodge et al.
2019, arXiv:1909.03004; Sivaprasad et al. 2020, arXiv:1910.11758). The trials of a random search are exchangeable, and the mean
over all subsets of k of them is exact (``harness.verdict.trials``). A sampler that learns asks trial k because of the trials
before it, so any other order would be another search, and its curve is the best score so far.

With several replicates the curve is the mean over the searches of all of them, and its band is Student's over replicates. With
one, the band of a random search is a bootstrap over its trials, and a search that learns has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, digest, hookimpl
from harness.statistics.intervals import equal_numbers, mean_interval, standard_deviation
from harness.statistics.proportions import LEVEL, clopper_pearson
from harness.verdict.trials import chances, exchangeable, incumbents, scores
from harness_plugins.analyses._searches import spent_trials
from harness_plugins.analyses._work import SPENDING, spent_by_trials

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

DRAWS = 1000  # of the bootstrap
COLUMNS = ("arm", "budget", "expected", "low", "high", "empty", "trials", "lost", "searches", "estimate", *SPENDING)
MEAN, SO_FAR = "mean over subsets", "best so far"


def compute(records: Records) -> DataFrame:
    """Return a row per arm and budget: the ``expected`` best tune score, with the ends of its 95 % band.

    It is the mean over the arm's ``searches``, one a replicate, of ``trials`` each. Where all samples agree, the band is that of
    a proportion of the tune examples, or there is none. ``lost`` of all these trials have no score. Each of them counts as the
    worst score of any arm's trial, and ``empty`` is the probability that a budget has no other trials. ``estimate`` is "mean over
    subsets" or "best so far". That of a single search is NaN as long as no trial has a score, and has no band.

    ``steps``, ``gradients`` and ``operations`` are what the trials of the budget take: of a mean over subsets the mean, and of
    the best so far the sum up to there. So arms are compared by trials, by steps, by gradient evaluations, or by all their
    work (the table "work" says what the operations are); NaN where that was not counted.
    """
    import numpy as np
    import pandas as pd

    arms = records.arms.to_dict("records")
    searches = {str(arm["arm"]): spent_trials(records, str(arm["arm"])) for arm in arms}
    by_arm = {arm: [scores(records, trials) for trials in of_arm] for arm, of_arm in searches.items()}
    finite_values = np.concatenate([np.zeros(0), *(v[np.isfinite(v)] for of_arm in by_arm.values() for v in of_arm)])
    rows: list[tuple[object, ...]] = []
    for arm in arms:
        name = str(arm["arm"])
        if any(np.isfinite(values).any() for values in by_arm[name]):
            table = _rows(records, name, by_arm[name], float(finite_values.min()))
            spent = _spending(records, arm, searches[name])
            rows += [(*row, *taken) for row, taken in zip(table, spent, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _spending(records: Records, arm: Mapping[Any, Any], searches: list[DataFrame]) -> list[tuple[float, ...]]:
    """Return what budgets of 1, 2, ... trials of an arm take, the mean over its searches, as ``SPENDING`` has it."""
    import numpy as np

    least, taken = min(map(len, searches)), []
    for trials in searches:
        spent = spent_by_trials(records, arm, trials)[list(SPENDING)].to_numpy(dtype=float)
        spendings = np.outer(np.arange(1, len(spent) + 1), spent.mean(axis=0))
        taken.append((spendings if exchangeable(records) else spent.cumsum(axis=0))[:least])
    return [tuple(map(float, row)) for row in np.mean(taken, axis=0)]


def _rows(records: Records, arm: str, searches: list[NDArray[np.float64]], worst: float) -> list[tuple[object, ...]]:
    """Return an arm's rows, a trial without a score counting as the ``worst`` one."""
    import numpy as np

    estimate = MEAN if exchangeable(records) else SO_FAR
    several = _of_replicates if len(searches) > 1 else _of_one_search
    columns = np.array(several(records, searches, worst, digest([arm])))
    least, lost = min(map(len, searches)), int(sum(np.isinf(values).sum() for values in searches))
    ends = (least, lost, len(searches), estimate)
    return [(arm, k, *map(float, row), *ends) for k, row in enumerate(columns.T, 1)]


def _of_replicates(
    records: Records, searches: list[NDArray[np.float64]], worst: float, _: str
) -> tuple[NDArray[np.float64], ...]:
    """Return the mean curve [n] over replicates, the ends of its band, and how probable it is that no trial has a score."""
    import numpy as np

    metric, least = records.searched, min(map(len, searches))
    curves, empty = [], []
    for values in searches:
        filled = np.where(np.isfinite(values), values, worst)
        curves.append(metric.sign * _curve(records, filled)[:least])
        empty.append(_empty(records, values)[:least])
    mean, spread = np.mean(curves, axis=0), standard_deviation(np.transpose(curves))
    column = metric.tune_column
    ends = mean_interval(mean, spread, len(curves), records.bounds_of(column), records.examples_of(column))
    return mean, *ends, np.mean(empty, axis=0)


def _of_one_search(
    records: Records, searches: list[NDArray[np.float64]], worst: float, key: str
) -> tuple[NDArray[np.float64], ...]:
    """Return the curve [n] of a single search, the ends of its band, and how probable it is that no trial has a score."""
    import numpy as np

    (values,), metric = searches, records.searched
    if exchangeable(records):
        curve, low, high = expected(np.where(np.isfinite(values), values, worst), key)
    else:
        curve = _curve(records, values)
        curve = np.where(np.isfinite(curve), curve, np.nan)
        low = high = np.full(len(values), np.nan)
    band = (low, high) if metric.sign > 0 else (-high, -low)
    band = _widened(metric.sign * curve, *band, records.examples_of(metric.tune_column))
    return metric.sign * curve, *band, _empty(records, values)


def _curve(records: Records, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the best score [n] to expect of 1 to n trials of one search, higher is better."""
    import numpy as np

    return chances(len(values)) @ np.sort(values) if exchangeable(records) else incumbents(values)


def _empty(records: Records, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how probable it is [n] that none of 1 to n trials has a score."""
    import numpy as np

    if not exchangeable(records):
        return np.isinf(incumbents(values)).astype(float)
    empty: NDArray[np.float64] = chances(len(values))[:, : int(np.isinf(values).sum())].sum(axis=1)
    return empty


def _widened(
    curve: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], examples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a band [n] that has a width everywhere, also where every sample of the trials has the same best score.

    A bootstrap of equal scores says nothing of other trials. There the band is Clopper and Pearson's of a proportion of the tune
    examples, or NaN for a score that is no proportion.
    """
    import numpy as np

    equal = equal_numbers(curve, high - low)
    ends = clopper_pearson(curve, examples) if examples else (np.nan, np.nan)
    return np.where(equal, ends[0], low), np.where(equal, ends[1], high)


def expected(values: NDArray[np.float64], key: str) -> tuple[NDArray[np.float64], ...]:
    """Return the expected best [n] of 1 to n of these scores, higher is better, and the ends of its bootstrap band.

    The band's ends are percentiles over ``DRAWS`` samples of the trials with replacement. The draws follow from ``key``, a
    hexadecimal number.
    """
    import numpy as np

    weights = chances(len(values))
    ordered = np.sort(values)
    random = np.random.default_rng(int(key[:8], 16))
    drawn = np.sort(random.choice(ordered, size=(DRAWS, len(ordered))), axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn @ weights.T, [tail, 1 - tail], axis=0)
    return weights @ ordered, low, high


MEANINGS = {  # of the columns that are not the same in every table
    "budget": "how many trials",
    "expected": "the best tune score to expect of them",
    "empty": "the probability that none of them has a score",
    "trials": "trials of each search",
    "lost": "trials without a score, in all searches",
    "searches": "searches of the arm, one a replicate",
    "estimate": "mean over subsets, or best so far",
    "steps": "steps that these trials take",
    "gradients": "gradient evaluations that these trials take",
    "operations": "operations that these trials take, the network's and the optimizer's",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer budget."""
    return [Analysis(name="budget", compute=compute, reference="arXiv:1909.03004, arXiv:2004.13705", columns=MEANINGS)]
