"""Effects pooled over studies: against statsmodels, closed forms, sums written out, and how often a prediction comes true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from harness.statistics.pooling import beyond_p, paule_mandel, random_effects, within_p

# Normand 1999 (doi:10.1002/(SICI)1097-0258(19990215)18:3<321::AID-SIM28>3.0.CO;2-P), table III: the differences in days of
# hospital stay between stroke units and other wards, of nine trials, with standard deviations and numbers of patients
DAYS = np.array([-20.0, -2.0, -55.0, -71.0, -4.0, 1.0, 11.0, -10.0, 7.0])
SDS = [(47, 64), (7, 4), (17, 29), (20, 48), (8, 11), (7, 4), (45, 34), (16, 27), (27, 20)]
PATIENTS = [(155, 156), (31, 32), (75, 71), (18, 18), (8, 13), (57, 52), (34, 33), (110, 183), (60, 52)]
ERRORS = np.sqrt((np.array(SDS, dtype=float) ** 2 / np.array(PATIENTS)).sum(axis=1))


def by_hand(effects, errors, confidence=0.9):
    """Return mean, se and interval with sums written out, and tau by halving an interval."""
    k = len(effects)

    def squares(tau2):
        weights = [1 / (se**2 + tau2) for se in errors]
        mean = sum(w * y for w, y in zip(weights, effects, strict=True)) / sum(weights)
        return weights, mean, sum(w * (y - mean) ** 2 for w, y in zip(weights, effects, strict=True))

    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if squares(middle)[2] > k - 1 else (low, middle)
    tau2 = low
    weights, mean, q = squares(tau2)
    se = math.sqrt(max(q / (k - 1), 1) / sum(weights))
    reach = stats.t.ppf((1 + confidence) / 2, k - 1) * se
    return mean, se, mean - reach, mean + reach, math.sqrt(tau2)


def numbers(pooled):
    return pooled.mean, pooled.se, pooled.low, pooled.high, pooled.tau


def test_a_published_example_by_hand_and_by_statsmodels():
    pooled = random_effects(DAYS, ERRORS, 0.95)
    assert numbers(pooled) == pytest.approx(by_hand(DAYS, ERRORS, 0.95), rel=1e-9)
    oracle = combine_effects(DAYS, ERRORS**2, method_re="iterated", atol=1e-14)
    assert (pooled.tau**2, pooled.mean, pooled.se) == pytest.approx(
        (oracle.tau2, oracle.mean_effect_re, oracle.sd_eff_w_re_hksj), rel=1e-6
    )
    assert pooled.predicted_low < pooled.low < pooled.high < pooled.predicted_high


@pytest.mark.parametrize("k", [3, 5, 9])
@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0])
def test_made_up_studies_by_hand(k, spread):
    random = np.random.default_rng([k, int(10 * spread)])
    errors = random.uniform(0.2, 1.0, k)
    effects = 0.3 + spread * random.standard_normal(k) + errors * random.standard_normal(k)
    assert numbers(random_effects(effects, errors)) == pytest.approx(by_hand(effects, errors), rel=1e-8, abs=1e-8)


def test_equal_errors_have_a_closed_form():
    """tau^2 = S^2 - se^2, and the interval is Student's."""
    effects = np.array([0.3, 1.1, -0.4, 0.8, 0.1, 0.6])
    pooled = random_effects(effects, np.full(6, 0.2), 0.95)
    assert pooled.tau == pytest.approx(math.sqrt(np.var(effects, ddof=1) - 0.04))
    low, high = stats.t.interval(0.95, 5, effects.mean(), stats.sem(effects))
    assert (pooled.low, pooled.high) == pytest.approx((low, high))
    assert paule_mandel(effects, np.full(6, 2.0)) == 0  # the studies' own errors explain all that they differ by


def test_studies_that_agree_too_well_keep_the_error_that_they_say_they_have():
    pooled = random_effects([0.5] * 5, [0.1] * 5)
    assert pooled.tau == 0
    assert pooled.se == pytest.approx(0.1 / math.sqrt(5))


