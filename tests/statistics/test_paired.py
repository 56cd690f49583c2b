"""One number per network: against statsmodels and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from harness.statistics.paired import (
    difference,
    equivalence_p,
    influence,
    minimum_effect_p,
    permutation_p,
    single_searches,
)
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
    pooled = Estimate(float(A.mean() - B.mean()), -np.inf, np.inf, se, replicates=11)
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


# --- beyond the margin


def test_beyond_a_margin_of_zero_it_is_students_two_sided_test():
    assert minimum_effect_p(difference(A, B), 0.0) == pytest.approx(stats.ttest_rel(A, B).pvalue, rel=1e-12)


@pytest.mark.parametrize("margin", [0.5, 1.0, 4.0])
def test_it_adds_the_tails_beyond_both_sides_of_the_margin(margin):
    near, far = (stats.ttest_1samp(B - A, side, alternative="greater").pvalue for side in (margin, -margin))
    assert minimum_effect_p(difference(A, B), margin) == pytest.approx(min(1.0, near + far), rel=1e-12)
    assert minimum_effect_p(difference(A, B), margin) == minimum_effect_p(difference(B, A), margin)


@pytest.mark.parametrize("spread", [0.3, 3.0])
@pytest.mark.parametrize("replicates", [4, 8])
def test_a_true_difference_on_the_margin_is_rarely_called_beyond_it(spread, replicates):
    """Also where the margin is narrow against the standard error: one tail alone would have nearly twice the level."""
    random = np.random.default_rng(1)
    draws = random.normal(1, spread, (2000, replicates))
    found = [minimum_effect_p(difference(d, np.zeros(replicates)), 1.0) < 0.05 for d in draws]
    assert np.mean(found) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 2000)


def test_it_is_below_alpha_only_where_the_interval_lies_beyond_the_margin():
    random = np.random.default_rng(2)
    for numbers in random.normal(1.5, 1.0, (200, 6)):
        estimate = difference(numbers, np.zeros(6))
        beyond = estimate.low > 1.0 or estimate.high < -1.0
        assert beyond or minimum_effect_p(estimate, 1.0) >= 0.05


def test_a_sure_difference_is_beyond_any_margin_below_it_and_an_unsure_one_beyond_none():
    assert minimum_effect_p(difference(A + 2, A), 1.9) == 0.0
    assert minimum_effect_p(difference(A + 2, A), 2.0) == 1.0
    assert minimum_effect_p(difference(A[:1], B[:1]), 0.1) == 1.0


# --- beside the word


def test_the_influence_of_each_replicate_is_the_mean_without_it():
    assert influence(A, B) == pytest.approx([np.mean(np.delete(A - B, r)) for r in range(6)])


def test_single_searches_are_counted_pair_by_pair():
    found = single_searches(A, B, 1.5)
    pairs = [b - a for a in A for b in B]  # b is ahead
    assert found.different == pytest.approx(np.mean([pair > 1.5 for pair in pairs]))
    assert found.reverse == pytest.approx(np.mean([pair < -1.5 for pair in pairs]))
    assert single_searches(B, A, 1.5) == found
