"""The scatter between searches and between seeds: against scipy's analysis of variance and a known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.statistics.variance import components

NAN = math.nan


def test_they_are_those_of_scipys_analysis_of_variance():
    table = np.random.default_rng(0).normal(0, 1, (7, 3)) + np.arange(7)[:, None]
    found = components(table)
    within = table.var(axis=1, ddof=1).mean()
    assert found.seeds**2 == pytest.approx(within)
    ratio = stats.f_oneway(*table).statistic  # between over within
    assert found.searches**2 == pytest.approx((ratio - 1) * within / 3)


def test_they_are_unbiased_also_where_seeds_are_lost():
    random = np.random.default_rng(1)
    squares = []
    for _ in range(4000):
        table = random.normal(0, 2, (8, 1)) + random.normal(0, 1, (8, 2))
        table[[0, 3, 5], [1, 0, 1]] = NAN
        found = components(table)
        squares.append([found.searches**2, found.seeds**2])
    assert np.mean(squares, axis=0) == pytest.approx([4.0, 1.0], rel=0.05)


def test_a_search_that_was_lost_counts_for_nothing():
    table = [[1.0, 3.0], [5.0, 7.0], [9.0, 11.0]]
    assert components([*table, [NAN, NAN]]) == components(table)


def test_searches_that_scatter_less_than_seeds_explain_have_none():
    assert components([[0.0, 2.0], [0.0, 2.0], [0.0, 2.0]]).searches == 0.0


@pytest.mark.parametrize(("table", "seeds"), [([[1.0, 3.0]], 2**0.5), ([[1.0], [3.0]], NAN), ([[NAN, NAN]], NAN)])
def test_what_cannot_be_known_is_nan(table, seeds):
    found = components(table)
    assert math.isnan(found.searches)
    assert found.seeds == pytest.approx(seeds, nan_ok=True)
