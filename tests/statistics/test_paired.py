"""One number per network: against statsmodels and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from harness.statistics.paired import difference, equivalence_p, permutation_p
from harness.statistics.pairwise import Estimate

A, B = np.array([4.0, 7, 8, 6, 3, 2]), np.array([6.0, 8, 7, 10, 11, 9])


@pytest.mark.parametrize("margin", [0.5, 1.0, 4.0, 8.0])
def test_tost_is_that_of_statsmodels(margin):
    assert equivalence_p(difference(A, B), margin) == pytest.approx(ttost_paired(A, B, -margin, margin)[0], rel=1e-12)


def test_tost_gives_the_published_number():
    assert equivalence_p(difference(A, B), 4.0) == pytest.approx(0.370577, abs=1e-6)


def test_tost_of_unpaired_arms_is_the_published_one_too():
    """Margin 1, pooled: .965097. The same test, with the pooled error and its 10 degrees of freedom."""
    se = float(np.sqrt((A.var(ddof=1) + B.var(ddof=1)) / 6))
    pooled = Estimate(float(A.mean() - B.mean()), -np.inf, np.inf, se, seeds=11)
    assert equivalence_p(pooled, 1.0) == pytest.approx(ttost_ind(A, B, -1, 1)[0], rel=1e-12)
    assert equivalence_p(pooled, 1.0) == pytest.approx(0.965097, abs=1e-6)


@pytest.mark.parametrize("seeds", [5, 8])
def test_a_true_difference_on_the_margin_is_rarely_called_equivalent(seeds):
    random = np.random.default_rng(0)
    said = [equivalence_p(difference(random.normal(1, 0.3, seeds), np.zeros(seeds)), 1.0) < 0.05 for _ in range(1500)]
    assert np.mean(said) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1500)


def test_the_interval_is_the_paired_t():
    estimate = difference(A, B)
    low, high = stats.ttest_rel(A, B).confidence_interval(0.9)
    assert (estimate.low, estimate.high) == pytest.approx((low, high))


def test_equal_numbers_are_equivalent_at_any_margin_and_unequal_ones_at_none_below():
    assert equivalence_p(difference(A, A), 1e-9) == 0.0
    assert equivalence_p(difference(A, A + 1), 1.0) == 1.0
    assert equivalence_p(difference(A[:1], B[:1]), 100.0) == 1.0


def test_the_permutation_test_is_that_of_scipy():
    exact = stats.permutation_test(
        (A, B), lambda a, b: abs(np.mean(a - b)), permutation_type="samples", n_resamples=np.inf, alternative="greater"
    )
    assert permutation_p(A, B) == pytest.approx(exact.pvalue)


@pytest.mark.parametrize(("seeds", "smallest"), [(1, 1.0), (3, 0.25), (6, 0.03125)])
def test_few_seeds_never_show_a_difference(seeds, smallest):
    assert permutation_p(A[:seeds], A[:seeds] + 100 + np.arange(seeds)) == smallest


def test_many_seeds_are_sampled_and_never_give_zero():
    a = np.arange(30.0)
    assert 0 < permutation_p(a, a + 1) <= 2e-4
