"""How much of a result is chance in tuning: every arm's search again in every replicate, with other seeds.

The means of the replicates scatter for two reasons: each search chose other parameters, and each mean is of a few seeds. The
second part is known from the seeds, and is subtracted (one-way random effects; Searle, Casella & McCulloch 1992, ch. 3).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.statistics.intervals import mean_interval, standard_deviation
from harness.statistics.scale import scaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

COLUMNS = ("arm", "replicates", "seeds", "mean", "low", "high", "sd_tuning", "sd_seeds", "worst", "best", "unit")


def compute(records: Records) -> DataFrame:
    """Return a row per arm with more than one replicate, of the deciding test metric.

    ``mean`` is over replicates, each the mean of its seeds, with its 95 % interval ``low`` to ``high``. The unit of the interval
    is the replicate; where all replicates are equal, it is the test example. ``sd_tuning`` is the SD between searches after the
    seeds' part is subtracted, 0 where nothing is left. ``sd_seeds`` is the SD between seeds of one search. ``worst`` and ``best``
    are means of replicates.
    """
    import pandas as pd

    metric, runs = records.deciding.column, records.comparison
    runs = runs[(runs["role"] == "fresh") & (runs["state"] == "done")]
    rows = []
    for arm in map(str, records.arms["arm"]) if metric in runs else ():
        replicates = [group[metric].dropna().to_numpy() for _, group in runs[runs["arm"] == arm].groupby("replicate")]
        replicates = [values for values in replicates if len(values)]
        if len(replicates) > 1:
            rows.append((arm, *_row(records, replicates)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(records: Records, replicates: list[NDArray[np.float64]]) -> tuple[Any, ...]:
    """Return an arm's columns, from each replicate's values [S] over its seeds."""
    import numpy as np

    metric = records.deciding.column
    means = np.array([values.mean() for values in replicates])
    bounds, examples = records.bounds_of(metric), records.examples_of(metric)
    low, high = map(float, mean_interval(means.mean(), standard_deviation(means), len(means), bounds, examples))
    ends = (float(means.min()), float(means.max()))
    worst, best = ends if records.deciding.sign > 0 else ends[::-1]
    fewest = min(len(values) for values in replicates)
    spreads = _spreads(replicates, means)
    return len(replicates), fewest, float(means.mean()), low, high, *spreads, worst, best, records.deciding.unit


def _spreads(replicates: list[NDArray[np.float64]], means: NDArray[np.float64]) -> tuple[float, float]:
    """Return the SD between searches without the seeds' part, and the SD between seeds; NaN where nothing is known of it."""
    import numpy as np

    exponent = scaled(np.concatenate(replicates))[1]  # without this, squares might leave the floating-point numbers
    unit_values = [np.ldexp(values, -exponent) for values in replicates]
    freedom = sum(len(values) - 1 for values in replicates)
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in unit_values)
    within = squares / freedom if freedom else math.nan
    seeds = len(replicates) / sum(
        1 / len(values) for values in replicates
    )  # harmonic mean: the noise of a mean follows it
    between = float(np.ldexp(means, -exponent).var(ddof=1)) - (within / seeds if freedom else 0.0)
    tuning, seed = (float(np.ldexp(math.sqrt(square), exponent)) for square in (max(0.0, between), within))
    return tuning, seed


MEANINGS = {  # of the columns that are not the same in every table
    "sd_tuning": "the standard deviation between searches, without the part of the seeds",
    "sd_seeds": "the standard deviation between seeds of one search",
    "worst": "the mean of the worst replicate",
    "best": "the mean of the best replicate",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer replicates."""
    return [Analysis(name="replicates", compute=compute, reference="arXiv:2103.03098", columns=MEANINGS)]
