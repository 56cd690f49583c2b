"""The difference of two means of seeds: right against scipy and in any unit, NaN for NaN, and no proof from equal seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.statistics.two_means import by_pairs, welch

UNITS = (2.0**-900, 2.0**-500, 2.0**500, 2.0**900)
RANDOM = np.random.default_rng(0)
ONE, OTHER = RANDOM.normal(3, 1, 7), RANDOM.normal(3.4, 2, 7)


def test_the_difference_of_two_runs_is_scipys_t_test():
    for found, test in ((by_pairs(ONE, OTHER), stats.ttest_rel(OTHER, ONE)),
                        (welch(ONE, OTHER[:5]), stats.ttest_ind(OTHER[:5], ONE, equal_var=False))):  # fmt: skip
        low, high = test.confidence_interval(0.95)
        assert (found.low, found.high, found.p) == pytest.approx((low, high, test.pvalue), rel=1e-9)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("compare", [by_pairs, welch])
def test_the_difference_of_two_runs_is_in_their_unit(compare, unit):
    expected, found = compare(ONE, OTHER), compare(ONE * unit, OTHER * unit)
    assert (found.value / unit, found.low / unit, found.high / unit, found.p) == pytest.approx(
        (expected.value, expected.low, expected.high, expected.p), rel=1e-9
    )


def test_one_seed_says_nothing_and_equal_seeds_are_no_chance():
    assert math.isnan(welch([1.0], [2.0, 3.0]).p)
    assert welch([1.0, 1.0], [1.0, 1.0]).p == 1
    assert welch([1.0, 1.0], [2.0, 2.0]).p == pytest.approx(2 / 6)  # of the orders of four seeds: no proof
    assert by_pairs([1.0, 1.0], [2.0, 2.0]).p == 0.5
    assert math.isnan(by_pairs([1.0, 1.0], [2.0, 2.0]).low)
    assert by_pairs([1.0, 2.0], [1.0, 2.0]).p == 1
