"""How often the rules say which word, on comparisons whose truth is known: drawn from arrays, judged by our own analyses.

``benchmarks/science/operating_characteristics.py`` has the same with more worlds; docs/findings.md has its figures.
"""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from harness.statistics.power import supported
from harness.verdict.power import measured_scatters

LOOKS = (6, 9, 12, 16, 24)
MARGIN = 0.005
WORLDS = 30  # of which a word with a probability of 5 % has at most 6, but once in a thousand tries


@pytest.fixture(scope="module")
def science(repository):
    """Return the module that draws comparisons."""
    spec = importlib.util.spec_from_file_location("_worlds", repository / "benchmarks" / "science" / "_worlds.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def accuracy_words(science):
    """Return a function to the counts of words on so many comparisons of three arms by their accuracy, drawn once each."""

    @cache
    def count(worlds, scatter, looks=LOOKS, ahead=(), wider=1.0, margin=MARGIN):
        random, rules = np.random.default_rng(0), science.Rules(looks, science.ACCURACY_ALONE, {"accuracy": margin})
        return Counter(science.word_on_accuracy(random, scatter, rules, ahead, wider) for _ in range(worlds))

    return count


@pytest.fixture(scope="module")
def facet_words(science):
    """Return a function to the words of every facet on so many comparisons by one look at six replicates."""

    def collect(worlds, drawn, change=lambda world: world):
        random = np.random.default_rng(0)
        return [science.words(change(drawn.draw(random)), science.Rules()) for _ in range(worlds)]

    return collect


def at_most(part, worlds):
    """Return how many of so many worlds a word may have whose probability is at most ``part``."""
    return stats.binom.ppf(0.999, worlds, part)


# --- the table


@pytest.mark.parametrize(("searches", "similar", "different_at_twice"), [(0.003, 0.91, 0.98), (0.005, 0.32, 0.82)])
def test_the_looks_have_the_published_operating_characteristics(
    science, accuracy_words, searches, similar, different_at_twice
):
    worlds, scatter = WORLDS, science.Accuracy(searches)
    equal, twice = accuracy_words(worlds, scatter), accuracy_words(worlds, scatter, ahead=(2 * MARGIN,))
    assert equal["different"] <= at_most(0.005, worlds)
    for count, probability in ((equal["similar"], similar), (twice["different"], different_at_twice)):
        assert stats.binom.ppf(0.001, worlds, probability) <= count <= stats.binom.ppf(0.999, worlds, probability)


@pytest.mark.parametrize(("searches", "similar"), [(0.003, 0.88), (0.005, 0.39)])
def test_one_look_with_a_margin_of_a_point_has_the_published_ones(science, accuracy_words, searches, similar):
    worlds = 2 * WORLDS
    equal = accuracy_words(worlds, science.Accuracy(searches), looks=(6,), margin=0.01)
    assert equal["different"] <= at_most(0.005, worlds)
    assert stats.binom.ppf(0.001, worlds, similar) <= equal["similar"] <= stats.binom.ppf(0.999, worlds, similar)


# --- on the margin


@pytest.mark.parametrize(("shape", "wider"), [("normal", 1.0), ("t3", 1.0), ("skewed", 1.0), ("normal", 3.0)])
def test_on_the_margin_either_word_is_rare(science, accuracy_words, shape, wider):
    worlds = WORLDS
    found = accuracy_words(worlds, science.Accuracy(0.003, shape=shape), ahead=(MARGIN,), wider=wider)
    assert found["similar"] <= at_most(0.05, worlds)
    assert found["different"] <= at_most(0.05, worlds)


@pytest.mark.parametrize("ahead", [1.0, 1.5])
def test_two_repeats_hardly_ever_contradict_each_other(science, accuracy_words, ahead):
    """Every pair of worlds is a pair of repeats, so 30 worlds are 435 of them."""
    worlds = WORLDS
    found = accuracy_words(worlds, science.Accuracy(0.003), ahead=(ahead * MARGIN,), wider=1.0)
    assert 2 * found["similar"] * found["different"] / (worlds * (worlds - 1)) <= 0.01
    assert found["similar"] + found["different"] > 0 or ahead == 1.0


# --- controls


def test_one_optimizer_as_three_arms_is_nowhere_different_and_as_often_supported_as_was_announced(science):
    """Each arm has searches of its own, which move its networks half as much as another seed does."""
    worlds, random, rules = 24, np.random.default_rng(0), science.Rules()
    found = [science.course_of(science.Everything().draw(random), rules) for _ in range(worlds)]
    words = [{facet: course.word(facet) for facet in science.FACETS} for course in found]
    assert sum("different" in each.values() for each in words) <= at_most(0.05, worlds)
    share = sum(set(each.values()) == {"similar"} for each in words) / worlds
    long = science.course_of(science.Everything(replicates=24).draw(random), science.Rules((24,)))
    announced = supported(measured_scatters(long.last), 3, rules.looks).supported
    assert 0.1 < share < 0.9
    assert announced == pytest.approx(share, abs=0.05 + 2 * np.sqrt(share * (1 - share) / worlds))


def test_what_the_arms_of_one_replicate_share_is_in_the_announced_power(science):
    """A start is a sixth of where a network ends, and all arms have the same starts. What is measured follows from places."""
    drawn = science.Everything(replicates=24).draw(np.random.default_rng(1))
    scatters = measured_scatters(science.course_of(drawn, science.Rules((24,))).last)
    found = [scatters[facet].point_correlation for facet in ("function", "representation", "connectivity")]
    assert found == pytest.approx([1 / 6] * 3, abs=0.08)
    function = scatters["function"]
    kinds = (function, replace(function, point_correlation=0.0))
    announced, less = (supported({"function": scatter}, 3, [6]).supported for scatter in kinds)
    assert less < announced - 0.04


@pytest.mark.parametrize("facet", ["function", "representation"])
def test_an_arm_that_scatters_twice_as_widely_is_not_similar(science, facet_words, facet):
    found = facet_words(3, science.Everything(wider={facet: 2.0}))
    assert not [words for words in found if words[facet] == "similar"]
    assert not [words for words in found if words["statement"] == "supported"]


def test_half_of_an_arms_seeds_lost_is_not_similar_in_anything(science, facet_words):
    lost = np.zeros((3, 6, 2), dtype=bool)
    lost[1, :, 1] = True
    found = facet_words(3, science.Everything(), lambda world: replace(world, lost=lost))
    assert not [words for words in found if "similar" in words.values()]


def test_hotter_logits_of_equal_accuracy_do_not_refute(science, facet_words):
    """The raw test loss of one arm is more than 1.25 times as large, and its answers are the same."""
    drawn = science.Everything(hotter=2.5)
    losses = drawn.draw(np.random.default_rng(0)).numbers["test_loss"].mean(axis=(1, 2))
    assert losses[-1] > 1.25 * losses[0]
    found = facet_words(3, drawn)
    assert not [words for words in found if words["loss"] == "different" or words["statement"] == "refuted"]


def test_networks_that_are_all_45_percent_apart_are_not_connected(science, facet_words):
    found = facet_words(3, science.Everything(barrier=0.45))
    assert {words["connectivity"] for words in found} == {"not connected"}
    assert not [words for words in found if words["statement"] == "supported"]


def test_an_arm_whose_objective_still_falls_by_a_fifth_fails_the_gate(science, facet_words):
    restarted = np.array([1.0, 0.8, 1.0])
    (words,) = facet_words(1, science.Everything(), lambda world: replace(world, restarted=restarted))
    assert {words[facet] for facet in ("function", "representation", "connectivity", "geometry")} == {"inconclusive"}


def test_one_arm_far_away_is_different_everywhere(science, facet_words):
    """As label noise makes an arm: every facet has the power to say so."""
    away = {"loss": -30.0, "function": 60.0, "representation": 60.0, "connectivity": 60.0, "geometry": 60.0}
    (words,) = facet_words(1, science.Everything(away=away))
    assert set(words.values()) == {"different", "refuted"}
