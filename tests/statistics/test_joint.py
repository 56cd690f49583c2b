"""Many measures of a pair, many pairs: adjusted so that a single false "different" stays rare."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.statistics.joint import over_pairs, p_values, together
from harness.statistics.labels import holm
from harness.statistics.paired import magnitudes, permutation_p
from harness.statistics.pairwise import arrangements

SIGNS = arrangements(8)


def squares(differences):
    """Return statistics [M, A] of M measures of one pair from differences [M, 8]."""
    return np.stack([magnitudes(d, np.zeros(8), SIGNS) ** 2 for d in differences])


def test_a_p_value_alone_is_that_of_the_permutation_test():
    d = np.random.default_rng(0).standard_normal((3, 8)) + 0.5
    assert p_values(squares(d))[:, 0] == pytest.approx([permutation_p(each, np.zeros(8)) for each in d])
    assert together(squares(d[:1])) == pytest.approx(p_values(squares(d[:1]))[:, 0])


def test_measures_that_say_the_same_cost_nothing_and_the_floor_stays():
    d = np.tile(1.0 + np.arange(8) / 10, (9, 1))
    assert together(squares(d)) == pytest.approx([2.0**-7] * 9)
    beside_noise = np.vstack([d[:1], np.random.default_rng(1).standard_normal((8, 8))])
    assert together(squares(beside_noise))[0] < 0.05 < 9 * 2.0**-7


def test_an_adjusted_p_value_is_never_smaller():
    found = squares(np.random.default_rng(2).standard_normal((6, 8)))
    assert (together(found) >= p_values(found)[:, 0] - 1e-12).all()


def test_what_never_varies_shows_nothing():
    assert together(np.zeros((2, 128))) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_false_alarms_among_all_measures_are_as_rare_as_promised(shared):
    random, alarms = np.random.default_rng(3), 0
    for _ in range(400):
        common = random.standard_normal(8)
        d = np.sqrt(shared) * common + np.sqrt(1 - shared) * random.standard_normal((5, 8))
        alarms += together(squares(d)).min() < 0.05
    assert alarms <= stats.binom.ppf(0.999, 400, 0.05)


def test_a_true_difference_beside_noise_does_not_make_the_noise_different():
    random, alarms = np.random.default_rng(4), 0
    for _ in range(400):
        d = random.standard_normal((4, 8))
        d[0] += 5
        alarms += together(squares(d))[1:].min() < 0.05
    assert alarms <= stats.binom.ppf(0.999, 400, 0.05)


def test_with_one_measure_a_pair_it_is_holm():
    p = [0.04, 0.01, 0.03, 0.005, 0.9, 0.01]
    assert over_pairs(p, range(6)) == pytest.approx(holm(p))
    assert over_pairs(p, ["one"] * 6) == p


def test_a_pair_counts_until_its_last_measure_is_settled():
    p, pairs = [0.001, 0.02, 0.004], ["ab", "ab", "ac"]
    assert over_pairs(p, pairs) == pytest.approx([0.002, 0.02, 0.008])
    assert over_pairs([], []) == []
