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
    """Return mean, se, interval and prediction interval with sums written out, and tau by halving an interval."""
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
    predicted = stats.t.ppf((1 + confidence) / 2, k - 2) * math.sqrt(tau2 + se**2)
    return mean, se, mean - reach, mean + reach, math.sqrt(tau2), mean - predicted, mean + predicted


def numbers(pooled):
    return (
        pooled.mean, pooled.se, pooled.low, pooled.high, pooled.tau, pooled.predicted_low, pooled.predicted_high,
    )  # fmt: skip


def test_a_published_example_by_hand_and_by_statsmodels():
    pooled = random_effects(DAYS, ERRORS, 0.95)
    assert numbers(pooled) == pytest.approx(by_hand(DAYS, ERRORS, 0.95), rel=1e-9)
    oracle = combine_effects(DAYS, ERRORS**2, method_re="iterated", use_t=True, alpha=0.05, atol=1e-14)
    assert pooled.tau**2 == pytest.approx(oracle.tau2, rel=1e-6)
    mean, _, low, high = oracle.summary_frame().loc["random effect", ["eff", "sd_eff", "ci_low", "ci_upp"]]
    assert pooled.mean == pytest.approx(mean, rel=1e-6)
    hartung_knapp = oracle.summary_frame(use_t=True).loc["random effect"]
    assert pooled.se == pytest.approx(hartung_knapp["sd_eff"], rel=1e-6) or pooled.se > hartung_knapp["sd_eff"]
    assert low < pooled.mean < high


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
    without = random_effects(effects, [0.0] * 5)  # all variance is between the studies
    assert without.tau == pytest.approx(np.std(effects, ddof=1))
    assert without.se == pytest.approx(stats.sem(effects))
    assert random_effects([0.2] * 5, [0.0] * 5).se == 0


@pytest.mark.parametrize("two_sided", [True, False])
def test_the_p_values_are_those_of_the_prediction_interval(two_sided):
    """Below alpha just where the interval of 1 - 2 alpha lies within the margin, or beyond it."""
    random = np.random.default_rng(1)
    for _ in range(200):
        effects, margin = random.normal(random.uniform(-2, 2), 0.3, 6), random.uniform(0.3, 1.5)
        pooled = random_effects(effects, np.full(6, 0.2), 0.9)
        low, high = pooled.predicted_low, pooled.predicted_high
        within = high < margin and (low > -margin or not two_sided)
        beyond = low > margin or (two_sided and high < -margin)
        assert (within_p(pooled, margin, two_sided) < 0.05) == within
        assert (beyond_p(pooled, margin, two_sided) < 0.05) == beyond


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
    """Also where each study's own error is an estimate of six replicates; 1,000 worlds, so within two points or above."""
    random = np.random.default_rng([k, int(10 * tau), int(100 * errors[0])])
    hits = 0
    for _ in range(1000):
        true = tau * random.standard_normal(k + 1)
        widths = random.uniform(*errors, k)
        estimated = widths * np.sqrt(random.chisquare(5, k) / 5)
        pooled = random_effects(true[:k] + widths * random.standard_normal(k), estimated, 0.9)
        hits += pooled.predicted_low < true[k] < pooled.predicted_high
    assert hits / 1000 > 0.87
