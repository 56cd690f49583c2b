"""The three probabilities: against scipy, and against the tests that they stand beside."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.statistics import paired, pairwise
from harness.statistics.labels import Margin
from harness.statistics.pairwise import Estimate
from harness.statistics.posterior import Posterior, posterior

A, B = np.array([4.0, 7, 8, 6, 3, 2]), np.array([6.0, 8, 7, 10, 11, 9])


def test_it_is_students_t_around_the_estimate():
    estimate = paired.difference(A, B)
    t = stats.t(5, loc=estimate.value, scale=estimate.se)
    found = posterior(estimate, Margin(1.5, two_sided=True))
    assert found.within == pytest.approx(t.cdf(1.5) - t.cdf(-1.5))
    assert (found.above, found.below) == pytest.approx((t.sf(1.5), t.cdf(-1.5)))
    assert found.within + found.above + found.below == pytest.approx(1.0)


@pytest.mark.parametrize("value", [-0.2, 0.0, 0.05, 0.3])
def test_under_a_margin_of_one_side_it_is_what_the_p_values_say(value):
    estimate = Estimate(value, -1, 1, 0.1, 9)
    found = posterior(estimate, Margin(0.1, two_sided=False))
    assert found.above == pytest.approx(pairwise.equivalence_p(estimate, 0.1))
    assert found.within == pytest.approx(pairwise.minimum_effect_p(estimate, 0.1))
    assert found.below == 0.0


@pytest.mark.parametrize(("value", "expected"), [(0.0, (1, 0, 0)), (0.3, (0, 1, 0)), (-0.3, (0, 0, 1))])
def test_what_does_not_scatter_is_certain(value, expected):
    assert posterior(Estimate(value, value, value, 0.0, 6), Margin(0.1, two_sided=True)) == Posterior(*expected)


def test_without_a_standard_error_nothing_is_known():
    found = posterior(Estimate(0.1, -math.inf, math.inf, math.nan, 2), Margin(0.1, two_sided=True))
    assert math.isnan(found.within + found.above + found.below)
