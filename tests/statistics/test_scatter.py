"""How measures scatter, estimated from replicates: against a known truth and by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from harness.statistics.scatter import cloud_parts, distances_scatter, numbers_scatter


def cloud(random, arms=3, replicates=24, d=20):
    """Return distances [k, R, R] within arms whose networks are points of a Gaussian cloud."""
    points = random.standard_normal((arms, replicates, d))
    return np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)


def test_the_covariance_is_half_of_that_of_differences():
    numbers = np.random.default_rng(0).standard_normal((2, 9, 3))
    expected = np.cov((numbers[0] - numbers[1]).T) / 2
    np.testing.assert_allclose(numbers_scatter(numbers, [1.0, 1.0, 1.0]).covariance, expected)


def test_of_several_arms_it_is_the_mean_over_their_pairs():
    numbers = np.random.default_rng(1).standard_normal((4, 9, 2))
    pairs = [np.cov((numbers[i] - numbers[j]).T) / 2 for i in range(4) for j in range(i)]
    np.testing.assert_allclose(numbers_scatter(numbers, [1.0, 1.0]).covariance, np.mean(pairs, axis=0))


def test_what_all_arms_share_and_where_they_lie_have_no_part_in_it():
    random = np.random.default_rng(2)
    numbers = random.standard_normal((3, 6, 2))
    moved = numbers + random.standard_normal((1, 6, 2)) + random.standard_normal((3, 1, 2))
    np.testing.assert_allclose(
        numbers_scatter(moved, [1.0, 1.0]).covariance, numbers_scatter(numbers, [1.0, 1.0]).covariance
    )


def test_means_are_those_of_all_arms_and_floors_are_kept():
    found = numbers_scatter([[[1.0, 5.0], [2.0, 5.0]], [[3.0, 7.0], [6.0, 7.0]]], [1.0, 1.0], [0.0, 0.5])
    assert (found.means, found.floors) == ((3.0, 6.0), (0.0, 0.5))


def test_a_replicate_with_a_missing_number_is_left_out():
    numbers = np.random.default_rng(3).standard_normal((2, 7, 2))
    without = np.delete(numbers, 4, axis=1)
    numbers[1, 4, 0] = np.nan
    assert numbers_scatter(numbers, [1.0, 1.0]) == numbers_scatter(without, [1.0, 1.0])


@pytest.mark.parametrize("d", [10, 20, 80])
def test_the_parts_of_a_cloud_are_those_of_theory(d):
    """A distance scatters by 1 / sqrt(2 d) of its mean: half of the variance is the pair's, a quarter each network's."""
    found = distances_scatter(cloud(np.random.default_rng(4), arms=30, d=d)[None])
    networks, pairs = cloud_parts(found.means[0] / np.sqrt(2 * d))
    assert (found.networks[0], found.pairs[0]) == pytest.approx((networks, pairs), rel=0.1)


def test_parts_that_were_put_in_come_out_unbiased_also_of_few_replicates():
    random, squares = np.random.default_rng(5), []
    for _ in range(300):
        parts, rest = random.normal(0, 0.3, (3, 6)), random.normal(0, 0.4, (3, 6, 6))
        distances = 5 + parts[:, :, None] + parts[:, None, :] + (rest + rest.swapaxes(1, 2)) / np.sqrt(2)
        distances[:, 0, 1] = distances[:, 1, 0] = np.nan
        found = distances_scatter(distances[None])
        squares.append([found.networks[0] ** 2, found.pairs[0] ** 2])
    assert np.mean(squares, axis=0) == pytest.approx([0.09, 0.16], rel=0.1)  # a negative estimate counts as 0


def test_measures_that_say_the_same_are_fully_correlated_and_others_are_not():
    one, other = (cloud(np.random.default_rng(seed)) for seed in (6, 7))
    assert distances_scatter(np.stack([one, 1.2 * one])).correlation == pytest.approx(1.0)
    assert distances_scatter(np.stack([one, other])).correlation < 0.15
    assert distances_scatter(one[None]).correlation == 1.0


def test_what_was_hardly_measured_is_not_known():
    distances = np.full((1, 1, 5, 5), np.nan)
    distances[0, 0, 0, 1] = 1.0
    assert np.isnan(distances_scatter(distances).pairs[0])


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            lambda: numbers_scatter(np.ones((1, 6, 2)), [1, 1]),
            "numbers: must be [k, R, M] of 2 arms and 2 replicates or more, got [1, 6, 2]",
        ),
        (
            lambda: distances_scatter(np.ones((1, 2, 3, 3))),
            "within: must be [M, k, R, R] of 4 replicates or more, got [1, 2, 3, 3]",
        ),
        (
            lambda: distances_scatter(np.ones((2, 2, 4, 4)), floors=[1.0]),
            "floors: must be 2, one for each measure, or none, got 1",
        ),
    ],
)
def test_too_little_is_refused(call, line):
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        call()
