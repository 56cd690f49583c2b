"""All arms at once: against scikit-bio, and by counting."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from skbio import DistanceMatrix
from skbio.stats.distance import permanova as oracle

from harness.statistics.omnibus import permanova, permdisp


def clouds(random, arms=3, seeds=5, shift=0.0, scale=1.0):
    """Return distances [k, S, k, S] of points whose last arm is moved and scaled."""
    points = random.standard_normal((arms, seeds, 4))
    points[-1] = points[-1] * scale + shift
    return np.linalg.norm(points[:, :, None, None] - points[None, None], axis=-1), points


@pytest.mark.parametrize(("arms", "seeds", "shift"), [(2, 6, 0.0), (3, 5, 1.0), (4, 8, 0.3)])
def test_f_is_that_of_scikit_bio(arms, seeds, shift):
    distances, _ = clouds(np.random.default_rng(0), arms, seeds, shift)
    flat = distances.reshape(arms * seeds, -1)
    labels = np.repeat(np.arange(arms), seeds).astype(str)
    expected = oracle(DistanceMatrix((flat + flat.T) / 2), labels, permutations=0)["test statistic"]
    assert permanova(distances).f == pytest.approx(expected, rel=1e-9)


def test_the_p_value_counts_every_arrangement_within_seeds():
    distances, _ = clouds(np.random.default_rng(1), 3, 3, 0.8)
    flat = distances.reshape(9, 9) ** 2
    within = []
    for orders in product(permutations(range(3)), repeat=3):  # of all seeds, the first too: it must not matter
        groups = [[order[arm] * 3 + seed for seed, order in enumerate(orders)] for arm in range(3)]
        within.append(sum(flat[np.ix_(group, group)].sum() for group in groups))
    actual = sum(flat[np.ix_(g, g)].sum() for g in ([0, 1, 2], [3, 4, 5], [6, 7, 8]))
    assert permanova(distances).p == pytest.approx(np.mean(np.array(within) <= actual * (1 + 1e-12)))


def test_a_large_design_is_sampled_the_same_each_time():
    distances, _ = clouds(np.random.default_rng(2), 3, 9, 5.0)
    assert permanova(distances) == permanova(distances)
    assert 1e-4 <= permanova(distances).p < 1e-3


def test_effects_lie_where_they_should():
    far, _ = clouds(np.random.default_rng(3), 3, 6, 50.0)
    none, _ = clouds(np.random.default_rng(3), 3, 6, 0.0)
    assert permanova(far).r2 > 0.95 > 0.3 > permanova(none).r2
    assert abs(permanova(none).omega2) < 0.15
    assert permanova(np.zeros((3, 4, 3, 4))).p == 1.0


def test_spread_is_the_distance_to_the_centroid():
    distances, points = clouds(np.random.default_rng(4), 3, 5, 2.0, 3.0)
    spread = np.linalg.norm(points - points.mean(axis=1, keepdims=True), axis=-1)
    between = 5 * ((spread.mean(axis=1) - spread.mean()) ** 2).sum() / 2
    within = ((spread - spread.mean(axis=1, keepdims=True)) ** 2).sum() / 12
    assert permdisp(distances).f == pytest.approx(between / within)


def test_location_alone_is_not_spread():
    random = np.random.default_rng(5)
    moved = [permdisp(clouds(random, 2, 6, 10.0)[0]).p for _ in range(100)]
    wider = [permdisp(clouds(random, 2, 6, 0.0, 8.0)[0]).p for _ in range(100)]
    assert np.mean(np.array(moved) < 0.05) <= 0.1
    assert np.mean(np.array(wider) < 0.05) >= 0.6
