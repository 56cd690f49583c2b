"""Names permuted over all networks of two arms: against brute force, and simulations with a known truth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from harness.statistics.permuted import names_p


def arms(random, replicates=6, shift=0.0, d=5, shared=0.0):
    """Return aa, bb, ab of two clouds of points, the second moved by ``shift`` along one axis."""
    start = random.standard_normal((replicates, d)) * shared
    a = start + random.standard_normal((replicates, d))
    b = start + random.standard_normal((replicates, d))
    b[:, 0] += shift
    return tuple(np.linalg.norm(p[:, None] - q[None], axis=-1) for p, q in ((a, a), (b, b), (a, b)))


def by_brute_force(aa, bb, ab):
    """Return the p-value from all C(2R, R) ways of calling R networks "a", pair by pair."""
    replicates = len(ab)
    whole = np.block([[aa, ab], [ab.T, bb]])
    energies = []
    for named in combinations(range(2 * replicates), replicates):
        others = [i for i in range(2 * replicates) if i not in named]
        means = []
        for rows, columns in ((named, others), (named, named), (others, others)):
            pairs = [(i, j) for i in rows for j in columns if i % replicates != j % replicates]
            means.append(np.nanmean([whole[i, j] for i, j in pairs]))
        energies.append(2 * means[0] - means[1] - means[2])
    return np.mean(np.array(energies) >= energies[0] - 1e-12)  # the first arrangement is the actual one


@pytest.mark.parametrize("shift", [0.0, 1.5])
@pytest.mark.parametrize("replicates", [3, 4, 5])
def test_every_arrangement_is_counted(shift, replicates):
    found = arms(np.random.default_rng(replicates), replicates, shift)
    assert names_p(*found) == pytest.approx(by_brute_force(*found))


def test_distances_that_were_not_measured_take_no_part():
    found = [np.array(each) for each in arms(np.random.default_rng(1), 5, shift=1.0)]
    found[0][0, 1] = found[0][1, 0] = found[2][2, 3] = np.nan
    assert names_p(*found) == pytest.approx(by_brute_force(*found))


def test_distances_of_one_replicate_are_never_used():
    aa, bb, ab = arms(np.random.default_rng(2), shift=0.5)
    closer = ab - np.diag(np.diag(ab))
    assert names_p(aa, bb, closer) == names_p(aa, bb, ab + 100 * np.eye(6))


@pytest.mark.parametrize(("replicates", "smallest"), [(3, 2 / 20), (4, 2 / 70), (5, 2 / 252), (6, 2 / 924)])
def test_no_p_value_is_smaller_than_the_arrangements_allow(replicates, smallest):
    assert names_p(*arms(np.random.default_rng(3), replicates, shift=100.0)) == pytest.approx(smallest)


def test_five_replicates_can_show_a_difference_where_swaps_within_them_could_not():
    random = np.random.default_rng(4)
    p = [names_p(*arms(random, 5, shift=6.0, d=20, shared=1.0)) for _ in range(100)]
    assert np.mean(np.array(p) < 0.05) > 0.9


@pytest.mark.parametrize("shared", [0.0, 1.0])
@pytest.mark.parametrize("replicates", [5, 12])
def test_false_alarms_are_as_rare_as_promised(shared, replicates):
    """Also where the arms of a replicate share most of where they lie."""
    random = np.random.default_rng(5)
    p = np.array([names_p(*arms(random, replicates, shared=shared)) for _ in range(200)])
    assert np.mean(p < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_many_replicates_are_sampled_and_never_give_zero():
    found = arms(np.random.default_rng(6), 20, shift=100.0)
    assert 0 < names_p(*found) <= 2e-4
    assert names_p(*found) == names_p(*found)


def test_without_an_energy_there_is_no_difference():
    aa, bb, ab = arms(np.random.default_rng(7), shift=100.0)
    assert names_p(aa * np.nan, bb, ab) == 1.0
    assert names_p(aa[:1, :1], bb[:1, :1], ab[:1, :1]) == 1.0
