"""Distances between arms: against brute force, known answers and simulations with a known truth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.statistics.pairwise import (
    between,
    equivalence_p,
    excess,
    influence,
    jackknife,
    log_rho,
    log_scatter,
    minimum_effect_p,
)


def arms(random, seeds=6, shift=0.0, d=5, shared=0.0):
    """Return aa, bb, ab of two clouds of points, the second moved by ``shift`` along one axis."""
    start = random.standard_normal((seeds, d)) * shared
    a = start + random.standard_normal((seeds, d))
    b = start + random.standard_normal((seeds, d))
    b[:, 0] += shift
    return tuple(np.linalg.norm(p[:, None] - q[None], axis=-1) for p, q in ((a, a), (b, b), (a, b)))


def test_log_rho_uses_pairs_of_different_seeds_alone():
    aa, bb = np.array([[0.0, 2, 2], [2, 0, 2], [2, 2, 0]]), np.array([[0.0, 4, 4], [4, 0, 4], [4, 4, 0]])
    ab = np.full((3, 3), 6.0)
    np.fill_diagonal(ab, 0.001)  # networks of one seed are close for another reason
    assert log_rho(aa, bb, ab) == pytest.approx(np.log(6 / 3))
    assert excess(aa, bb, ab) == pytest.approx(3.0)
    assert np.isnan(log_rho(0 * aa, 0 * bb, ab))


def test_shared_starts_do_not_make_arms_look_close():
    random = np.random.default_rng(0)
    found = [log_rho(*arms(random, d=20, shared=2.0)) for _ in range(300)]
    assert abs(np.mean(found)) < 0.01


def test_the_jackknife_is_the_one_of_the_textbook():
    found = arms(np.random.default_rng(1))
    estimate = jackknife(*found)
    without = []
    for s in range(6):
        keep = [t for t in range(6) if t != s]
        aa, bb, ab = (m[np.ix_(keep, keep)] for m in found)
        pairs = list(combinations(range(5), 2))
        within = np.mean([aa[i, j] for i, j in pairs] + [bb[i, j] for i, j in pairs])
        between = np.mean([ab[i, j] for i, j in pairs] + [ab[j, i] for i, j in pairs])
        without.append(np.log(between / within))
    se = np.sqrt(5 / 6 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert estimate.se == pytest.approx(se, rel=1e-12)
    reach = stats.t.ppf(0.95, 5) * se
    assert (estimate.low, estimate.high) == pytest.approx((estimate.value - reach, estimate.value + reach))


def test_the_p_value_and_the_interval_of_equivalence_agree():
    estimate = jackknife(*arms(np.random.default_rng(2), shift=1.0))
    assert equivalence_p(estimate, estimate.high) == pytest.approx(0.05)
    assert equivalence_p(estimate, estimate.high + 1e-6) < 0.05 < equivalence_p(estimate, estimate.high - 1e-6)


@pytest.mark.parametrize(("seeds", "p"), [(1, np.nan), (2, 1.0)])
def test_too_few_seeds_know_no_interval(seeds, p):
    """One seed does not even have a value; a value without a standard error shows nothing."""
    estimate = jackknife(*arms(np.random.default_rng(3), seeds=seeds))
    assert (estimate.low, estimate.high) == (-np.inf, np.inf)
    assert equivalence_p(estimate, 10.0) == pytest.approx(p, nan_ok=True)


def test_false_equivalence_is_as_rare_as_promised():
    """At a true ratio on the margin itself no more than alpha of the simulations may say "similar"."""
    random = np.random.default_rng(8)
    wide = [log_rho(*arms(random, seeds=60, shift=1.5, d=20)) for _ in range(40)]
    margin = float(np.mean(wide))  # the true value, known to 0.001
    said = [equivalence_p(jackknife(*arms(random, seeds=8, shift=1.5, d=20)), margin) < 0.05 for _ in range(600)]
    assert np.mean(said) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 600)


def test_false_difference_is_as_rare_as_promised():
    """The same at the same margin for "different"."""
    random = np.random.default_rng(8)
    wide = [log_rho(*arms(random, seeds=60, shift=1.5, d=20)) for _ in range(40)]
    margin = float(np.mean(wide))
    called = [minimum_effect_p(jackknife(*arms(random, seeds=8, shift=1.5, d=20)), margin) < 0.05 for _ in range(600)]
    assert np.mean(called) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 600)


def test_the_p_value_and_the_interval_of_a_minimum_effect_agree():
    estimate = jackknife(*arms(np.random.default_rng(2), shift=3.0))
    assert minimum_effect_p(estimate, estimate.low) == pytest.approx(0.05)
    assert minimum_effect_p(estimate, estimate.value) == pytest.approx(0.5)
    assert minimum_effect_p(estimate, estimate.value - 0.1) == pytest.approx(
        1 - equivalence_p(estimate, estimate.value - 0.1)
    )


# --- how widely an arm scatters


def test_an_arm_that_scatters_twice_as_widely_has_twice_the_distances():
    aa, bb, ab = arms(np.random.default_rng(14))
    assert log_scatter(2 * aa, aa, ab) == pytest.approx(np.log(2))
    assert log_scatter(aa, bb, ab) == pytest.approx(-log_scatter(bb, aa, ab.T))
    assert np.isnan(log_scatter(aa, 0 * bb, ab))


def test_what_log_rho_hardly_sees_the_ratio_of_scatters_does():
    """Networks that lie 1.8 times as far out around one centre: rho is 1.04, well within its margin."""
    random = np.random.default_rng(15)
    rho, scatter = [], []
    for _ in range(60):
        points = random.standard_normal((2, 12, 20)) * np.array([1.8, 1.0])[:, None, None]
        blocks = [
            np.linalg.norm(p[:, None] - q[None], axis=-1)
            for p, q in ((points[i], points[j]) for i, j in ((0, 0), (1, 1), (0, 1)))
        ]
        rho.append(log_rho(*blocks))
        scatter.append(log_scatter(*blocks))
    assert np.exp(np.mean(rho)) == pytest.approx(np.sqrt((1 + 1.8**2) / 2) / 1.4, abs=0.01)
    assert np.exp(np.mean(scatter)) == pytest.approx(1.8, abs=0.05)


@pytest.mark.parametrize("statistic", [log_rho, log_scatter, excess, between])
def test_the_influence_of_each_replicate_is_the_statistic_without_it(statistic):
    found = arms(np.random.default_rng(16), seeds=5)
    without = []
    for r in range(5):
        rest = [s for s in range(5) if s != r]
        without.append(statistic(*(block[np.ix_(rest, rest)] for block in found)))
    assert influence(*found, statistic) == pytest.approx(without)
    assert np.isnan(influence(*(block[:2, :2] for block in found), statistic)).all()


# --- pairs that were not measured


def near(matrix, most):
    """Return the matrix with only those pairs of different seeds that are at most so far apart."""
    apart = np.abs(np.arange(len(matrix))[:, None] - np.arange(len(matrix)))
    return np.where((apart > 0) & (apart <= most), matrix, np.nan)


def test_only_what_was_measured_counts():
    aa, bb = (np.array([[0.0, v, np.nan], [v, 0, v], [np.nan, v, 0]]) for v in (2.0, 4.0))
    ab = np.array([[0.001, 6, np.nan], [6, 0.001, 6], [np.nan, 6, 0.001]])
    assert log_rho(aa, bb, ab) == pytest.approx(np.log(6 / 3))
    assert (excess(aa, bb, ab), between(aa, bb, ab)) == pytest.approx((3.0, 6.0))
    assert np.isnan(log_rho(aa * np.nan, bb, ab))


def test_all_pairs_of_different_seeds_are_the_whole_matrix():
    found = arms(np.random.default_rng(9), seeds=8, shift=1.0)
    whole = tuple(near(each, 7) for each in found)  # the diagonal is missing, and was never used
    assert jackknife(*whole) == jackknife(*found)


def test_the_near_pairs_are_unbiased_and_its_interval_holds_the_truth():
    random, held, values = np.random.default_rng(10), 0, []
    for _ in range(300):
        estimate = jackknife(*(near(each, 2) for each in arms(random, seeds=8, d=20, shared=1.0)))
        values.append(estimate.value)
        held += estimate.low <= 0 <= estimate.high
    assert abs(np.mean(values)) < 0.01
    assert held / 300 >= 0.86
