"""How measures scatter, estimated from replicates: against a known truth and by hand."""

from __future__ import annotations

import re
from itertools import combinations

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


def between(points):
    """Return distances [P, R, R] between the points of every pair of arms."""
    return np.stack([np.linalg.norm(a[:, None] - b, axis=-1) for a, b in combinations(points, 2)])


@pytest.mark.parametrize("shared", [0.0, 0.2, 0.6, 1.0])
def test_what_arms_share_in_a_cloud_is_found(shared):
    """The networks' parts follow from the squares of their places, so they are as alike as the square of the points' part."""
    random = np.random.default_rng(8)
    common, own = (random.standard_normal((count, 80, 20)) for count in (1, 8))
    points = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
    within = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    found = distances_scatter(within[None], between(points)[None])
    assert found.point_correlation == pytest.approx(shared, abs=0.03)
    assert found.network_correlation == pytest.approx(shared**2, abs=0.1)
    alone = distances_scatter(within[None])
    assert (alone.network_correlation, alone.point_correlation) == (found.network_correlation, 0.0)


def test_parts_of_networks_that_arms_share_come_out_unbiased_of_few_replicates():
    random, products = np.random.default_rng(9), []
    for _ in range(400):
        common, own, rest = (random.normal(0, 0.3, shape) for shape in ((1, 6), (3, 6), (3, 6, 6)))
        parts = common + own
        distances = 5 + parts[:, :, None] + parts[:, None, :] + (rest + rest.swapaxes(1, 2)) / np.sqrt(2)
        distances[1, 2] = distances[1, :, 2] = np.nan  # a network that was lost
        found = distances_scatter(distances[None])
        products.append([found.networks[0] ** 2, found.network_correlation * found.networks[0] ** 2])
    assert np.mean(products, axis=0) == pytest.approx([0.18, 0.09], rel=0.1)


@pytest.mark.parametrize("replicates", [6, 100])
def test_where_only_distances_between_arms_are_known_they_are_split(replicates):
    """As of barriers along bent paths. The parts of both arms' networks are half alike."""
    random, found = np.random.default_rng(10), []
    for _ in range(600 // replicates):
        common, own = (random.normal(0, 0.3, (count, replicates)) for count in (1, 2))
        one, other = common + own
        rest = random.normal(0, 0.4, (replicates, replicates))
        across = (5 + one[:, None] + other + rest)[None, None]
        scatter = distances_scatter(np.full((1, 2, replicates, replicates), np.nan), across, between=1.0)
        networks = scatter.networks[0] ** 2
        found.append(
            [networks, scatter.pairs[0] ** 2, scatter.network_correlation * networks, scatter.point_correlation]
        )
    assert np.mean(found, axis=0) == pytest.approx([0.18, 0.16, 0.09, 0.0], rel=0.2)


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
            lambda: distances_scatter(np.ones((1, 3, 4, 4)), np.ones((1, 2, 4, 4))),
            "across: must be [1, 3, 4, 4], of all pairs of arms, got [1, 2, 4, 4]",
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
