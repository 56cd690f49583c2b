"""Power beforehand: against the numbers of the protocol, and the estimator it simulates."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest

from harness.statistics import cloud
from harness.statistics.cloud import all_similar, log_rho_and_se, seeds_for_better
from harness.statistics.pairwise import jackknife


@pytest.mark.parametrize(("seeds", "expected"), [(4, 0.17), (5, 0.38), (6, 0.58), (8, 0.86), (10, 0.98)])
def test_two_identical_arms_one_measure(seeds, expected):
    assert all_similar(2, seeds, 1) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("seeds", "primaries", "expected"), [(8, 2, 0.43), (12, 2, 0.97), (8, 4, 0.18), (12, 4, 0.95)])
def test_three_identical_arms(seeds, primaries, expected):
    assert all_similar(3, seeds, primaries) == pytest.approx(expected, abs=0.06)


def test_two_seeds_show_nothing():
    assert all_similar(3, 2, 1) == 0.0


def test_the_many_at_once_are_the_same_as_one_by_one():
    points = np.random.default_rng(0).standard_normal((5, 2, 6, 3))
    far = np.linalg.norm(points[:, :, :, None, None] - points[:, None, None], axis=-1)  # [R, k, S, k, S]
    values, errors = log_rho_and_se(far[:, 0, :, 0], far[:, 1, :, 1], far[:, 0, :, 1])
    for one, value, se in zip(far, values, errors, strict=True):
        alone = jackknife(one[0, :, 0], one[1, :, 1], one[0, :, 1])
        assert (value, se) == pytest.approx((alone.value, alone.se))


def test_pairs_left_out_leave_the_estimator_that_of_the_verdict():
    points = np.random.default_rng(1).standard_normal((3, 2, 7, 3))
    far = np.linalg.norm(points[:, :, :, None, None] - points[:, None, None], axis=-1)
    apart = np.abs(np.arange(7)[:, None] - np.arange(7))
    near = np.minimum(apart, 7 - apart) <= 2
    values, errors = log_rho_and_se(*(each * near for each in (far[:, 0, :, 0], far[:, 1, :, 1], far[:, 0, :, 1])))
    for one, value, se in zip(far, values, errors, strict=True):
        blocks = (np.where(near, each, np.nan) for each in (one[0, :, 0], one[1, :, 1], one[0, :, 1]))
        alone = jackknife(*blocks)
        assert (value, se) == pytest.approx((alone.value, alone.se))


def test_fewer_pairs_show_less_and_a_laxer_test_more():
    shown = [all_similar(2, 8, 1, circle=circle) for circle in (1, 2, 3, 4)]
    assert shown == sorted(shown)
    assert shown[0] < shown[-1] - 0.2
    assert shown[-1] == all_similar(2, 8, 1) == all_similar(2, 8, 1, circle=9)
    assert all_similar(2, 8, 1, circle=0) == 0.0
    assert all_similar(2, 6, 1, alpha=0.01) < all_similar(2, 6, 1) < all_similar(2, 6, 1, alpha=0.2)


@pytest.mark.parametrize(("arms", "seeds", "circle"), [(2, 8, None), (3, 7, 2)])
def test_how_many_worlds_are_held_at_a_time_changes_no_number(monkeypatch, arms, seeds, circle):
    expected = all_similar(arms, seeds, 1, runs=501, circle=circle)
    for room in (1, 3 * (arms * seeds) ** 2):
        cloud._one_similar.cache_clear()
        monkeypatch.setattr(cloud, "ROOM", room)
        assert all_similar(arms, seeds, 1, runs=501, circle=circle) == expected
    cloud._one_similar.cache_clear()


def test_many_seeds_take_the_memory_of_few_worlds():
    """1,500 seeds took 16.8 GiB: the distances of 250 worlds of 3,000 networks."""
    tracemalloc.start()
    try:
        assert all_similar(2, 1500, 1, runs=1) == all_similar(2, 10**9, 1, runs=1) == 1.0
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((3, 8, -3), "primaries: must be a whole number, 0 or more, got -3"),
        ((0, 8, 1), "arms: must be a whole number, 1 or more, got 0"),
        ((2, -8, 1), "seeds: must be a whole number, 0 or more, got -8"),
        ((2, 8, 1, np.nan), "margin: must be a number, got nan"),
        ((2, 8, 1, 0.1, 0), "runs: must be a whole number from 1 to 1e+06, got 0"),
        ((2, 8, 1, 0.1, 10, 1.5), "alpha: must be a number above 0 and below 1, got 1.5"),
    ],
)
def test_what_no_design_has_is_refused(arguments, line):
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        all_similar(*arguments)


def test_pairs_for_a_probability_are_those_of_noether():
    assert seeds_for_better() == 29  # 28.86
    assert seeds_for_better(0.9) < 29 < seeds_for_better(0.6)
