"""Seed noise: the difference between the scores of two seeds that chance alone exceeds once in twenty.

    t(0.95, S - 1) * sqrt(2) * sd

Here sd is the standard deviation of the arm's S final tune scores in the comparison, for every trial is one seed. The score is
the one that the search goes by. For a score in "%" the noise is at least one example of the tune split. An arm with fewer than
two seeds takes the pooled sd of the others.
"""

from __future__ import annotations

import math

from harness.plugin.meta import Deciding
from harness.records import Records
from harness.statistics.scale import scaled

BY_CHANCE = 0.05  # how often two seeds alone differ by more than seed noise


def seed_noise(records: Records) -> dict[str, float]:
    """Return each arm's seed noise in the score of trials; NaN where no arm has two seeds that ended well."""
    import numpy as np
    from scipy.stats import t

    samples = {str(arm): final_scores(records, str(arm), records.searched) for arm in records.arms["arm"]}
    exponent = scaled([score for of_seed in samples.values() for score in of_seed.values()])[1]
    unit_samples = {arm: np.ldexp(list(v.values()), -exponent) for arm, v in samples.items() if len(v) > 1}
    spreads = {arm: (len(scores) - 1, float(np.var(scores, ddof=1))) for arm, scores in unit_samples.items()}
    pooled = _pooled_variance(list(spreads.values()))
    least = _one_example(records)
    noises = {}
    for arm in samples:
        freedom, variance = spreads.get(arm, pooled)
        noises[arm] = math.nan
        if freedom:
            unit_noise = t.ppf(1 - BY_CHANCE, freedom) * math.sqrt(2 * variance)
            noises[arm] = max(least, float(np.ldexp(unit_noise, exponent)))
    return noises


def _pooled_variance(spreads: list[tuple[int, float]]) -> tuple[int, float]:
    """Return the degrees of freedom and the variance of several samples together; 0 and NaN for none."""
    freedom = sum(df for df, _ in spreads)
    return (freedom, sum(df * variance for df, variance in spreads) / freedom) if freedom else (0, math.nan)


def _one_example(records: Records) -> float:
    """Return what one tune example is worth in a score that is a part of them; 0 for any other score."""
    return 1 / max(1, int(records.meta.data["counts"]["tune"])) if records.searched.is_share else 0.0


def final_scores(records: Records, arm: str, metric: Deciding) -> dict[int, float]:
    """Return the final tune score of an arm's comparison runs that ended well, by a metric, higher is better, by seed."""
    runs = records.compared()
    rows = runs[(runs["arm"] == arm) & (runs["state"] == "done")]
    if metric.tune_column not in rows:
        return {}
    values = zip(rows["seed"], rows[metric.tune_column], strict=True)
    return {int(seed): metric.sign * float(value) for seed, value in values if math.isfinite(value)}
