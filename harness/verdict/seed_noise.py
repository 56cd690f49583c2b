"""Seed noise: the difference between the scores of two seeds that chance alone exceeds once in twenty.

    t(0.95, df) * sqrt(2) * sd

Here sd is the standard deviation of the arm's final tune scores in the comparison over the seeds of one replicate, pooled over
its R replicates of S seeds, with df = R (S - 1). Replicates of one seed each have the standard deviation over replicates,
which holds the luck of their searches too. Every trial is one seed. The score is the one that the search goes by. For a score
in "%" the noise is at least one example of the tune split. An arm with fewer than two seeds takes the pooled sd of the others.
"""

from __future__ import annotations

import math

from harness.plugin.meta import Deciding
from harness.records import Records
from harness.statistics.scale import scaled
from harness.verdict.finite_runs import finite_runs
from harness.verdict.replicates import replicate_of_run

BY_CHANCE = 0.05  # how often two seeds alone differ by more than seed noise


def seed_noise(records: Records) -> dict[str, float]:
    """Return each arm's seed noise in the score of trials; NaN where no arm has two seeds that ended well."""
    import numpy as np
    from scipy.stats import t

    samples = {str(arm): scores_by_replicate(records, str(arm), records.searched) for arm in records.arms["arm"]}
    every = [score for by_number in samples.values() for of_seed in by_number.values() for score in of_seed.values()]
    exponent = scaled(every)[1]
    spreads = {}
    for arm, by_number in samples.items():
        groups = [np.ldexp(list(of_seed.values()), -exponent) for of_seed in by_number.values()]
        if all(len(scores) < 2 for scores in groups):
            groups = [np.concatenate(groups)] if groups else []
        spreads[arm] = _pooled_variance([(len(g) - 1, float(np.var(g, ddof=1))) for g in groups if len(g) > 1])
    pooled = _pooled_variance([spread for spread in spreads.values() if spread[0]])
    least = _one_example(records)
    noises = {}
    for arm in samples:
        freedom, variance = spreads[arm] if spreads[arm][0] else pooled
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
    by_replicate = scores_by_replicate(records, arm, metric)
    return {seed: score for of_seed in by_replicate.values() for seed, score in of_seed.items()}


def scores_by_replicate(records: Records, arm: str, metric: Deciding) -> dict[int, dict[int, float]]:
    """Return the same by replicate and by seed; nobody may write to it."""
    return records.once(("tune scores", arm, metric.name), lambda: _find_scores(records, arm, metric))


def _find_scores(records: Records, arm: str, metric: Deciding) -> dict[int, dict[int, float]]:
    numbers = replicate_of_run(records)
    scores: dict[int, dict[int, float]] = {}
    for seed, (run_id, value) in finite_runs(records, arm, metric.tune_column).items():
        scores.setdefault(numbers.get(run_id, 0), {})[seed] = metric.sign * value
    return dict(sorted(scores.items()))
