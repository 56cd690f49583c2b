"""The words: each is said when it may be, and no other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from harness.statistics import paired
from harness.statistics.labels import (
    Judged,
    Margin,
    holm,
    judge,
    overall,
    replicates_needed,
    together,
)
from harness.statistics.pairwise import Estimate

RATIO = Margin(math.log(1.10), two_sided=False)


def at(value, half, replicates=8):
    return Estimate(value, value - half, value + half, half / 1.9, replicates)


@pytest.mark.parametrize(
    ("estimate", "p_same", "p_different", "expected"),
    [
        (at(0.0, 0.05), 0.01, 0.99, Judged("similar", "")),
        (at(0.04, 0.02), 0.01, 0.98, Judged("similar", "detectable, negligible")),
        (at(0.5, 0.1), 1.0, 0.01, Judged("different", "")),
        (at(0.5, 0.1), 1.0, 0.2, Judged("inconclusive", "detectable, size unresolved")),
        (at(0.1, 0.1), 0.5, 0.5, Judged("inconclusive", "")),
        (at(-0.5, 0.1), 0.01, 1.0, Judged("similar", "")),  # closer to each other than to themselves is not far
        (at(0.5, 0.1), math.nan, math.nan, Judged("inconclusive", "detectable, size unresolved")),
    ],
)
def test_a_pair_gets_the_label_of_the_table(estimate, p_same, p_different, expected):
    assert judge(estimate, RATIO, p_same, p_different) == expected


def test_a_look_has_a_level_of_its_own():
    assert judge(at(0.5, 0.1), RATIO, 1.0, 0.01, level=0.0063).label == "inconclusive"
    assert judge(at(0.0, 0.05), RATIO, 0.01, 1.0, level=0.0063).label == "inconclusive"
    assert judge(at(0.5, 0.1), RATIO, 1.0, 0.006, level=0.0063).label == "different"


@pytest.mark.parametrize("p_names", [0.06, math.nan])
def test_distances_are_different_only_where_the_names_matter_too(p_names):
    assert judge(at(0.5, 0.1), RATIO, 1.0, 0.001, p_names=0.04).label == "different"
    assert judge(at(0.5, 0.1), RATIO, 1.0, 0.001, p_names=p_names).label == "inconclusive"


def test_a_negligible_distance_is_similar_whatever_its_ratio():
    assert judge(at(2.0, 0.1), RATIO, 1.0, 0.01, negligible=True) == Judged("similar", "detectable, negligible")


def test_a_two_sided_margin_has_two_outsides():
    margin = Margin(0.5, two_sided=True)
    assert judge(at(-2.0, 0.1), margin, 1.0, 0.01).label == "different"
    assert judge(at(2.0, 0.1), margin, 1.0, 0.01).label == "different"


def test_holm_is_that_of_statsmodels():
    p = [0.04, 0.01, 0.03, 0.005, 0.9, 0.01]
    assert holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))
    assert holm([]) == []


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["similar", "similar"], "similar"),
        (["similar", "inconclusive"], "inconclusive"),
        (["inconclusive", "different"], "different"),
        ([], "inconclusive"),
    ],
)
def test_a_facet_is_as_strong_as_its_weakest_pair(labels, expected):
    assert together(labels) == expected


@pytest.mark.parametrize(
    ("loss", "function", "geometry", "expected"),
    [
        ("similar", "similar", "similar", "supported"),
        ("similar", "different", "inconclusive", "value only"),
        ("different", "similar", "similar", "refuted"),
        ("similar", "similar", "inconclusive", "inconclusive"),
        ("inconclusive", "different", "similar", "inconclusive"),
    ],
)
def test_the_overall_statement(loss, function, geometry, expected):
    assert overall({"loss": loss, "function": function, "geometry": geometry}) == expected


def test_loss_alone_supports_nothing():
    assert overall({"loss": "similar"}) == "inconclusive"


def test_replicates_needed_are_enough_and_not_too_many():
    """Simulated: with that many replicates the equivalence test passes in about 80 % of the draws."""
    random = np.random.default_rng(0)
    margin, sd, replicates = Margin(1.0, two_sided=True), 2.0, 8
    estimate = Estimate(0.3, -2, 2, sd / math.sqrt(replicates), replicates)
    needed = replicates_needed(estimate, margin)
    draws = random.normal(0.3, sd, (1000, needed))
    passed = np.mean([paired.equivalence_p(paired.difference(d, np.zeros(needed)), 1.0) < 0.05 for d in draws])
    assert needed > replicates
    assert 0.72 < passed < 0.88


def test_beyond_the_margin_they_are_those_of_the_minimum_effect_test_after_holm():
    random = np.random.default_rng(1)
    estimate = Estimate(1.5, 0.0, 3.0, 1.0 / math.sqrt(6), 6)
    needed = replicates_needed(estimate, Margin(1.0, two_sided=True), comparisons=3, level=0.02)
    draws = random.normal(1.5, 1.0, (1000, needed))
    found = [3 * paired.minimum_effect_p(paired.difference(d, np.zeros(needed)), 1.0) < 0.02 for d in draws]
    assert 0.72 < np.mean(found) < 0.88
    assert needed > replicates_needed(estimate, Margin(1.0, two_sided=True), level=0.02)


def test_on_the_margin_no_number_of_replicates_is_promised():
    assert replicates_needed(Estimate(RATIO.size, 0, 1, 0.1, 8), RATIO) is None
    assert replicates_needed(Estimate(0.0, -math.inf, math.inf, math.nan, 2), RATIO) is None
