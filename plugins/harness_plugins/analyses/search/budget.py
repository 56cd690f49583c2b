"""The best score to expect of a budget.

The best tune score to expect of a budget of 1, 2, ... n trials.

A comparison of tuned arms holds for the budget that they were tuned with, and another budget may turn it round (Dodge et al.
2019, arXiv:1909.03004; Sivaprasad et al. 2020, arXiv:1910.11758). The trials of a random search are exchangeable, and the mean
over all subsets of k of them is exact (``harness.verdict.trials``); its band is a bootstrap over trials. A sampler that learns
asks trial k because of the trials before it, so any other order would be another search. For such a sampler the curve is the
best score so far, of the one search there was, without a band.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, digest, hookimpl
from harness.statistics.intervals import equal_numbers
from harness.statistics.proportions import LEVEL, clopper_pearson
from harness.verdict.trials import chances, exchangeable, incumbents, scores
from harness_plugins.analyses._work import SPENDING, spent_by_trials

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

DRAWS = 1000  # of the bootstrap
COLUMNS = ("arm", "budget", "expected", "low", "high", "empty", "trials", "lost", "estimate", *SPENDING)
MEAN, SO_FAR = "mean over subsets", "best so far"


def compute(records: Records) -> DataFrame:
    """Return a row per arm and budget: the ``expected`` best tune score, with the ends of its 95 % bootstrap band.

    Where all samples of the trials are equal, the band is that of a proportion of the tune examples, or there is none.
    ``lost`` of the arm's ``trials`` have no score. Each of these counts as the worst score of any arm's trial, and ``empty`` is
    the probability that a budget has no other trials. ``estimate`` is "mean over subsets", or "best so far", which has no band
    and is NaN as long as no trial has a score.

    ``steps``, ``gradients`` and ``operations`` are what the trials of the budget take: of a mean over subsets the mean, and of
    the best so far the sum up to there. So arms are compared by trials, by steps, by gradient evaluations, or by all their
    work (the table "work" says what the operations are); NaN where that was not counted.
    """
    import numpy as np
    import pandas as pd

    arms = records.arms.to_dict("records")
    by_arm = {str(arm["arm"]): scores(records, str(arm["arm"])) for arm in arms}
    known = np.concatenate([np.zeros(0), *(values[np.isfinite(values)] for values in by_arm.values())])
    rows: list[tuple[object, ...]] = []
    for arm in arms:
        values = by_arm[str(arm["arm"])]
        if len(known) and np.isfinite(values).any():
            spent = _spending(records, arm)
            table = _rows(records, str(arm["arm"]), values, float(known.min()))
            rows += [(*row, *taken) for row, taken in zip(table, spent, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _spending(records: Records, arm: Mapping[Any, Any]) -> list[tuple[float, ...]]:
    """Return what budgets of 1, 2, ... trials of an arm take, as ``SPENDING`` has it."""
    import numpy as np

    spent = spent_by_trials(records, arm)[list(SPENDING)].to_numpy(dtype=float)
    if exchangeable(records):
        taken = np.outer(np.arange(1, len(spent) + 1), spent.mean(axis=0))
    else:
        taken = spent.cumsum(axis=0)
    return [tuple(map(float, row)) for row in taken]


def _rows(records: Records, arm: str, values: NDArray[np.float64], worst: float) -> list[tuple[object, ...]]:
    """Return an arm's rows, a trial without a score counting as the ``worst`` one."""
    import numpy as np

    metric, lost = records.searched, int(np.isinf(values).sum())
    if exchangeable(records):
        curve, low, high = expected(np.where(np.isfinite(values), values, worst), digest([arm]))
        empty = chances(len(values))[:, :lost].sum(axis=1)
        estimate = MEAN
    else:
        curve = incumbents(values)
        empty = np.isinf(curve).astype(float)
        curve = np.where(np.isfinite(curve), curve, np.nan)
        low = high = np.full(len(values), np.nan)
        estimate = SO_FAR
    band = (low, high) if metric.sign > 0 else (-high, -low)
    band = _widened(metric.sign * curve, *band, records.examples_of(metric.tune_column))
    columns = zip(metric.sign * curve, *band, empty, strict=True)
    return [(arm, k, *map(float, row), len(values), lost, estimate) for k, row in enumerate(columns, 1)]


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
    "trials": "trials of the arm",
    "lost": "trials without a score",
    "estimate": "mean over subsets, or best so far",
    "steps": "steps that these trials take",
    "gradients": "gradient evaluations that these trials take",
    "operations": "operations that these trials take, the network's and the optimizer's",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer budget."""
    return [Analysis(name="budget", compute=compute, reference="arXiv:1909.03004, arXiv:2004.13705", columns=MEANINGS)]
