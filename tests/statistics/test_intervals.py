"""Intervals: against scipy and statsmodels, explicit sums, and the truth of small worlds counted out."""

from __future__ import annotations

import doctest
from itertools import product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from harness.statistics import intervals
from harness.statistics.intervals import (
    difference_interval,
    equal_numbers,
    half_width,
    jackknife_se,
    mean_interval,
    t_interval,
)
from harness.statistics.proportions import (
    clopper_pearson,
    detectable_share,
    fewest_discordant,
    matched_difference,
    newcombe,
    wilson,
)

COUNTS = [(0, 1), (1, 1), (0, 70), (1, 70), (35, 70), (69, 70), (70, 70), (4095, 4096)]


def test_the_examples_of_the_docstrings_run():
    found = doctest.testmod(intervals)
    assert found.failed == 0
    assert found.attempted > 10


# --- of a mean ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_students_interval_is_scipys(level):
    values = np.random.default_rng(0).normal(3, 2, 7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(level)
    found = t_interval(values.mean(), values.std(ddof=1), 7, level)
    assert found == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert values.mean() - half_width(stats.sem(values), 6, level) == pytest.approx(expected.low, rel=1e-12)


@pytest.mark.parametrize(("mean", "sd", "n"), [(0.9, 0.1, 1), (0.9, np.nan, 3), (np.nan, 0.1, 3), (0.9, 0.1, np.nan)])
def test_what_is_not_known_has_no_interval(mean, sd, n):
    for found in (t_interval(mean, sd, n), mean_interval(mean, sd, n, (0, 1), 70)):
        assert np.isnan(found).all()


def test_an_interval_ends_where_the_quantity_does():
    low, high = mean_interval([0.99, 0.01, 0.5], 0.01, 2, (0, 1), 70)
    assert (high[0], low[1]) == (1, 0)
    assert (low[0], high[1]) == pytest.approx(
        (0.99 - 12.7062 * 0.01 / 2**0.5, 0.01 + 12.7062 * 0.01 / 2**0.5), abs=1e-6
    )
    assert (low[2], high[2]) == tuple(map(float, t_interval(0.5, 0.01, 2)))


@pytest.mark.parametrize("mean", [0.0, 1 / 70, 0.5, 69 / 70, 1.0])
@pytest.mark.parametrize("noise", [0.0, 1e-17])
def test_where_seeds_are_equal_the_examples_are_counted(mean, noise):
    assert mean_interval(mean, noise * (mean > 0), 2, (0, 1), 70) == pytest.approx(
        tuple(map(float, clopper_pearson(mean, 70)))
    )
    assert np.isnan(mean_interval(mean, noise * (mean > 0), 2, (0, 1))).all()  # of no proportion nothing is known
    assert np.isnan(mean_interval(mean, 0.0, 1, (0, 1), 70)).all()


def test_many_means_at_once_are_those_one_by_one():
    means, sds, ns = np.array([1.0, 0.9, 0.2, 1.0]), np.array([0.0, 0.05, 0.0, np.nan]), np.array([2, 3, 1, 1])
    low, high = mean_interval(means, sds, ns, (0, 1), 50)
    for i in range(4):
        assert (low[i], high[i]) == pytest.approx(mean_interval(means[i], sds[i], ns[i], (0, 1), 50), nan_ok=True)


def test_equal_but_for_rounding():
    values = np.full(7, 0.1) * 3
    assert equal_numbers(values.mean(), values.std(ddof=1))
    assert equal_numbers(0.0, 0.0)
    assert not equal_numbers(0.9, 1e-6)
    assert not equal_numbers(np.nan, np.nan)


# --- of a proportion ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hits", "n"), COUNTS)
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_proportions_are_those_of_scipy_and_statsmodels(hits, n, level):
    for method, found in (("exact", clopper_pearson(hits / n, n, level)), ("wilson", wilson(hits / n, n, level))):
        of_scipy = stats.binomtest(hits, n).proportion_ci(level, method)
        names = {"exact": "beta", "wilson": "wilson"}
        assert found == pytest.approx((of_scipy.low, of_scipy.high), abs=1e-9)
        assert found == pytest.approx(proportion_confint(hits, n, 1 - level, names[method]), abs=1e-9)


def test_none_wrong_of_n_is_the_rule_of_three():
    """One-sided, at 5 %: about 3 / n."""
    for n in (70, 650, 4096):
        assert clopper_pearson(0, n, 0.9)[1] == pytest.approx(1 - 0.05 ** (1 / n))
        assert clopper_pearson(0, n, 0.9)[1] == pytest.approx(3 / n, rel=0.03)


@pytest.mark.parametrize("n", [1, 5, 20])
def test_the_exact_interval_covers_at_least_its_level_whatever_the_truth(n):
    hits = np.arange(n + 1)
    low, high = clopper_pearson(hits / n, n)
    truths = np.linspace(0, 1, 401)
    covered = [(stats.binom.pmf(hits, n, p) * ((low <= p) & (p <= high))).sum() for p in truths]
    assert min(covered) >= 0.95 - 1e-12


@pytest.mark.parametrize("part", [-0.1, 1.1, np.nan])
def test_what_is_no_share_has_no_interval(part):
    assert np.isnan(clopper_pearson(part, 70)).all()
    assert np.isnan(clopper_pearson(0.5, 0)).all()


# --- of a difference ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other"), [(70, 70), (0, 0), (70, 0), (69, 66), (35, 20)])
def test_newcombe_is_statsmodels(one, other):
    expected = confint_proportions_2indep(one, 70, other, 70, method="newcomb", compare="diff")
    assert newcombe(one / 70, other / 70, 70) == pytest.approx(expected, abs=1e-9)


def test_paired_differences_have_students_interval_within_what_can_be():
    one, other = np.array([0.9, 0.95, 0.99]), np.array([0.91, 0.9, 0.92])
    expected = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert difference_interval(one, other, (0, 1), 70) == pytest.approx((expected.low, expected.high))
    assert difference_interval([1.0, 0.1], [0.0, 0.0], (0, 1)) == (-1, 1)


def test_equal_differences_say_nothing_of_other_seeds():
    assert difference_interval([1.0, 1.0], [1.0, 1.0], (0, 1), 70) == pytest.approx(newcombe(1, 1, 70))
    assert difference_interval([0.3, 0.9], [0.2, 0.8], (0, 1), 70) == pytest.approx(newcombe(0.6, 0.5, 70))
    for equal in ([0.5, 0.7], [0.3, 0.3]):
        assert np.isnan(difference_interval(equal, equal)).all()
    assert np.isnan(difference_interval([1.0], [1.0], (0, 1), 70)).all()
    assert np.isnan(difference_interval([1.0, np.nan], [1.0, 1.0], (0, 1), 70)).all()
    with pytest.raises(ValueError, match=r"other: must be \[S\] with S = 2 as in one, got \[3\]"):
        difference_interval([1, 2], [1, 2, 3])


@pytest.mark.parametrize("n", [4, 8])
@pytest.mark.parametrize("shares", [(0.0, 0.0), (0.02, 0.0), (0.05, 0.01), (0.1, 0.1), (0.4, 0.0), (0.3, 0.3)])
def test_the_matched_difference_is_covered_at_least_as_often_as_it_says(n, shares):
    """Over all outcomes of n examples: better by the first, better by the second, or the same for both."""
    covered = 0.0
    for better, worse in product(range(n + 1), repeat=2):
        if better + worse <= n:
            low, high = matched_difference(better, worse, n)
            chance = stats.multinomial.pmf([better, worse, n - better - worse], n, [*shares, 1 - sum(shares)])
            covered += chance * (low <= shares[0] - shares[1] <= high)
    assert covered >= 0.95


def test_a_sign_test_needs_six_examples():
    least = next(k for k in range(1, 20) if stats.binomtest(k, k).pvalue < 0.05)
    assert fewest_discordant() == least == 6
    assert fewest_discordant(0.99) == next(k for k in range(1, 20) if stats.binomtest(k, k).pvalue < 0.01)


@pytest.mark.parametrize("n", [6, 70, 650])
def test_what_could_be_detected_is_found_with_that_power(n):
    assert stats.binom.sf(5, n, detectable_share(n, 0.8)) == pytest.approx(0.8)
    assert np.isnan(detectable_share(5, 0.8))


# --- jackknife ------------------------------------------------------------------------------------------------


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(1).normal(size=(3, 9))
    without = (values.sum(axis=1, keepdims=True) - values) / 8
    assert jackknife_se(without) == pytest.approx(stats.sem(values, axis=1))
    assert np.isnan(jackknife_se([1.0]))
    assert np.isnan(jackknife_se([1.0, np.nan, 2.0]))
