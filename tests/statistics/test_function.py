"""Distances between functions: brute force over pairs and examples, and the numbers they must have."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from harness.statistics.function import HELD, disagreement, error_kappa, rms_distance, root_jsd


def probabilities(random, networks=5, examples=40, classes=3):
    return random.dirichlet(np.full(classes, 0.5), (networks, examples)).astype(np.float32)


def one_hot(labels, classes):
    return np.eye(classes, dtype=np.float32)[labels]


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("classes", [2, 7])
def test_every_measure_is_the_one_worked_out_pair_by_pair(random, classes):
    """scipy's root divergence is the oracle of the second."""
    stack, targets = probabilities(random, classes=classes), random.integers(0, classes, 40)
    said = stack.argmax(2)
    found = disagreement(stack), root_jsd(stack), error_kappa(stack, targets)
    for a, b in product(range(5), repeat=2):
        differ = np.mean([said[a, n] != said[b, n] for n in range(40)])
        roots = [jensenshannon(*(stack[r, n].astype(float) for r in (a, b))) for n in range(40)]
        right = [said[r] == targets for r in (a, b)]
        p, q = (each.mean() for each in right)
        chance = p * q + (1 - p) * (1 - q)
        kappa = (np.mean(right[0] == right[1]) - chance) / (1 - chance)
        expected = differ, np.nanmean(roots), kappa
        assert [each[a, b] for each in found] == pytest.approx(expected, abs=2e-6)


def test_more_examples_than_are_held_at_a_time_give_the_mean_of_their_parts(random):
    stack, targets = probabilities(random, networks=3, examples=60_000), random.normal(size=(60_000, 3))
    assert stack.size > 2 * HELD
    half = 30_000
    parts = [root_jsd(stack[:, some]) for some in (slice(half), slice(half, None))]
    np.testing.assert_allclose(root_jsd(stack), np.mean(parts, axis=0), rtol=1e-12)
    expected = np.sqrt(np.mean(((stack[0] - stack[1]) / targets.std(0)) ** 2))
    assert rms_distance(stack, targets)[0, 1] == pytest.approx(expected)


def test_a_copy_is_no_distance_away_and_errs_alike(random):
    one = probabilities(random, networks=1)[0]
    stack, targets = np.stack([one, one.copy(), one]), random.integers(0, 3, 40)
    assert (disagreement(stack) == 0).all()
    assert np.abs(root_jsd(stack)).max() < 1e-7
    assert error_kappa(stack, targets) == pytest.approx(np.ones((3, 3)))


def test_certain_networks_that_differ_are_a_root_of_ln_2_apart():
    stack = np.stack([one_hot(np.full(9, k), 4) for k in range(4)])
    expected = np.sqrt(np.log(2)) * (1 - np.eye(4))
    np.testing.assert_allclose(root_jsd(stack), expected, atol=1e-12)
    np.testing.assert_allclose(disagreement(stack), 1 - np.eye(4))


def test_disagreement_lies_between_the_difference_and_the_sum_of_the_errors(random):
    targets = random.integers(0, 3, 500)
    labels = np.where(random.random((8, 500)) < np.linspace(0.05, 0.6, 8)[:, None], random.integers(0, 3, 500), targets)
    errors, found = (labels != targets).mean(1), disagreement(one_hot(labels, 3))
    off = ~np.eye(8, dtype=bool)
    assert (np.abs(errors[:, None] - errors) <= found + 1e-12)[off].all()
    assert (found <= errors[:, None] + errors + 1e-12)[off].all()


def test_errors_that_have_nothing_to_do_with_each_other_have_no_kappa(random):
    targets = random.integers(0, 2, 200_000)
    wrong = random.random((2, 200_000)) < [[0.1], [0.2]]
    assert abs(error_kappa(one_hot(targets ^ wrong, 2), targets)[0, 1]) < 0.01


def test_networks_that_err_on_other_examples_have_a_negative_kappa():
    targets = np.zeros(10, int)
    labels = np.zeros((2, 10), int)
    labels[0, :3], labels[1, 3:6] = 1, 1
    assert error_kappa(one_hot(labels, 2), targets)[0, 1] == pytest.approx((0.4 - 0.58) / 0.42)


def test_what_cannot_be_known_of_networks_that_never_err_is_nan():
    targets = np.arange(6) % 2
    stack = one_hot(np.stack([targets, targets, 1 - targets]), 2)
    assert np.isnan(error_kappa(stack, targets)[:2, :2]).all()
    assert error_kappa(stack, targets)[0, 2] == 0  # one always right and one always wrong: chance says as much


@pytest.mark.parametrize("values", [(), (3,)])
def test_values_are_compared_in_standard_deviations_of_their_targets(random, values):
    targets = random.normal(size=(50, *values)) * np.arange(1, 4)[: len(values) * 3 or 1].reshape(values or (1,))
    stack = random.normal(size=(4, 50, *values))
    found = rms_distance(stack, targets)
    for a, b in product(range(4), repeat=2):
        expected = np.sqrt(np.mean(((stack[a] - stack[b]) / targets.std(0)) ** 2))
        assert found[a, b] == pytest.approx(expected)
    np.testing.assert_allclose(rms_distance(stack * 10 + 3, targets * 10 + 7), found)  # in any unit


def test_to_say_the_mean_is_one_standard_deviation_from_being_right(random):
    targets = random.normal(size=30)
    assert rms_distance(np.stack([targets, np.full(30, targets.mean())]), targets)[0, 1] == pytest.approx(1)
    for constant in (1.0, 0.1, 1e-300, 1e300):  # the standard deviation of seven times 0.1 is 1e-17
        assert np.isnan(rms_distance(np.ones((2, 7)), np.full(7, constant))).all()


def test_numbers_so_far_apart_that_their_squares_would_cancel_are_told_apart(random):
    """The under-determined control compares solutions whose predictions agree to many digits."""
    targets = random.normal(size=30)
    stack = np.stack([targets + 1e6, targets + 1e6 + 1e-6])
    assert rms_distance(stack, targets)[0, 1] == pytest.approx(1e-6 / targets.std(), rel=1e-3)
