"""The levels of the looks: against the published ones, and what they must keep."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from harness.statistics.looks import levels


def test_the_levels_are_the_published_ones():
    assert [round(level, 4) for level in levels([6, 9, 12, 16, 24], 0.05)] == [0.0063, 0.0052, 0.0062, 0.0095, 0.0228]


@pytest.mark.parametrize("looks", [[6], [3, 4], [6, 9, 12, 16, 24], list(range(1, 101))])
def test_they_sum_to_alpha_and_none_is_free(looks):
    found = levels(looks, 0.1)
    assert sum(found) == pytest.approx(0.1, rel=1e-12)
    assert min(found) > 0
    assert len(found) == len(looks)


def test_a_single_look_has_all_of_it():
    assert levels([6]) == [0.05]


def test_looking_often_is_wrong_no_more_often_than_looking_once():
    """20,000 comparisons on the margin: without levels .05 at each look would make .13 of them."""
    looks, random = [6, 9, 12, 16, 24], np.random.default_rng(0)
    numbers = random.standard_normal((20_000, 24))
    wrong, unadjusted = np.zeros(20_000, dtype=bool), np.zeros(20_000, dtype=bool)
    for look, level in zip(looks, levels(looks), strict=True):
        p = stats.ttest_1samp(numbers[:, :look], 0.0, axis=1, alternative="greater").pvalue
        wrong |= p < level
        unadjusted |= p < 0.05
    assert wrong.mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 20_000)
    assert unadjusted.mean() > 0.1


@pytest.mark.parametrize(
    ("looks", "line"),
    [
        ([9, 6], "looks: must be numbers of replicates that rise, got [9, 6]"),
        ([6, 6], "looks: must be numbers of replicates that rise, got [6, 6]"),
        ([], "looks: must be 1 or more numbers of replicates, got 0"),
        ([0, 6], "looks: must be a whole number from 1 to 10000, got 0"),
    ],
)
def test_what_are_no_looks_is_refused(looks, line):
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        levels(looks)
