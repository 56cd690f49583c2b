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
    seeds_needed,
    together,
)
from harness.statistics.pairwise import Estimate

RATIO = Margin(math.log(1.10), two_sided=False)


def at(value, half, seeds=8):
    return Estimate(value, value - half, value + half, half / 1.9, seeds)


@pytest.mark.parametrize(
    ("estimate", "p_same", "p_different", "expected"),
    [
        (at(0.0, 0.05), 0.01, 0.5, Judged("similar", "")),
        (at(0.04, 0.02), 0.01, 0.01, Judged("similar", "detectable, negligible")),
        (at(0.5, 0.1), 1.0, 0.01, Judged("different", "")),
        (at(0.5, 0.1), 1.0, 0.2, Judged("inconclusive", "")),  # far, but so few seeds that chance may do it
        (at(0.1, 0.1), 0.5, 0.01, Judged("inconclusive", "detectable, size unresolved")),
        (at(0.1, 0.1), 0.5, 0.5, Judged("inconclusive", "")),
        (at(-0.5, 0.1), 0.01, 0.9, Judged("similar", "")),  # closer to each other than to themselves is not far
    ],
)
def test_a_pair_gets_the_label_of_the_table(estimate, p_same, p_different, expected):
    assert judge(estimate, RATIO, p_same, p_different) == expected


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


def test_seeds_needed_are_enough_and_not_too_many():
    """Simulated: with that many seeds the equivalence test passes in about 80 % of the draws."""
    random = np.random.default_rng(0)
    margin, sd, seeds = Margin(1.0, two_sided=True), 2.0, 8
    estimate = Estimate(0.3, -2, 2, sd / math.sqrt(seeds), seeds)
    needed = seeds_needed(estimate, margin)
    passed = np.mean(
        [
            paired.equivalence_p(paired.difference(random.normal(0.3, sd, needed), np.zeros(needed)), 1.0) < 0.05
            for _ in range(1000)
        ]
    )
    assert needed > seeds
    assert 0.72 < passed < 0.88


def test_seeds_needed_respect_the_permutation_floor():
    assert seeds_needed(Estimate(5.0, 4.9, 5.1, 0.01, 4), RATIO, comparisons=3) == 7
    assert seeds_needed(Estimate(5.0, 4.9, 5.1, 0.01, 4), RATIO, comparisons=1) == 6


def test_on_the_margin_no_number_of_seeds_is_promised():
    assert seeds_needed(Estimate(RATIO.size, 0, 1, 0.1, 8), RATIO) is None
    assert seeds_needed(Estimate(0.0, -math.inf, math.inf, math.nan, 2), RATIO) is None