def test_an_error_of_nothing_counts_as_the_least_of_the_others():
    effects, errors = [0.1, 0.4, 0.2, 0.9, 0.3], [0.0, 0.2, 0.1, 0.3, 0.0]
    assert random_effects(effects, errors) == random_effects(effects, [0.1, 0.2, 0.1, 0.3, 0.1])
    without = random_effects(effects, [0.0] * 5)  # all variance is between the studies, and the next one is Student's
    reach = stats.t.ppf(0.95, 4) * np.std(effects, ddof=1) * math.sqrt(1 + 1 / 5)
    assert (without.predicted_low, without.predicted_high) == pytest.approx((0.38 - reach, 0.38 + reach), abs=1e-3)
    assert without.tau == pytest.approx(np.std(effects, ddof=1))
    assert without.se == pytest.approx(stats.sem(effects))
    assert random_effects([0.2] * 5, [0.0] * 5).se == 0


@pytest.mark.parametrize("two_sided", [True, False])
def test_the_p_values_are_those_of_the_prediction_interval(two_sided):
    """Below alpha just where the interval of 1 - 2 alpha lies within the margin, or beyond it."""
    random = np.random.default_rng(1)
    for _ in range(60):
        effects, margin = random.normal(random.uniform(-2, 2), 0.3, 6), random.uniform(0.3, 1.5)
        errors = np.full(6, 0.2)
        pooled = random_effects(effects, errors, 0.9)
        low, high = pooled.predicted_low, pooled.predicted_high
        within = high < margin and (low > -margin or not two_sided)
        beyond = low > margin or (two_sided and high < -margin)
        assert (within_p(effects, errors, margin, two_sided) < 0.05) == within
        assert (beyond_p(effects, errors, margin, two_sided) < 0.05) == beyond


def test_the_prediction_is_that_of_drawing_tau_and_then_mu_and_then_the_next_study():
    """100,000 draws: chi-squared for the sum of squares, tau that gives it, mu around its mean, the next effect around mu."""
    random = np.random.default_rng(0)
    effects, errors = random.normal(0.3, 0.6, 6), random.uniform(0.2, 0.5, 6)
    grid = np.concatenate([[0], np.geomspace(1e-6, 1e3, 4000)])
    weights = 1 / (errors**2 + grid[:, None])
    means = (weights * effects).sum(axis=1) / weights.sum(axis=1)
    squares = (weights * (effects - means[:, None]) ** 2).sum(axis=1)
    tau2 = np.interp(-random.chisquare(5, 100_000), -squares, grid)  # squares fall; beyond their most tau is 0
    drawn = 1 / (errors**2 + tau2[:, None])
    mu = (drawn * effects).sum(axis=1) / drawn.sum(axis=1) + random.standard_normal(100_000) / np.sqrt(
        drawn.sum(axis=1)
    )
    following = mu + np.sqrt(tau2) * random.standard_normal(100_000)
    pooled = random_effects(effects, errors)
    assert (pooled.predicted_low, pooled.predicted_high) == pytest.approx(
        np.quantile(following, [0.05, 0.95]), abs=0.02
    )


def test_the_order_of_studies_changes_nothing_and_one_of_no_weight_hardly_anything():
    pooled, turned = random_effects(DAYS, ERRORS), random_effects(DAYS[::-1], ERRORS[::-1])
    assert numbers(turned) == pytest.approx(numbers(pooled))
    more = random_effects([*DAYS, 0.0], [*ERRORS, 1e9])
    assert (more.mean, more.tau) == pytest.approx((pooled.mean, pooled.tau), rel=0.2)


@pytest.mark.parametrize(
    ("tau", "errors"), [(1.0, (0.2, 0.4)), (0.3, (0.2, 0.4)), (0.0, (0.2, 0.4)), (1.0, (0.05, 0.1))]
)
@pytest.mark.parametrize("k", [5, 8])
def test_the_next_study_lies_in_the_prediction_interval_as_often_as_it_says(k, tau, errors):
    """Also where each study's own error is an estimate of six replicates; 500 worlds, so within four points or above."""
    random = np.random.default_rng([k, int(10 * tau), int(100 * errors[0])])
    hits = 0
    for _ in range(500):
        true = tau * random.standard_normal(k + 1)
        widths = random.uniform(*errors, k)
        estimated = widths * np.sqrt(random.chisquare(5, k) / 5)
        effects = true[:k] + widths * random.standard_normal(k)
        above = within_p(
            effects - true[k], estimated, 0.0, two_sided=False
        )  # the probability that the next one is larger
        hits += 0.05 < above < 0.95
    assert hits / 500 > 0.86
