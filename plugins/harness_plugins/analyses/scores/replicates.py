"""How much of a result is luck in tuning: the same search again, with other seeds, as often as ``search.replicates`` says.

The means of the replicates scatter for two reasons: each search chose other parameters, and each mean is of a few seeds.
The second part is known from the seeds, and is taken off (one-way random effects; Searle, Casella & McCulloch 1992, ch. 3).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl
from harness.statistics.intervals import mean_interval, standard_deviation
from harness.statistics.scale import scaled

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("arm", "replicates", "seeds", "mean", "low", "high", "sd_tuning", "sd_seeds", "worst", "best", "unit")


def compute(records: Records) -> DataFrame:
    """Return a row per arm that was searched more than once, of the deciding test metric.

    ``mean`` is over replicates, each the mean of its seeds, with its 95 % interval ``low`` to ``high``: the replicate is the
    unit, or where all replicates are equal, the test example. ``sd_tuning`` is the SD between searches with the seeds' part taken off, 0 where that is all there is, and
    ``sd_seeds`` the SD between seeds of one search. ``worst`` and ``best`` are replicates' means.
    """
    import numpy as np
    import pandas as pd

    deciding, metric = records.deciding, records.deciding.column
    rows = records.comparison
    rows = rows[rows["role"].isin(["fresh", "replicate"]) & (rows["state"] == "done")]
    found = []
    for arm in map(str, records.arms["arm"]) if metric in rows else ():
        groups = [g[metric].dropna().to_numpy() for _, g in rows[rows["arm"] == arm].groupby("replicate")]
        groups = [values for values in groups if len(values)]
        if len(groups) < 2:
            continue
        means = np.array([values.mean() for values in groups])
        free = sum(len(values) - 1 for values in groups)
        exponent = scaled(np.concatenate(groups))[1]  # squares of the numbers as they are may be none
        near = [np.ldexp(values, -exponent) for values in groups]
        within = sum(float(((v - v.mean()) ** 2).sum()) for v in near) / free if free else math.nan
        seeds = len(groups) / sum(1 / len(values) for values in groups)  # harmonic mean: what a mean's noise goes by
        between = float(np.ldexp(means, -exponent).var(ddof=1)) - (within / seeds if free else 0.0)
        about_metric = (records.bounds_of(metric), records.examples_of(metric))
        low, high = map(float, mean_interval(means.mean(), standard_deviation(means), len(means), *about_metric))
        ends = (float(means.min()), float(means.max()))
        worst, best = ends if deciding.sign > 0 else ends[::-1]
        middle = float(means.mean())
        spreads = [float(np.ldexp(math.sqrt(square), exponent)) for square in (max(0.0, between), within)]
        counts = (len(groups), min(len(values) for values in groups))
        found.append((arm, *counts, middle, low, high, *spreads, worst, best, deciding.unit))
    return pd.DataFrame(found, columns=list(COLUMNS))


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer replicates."""
    return [Analysis(name="replicates", compute=compute, reference="arXiv:2103.03098")]
