"""What analyses compute themselves: right in any unit, NaN for NaN, against scipy."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats

from harness.statistics.crossed import over_both, over_seeds
from harness.statistics.labels import Margin
from harness.verdict.paired_numbers import PairedNumbers
from harness.verdict.score_alarms import t_statistic
from harness.verdict.secondary import probability_of_better

UNITS = (2.0**-900, 2.0**-500, 2.0**500, 2.0**900)
RANDOM = np.random.default_rng(0)
ONE, OTHER = RANDOM.normal(3, 1, 7), RANDOM.normal(3.4, 2, 7)
TABLE = RANDOM.normal(0.2, 1, (5, 12))


@pytest.mark.parametrize("unit", UNITS)
def test_the_error_over_seeds_and_examples_is_in_its_unit(unit):
    expected, found = over_both(TABLE), over_both(TABLE * unit)
    assert np.array(astuple(found)[:4]) / unit == pytest.approx(astuple(expected)[:4], rel=1e-9)
    assert found.df == pytest.approx(expected.df, rel=1e-9)
    assert over_seeds(list(ONE * unit)).se / unit == pytest.approx(stats.sem(ONE), rel=1e-9)
    assert t_statistic(list(ONE * unit)) == pytest.approx(ONE.mean() / stats.sem(ONE), rel=1e-9)


def test_a_nan_is_no_infinite_difference():
    assert math.isnan(t_statistic([0.1, math.nan, 0.2]))
    found = probability_of_better(np.array([0.1, math.nan, 0.3]), np.array([0.2, 0.2, 0.2]), "0" * 16, 0.05)
    assert np.isnan([found.value, found.low, found.high]).all()


@pytest.mark.parametrize("unit", [1.0, *UNITS])
def test_a_verdict_on_numbers_does_not_depend_on_their_unit(unit):
    """Losses of 1e-200 have squares that are no floating-point numbers."""
    a, b = ({r: (x * unit, x * unit) for r, x in enumerate(values)} for values in (ONE, OTHER + 2))
    compared = PairedNumbers(a, b)
    estimate, size = compared.estimate(0.05), abs((ONE - OTHER - 2).mean())
    same, beyond = (Margin(margin * unit, two_sided=True) for margin in (3.0, 1.0))
    se = stats.sem(ONE - OTHER)
    assert estimate.se / unit == pytest.approx(se, rel=1e-9)
    assert compared.equivalence_p(estimate, same) == pytest.approx(stats.t.sf((3 - size) / se, 6), rel=1e-9)
    tails = stats.t.sf(np.array([size - 1, size + 1]) / se, 6).sum()
    assert compared.minimum_effect_p(estimate, beyond) == pytest.approx(tails, rel=1e-9)
