"""The words of several workloads together, in made-up worlds of which the truth is known."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats

from harness.verdict.pooling import AGREEMENT, PREDICTION, agreed, effects_of, pool
from harness.verdict.protocol import FACETS
from harness.verdict.reading import NetworkVerdict, ProtocolVerdict

SCALES = {
    "accuracy": ("loss", "difference", 0.005),
    "test_loss": ("loss", "log ratio", math.log(1.1)),
    "disagreement": ("function", "log rho", math.log(1.1)),
    "prediction_distance": ("function", "log rho", math.log(1.1)),
    "cka_within_penultimate": ("representation", "log rho", math.log(1.1)),
    "procrustes_within_penultimate": ("representation", "log rho", math.log(1.1)),
    "sharpness_001": ("geometry", "log ratio", math.log(1.25)),
    "sharpness_005": ("geometry", "log ratio", math.log(1.25)),
    "barrier": ("connectivity", "barrier", 0.02),
    "excess_barrier": ("connectivity", "excess", 0.02),
}
REPLICATES = 6


def row(measure, effect, se, arms=("sgd", "adam"), network="net", **more):
    """Return a row of the table ``facets``: an effect in margins, with the word that its interval gives it."""
    facet, scale, margin = SCALES[measure]
    size = abs(effect) if scale in ("difference", "log ratio") else effect
    within = stats.t.sf((1 - size) / se, REPLICATES - 1) < 0.05
    beyond = stats.t.sf((size - 1) / se, REPLICATES - 1) < 0.05
    word = "similar" if within else "different" if beyond else "inconclusive"
    one, other = (f"{network}/{arm}/cosine" for arm in arms)
    about = {"facet": facet, "measure": measure, "scale": scale, "margin": margin, "arm": one, "other": other}
    numbers = {"estimate": effect * margin, "se": se * margin, "below_floor": False, "barred": False, "label": word}
    return {**about, **numbers, "primary": True, "pair": "arms", **more}


def verdict(*rows, statement="inconclusive", **words):
    """Return a standing verdict with these rows of pairs; a facet has the word of its first row unless it is given."""
    of_facets = {}
    for each in rows:
        of_facets.setdefault(each["facet"], each["label"])
    pooled = {"statement": statement, **dict.fromkeys(FACETS, "not measured"), **of_facets, **words}
    networks = {}
    for each in rows:
        networks.setdefault(each["arm"].split("/")[0], []).append(each)
    parts = [
        NetworkVerdict({**pooled, "network": name, "doubts": ""}, tuple(group)) for name, group in networks.items()
    ]
    return ProtocolVerdict("hash", pooled, tuple(parts))


def world(seed, truths, tau=0.1, se=0.15, workloads=6):
    """Return verdicts of workloads: true effects around ``truths`` by measure, with tau between workloads."""
    random = np.random.default_rng(seed)
    verdicts = {}
    for number in range(workloads):
        rows = []
        for measure, truth in truths.items():
            true = truth + tau * random.standard_normal()
            estimated = se * math.sqrt(random.chisquare(REPLICATES - 1) / (REPLICATES - 1))
            rows.append(row(measure, true + se * random.standard_normal(), estimated))
        verdicts[f"w{number}"] = verdict(*rows)
    return verdicts


def first_numbers(verdicts):
    """Return the pooled numbers of the first pair and measure."""
    return astuple(pool(verdicts, 0.05).together[0].pooled)


def test_six_workloads_whose_arms_are_alike_are_similar_and_those_apart_are_different():
    same = pool(world(0, {"accuracy": 0.0, "disagreement": 0.1}), 0.05)
    assert (same.words["loss"], same.words["function"]) == ("similar", "similar")
    assert same.rests_on["loss"] == PREDICTION
    apart = pool(world(0, {"accuracy": 0.0, "disagreement": 3.0}), 0.05)
    assert (apart.words["loss"], apart.words["function"]) == ("similar", "different")
    assert apart.statement == "value only"
    assert pool(world(0, {"accuracy": 4.0, "disagreement": 3.0}), 0.05).statement == "refuted"


def test_workloads_that_contradict_each_other_leave_no_word_although_their_mean_is_nought():
    pooled = pool(world(1, {"accuracy": 0.0}, tau=4.0), 0.05)
    (entry,) = pooled.together
    assert pooled.words["loss"] == "inconclusive"
    assert entry.pooled.tau > 1


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0])
def test_on_the_margin_either_word_comes_in_at_most_one_world_of_twenty(tau):
    """The truth of the *next* workload is then beyond the margin in half of the cases; 200 worlds."""
    words = [pool(world(seed, {"accuracy": 1.0}, tau=tau), 0.05).words["loss"] for seed in range(200)]
    assert words.count("similar") <= 0.08 * 200
    assert words.count("different") <= 0.08 * 200


def test_the_pair_and_the_direction_are_the_same_however_a_workload_orders_its_arms():
    verdicts = world(2, {"accuracy": 2.5})
    turned = dict(verdicts)
    for name in ("w1", "w4"):
        (each,) = verdicts[name].networks[0].facets
        turned[name] = verdict(row("accuracy", -each["estimate"] / 0.005, each["se"] / 0.005, ("adam", "sgd")))
    assert first_numbers(turned) == pytest.approx(first_numbers(verdicts))


def test_the_test_loss_of_a_regression_stands_for_the_accuracy_with_its_sign_turned():
    verdicts = world(3, {"accuracy": 0.8})
    (each,) = verdicts["w5"].networks[0].facets
    mixed = verdicts | {"w5": verdict(row("test_loss", -each["estimate"] / 0.005, each["se"] / 0.005))}
    (entry,) = pool(mixed, 0.05).together
    assert (entry.role, entry.workloads) == ("test score", 6)
    assert first_numbers(mixed) == pytest.approx(first_numbers(verdicts))


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        (["similar"] * 4, "similar"),
        (["different"] * 2, "different"),
        (["similar", "similar", "different"], "mixed"),
        (["similar", "inconclusive"], "mixed"),
        (["similar", "not measured", "not applicable"], "similar"),
        (["not measured"], "not measured"),
        (["not measured", "not applicable"], "not measured"),
        (["not applicable"] * 2, "not applicable"),
        ([], "not measured"),
    ],
)
def test_below_five_workloads_a_word_is_theirs_where_they_agree(labels, word):
    verdicts = {
        f"w{number}": verdict(row("accuracy", 0.1, 0.1, label=label), statement="supported")
        for number, label in enumerate(labels)
    }
    pooled = pool(verdicts, 0.05)
    assert (pooled.words["loss"], pooled.rests_on["loss"]) == (word, AGREEMENT)
    assert agreed(labels) == word
    assert pooled.statement == ("supported" if labels else "not measured")


def test_what_is_barred_or_not_known_is_not_pooled_and_below_the_floor_is_similar():
    verdicts = world(4, {"disagreement": 0.1})
    barred = verdicts | {"w0": verdict(row("disagreement", 50.0, 0.1, barred=True))}
    (entry,) = pool(barred, 0.05).together
    assert (entry.workloads, entry.word) == (5, "similar")
    unknown = verdicts | {"w0": verdict(row("disagreement", math.nan, math.nan, label="not measured"))}
    assert pool(unknown, 0.05).together[0].workloads == 5
    floor = verdicts | {"w0": verdict(row("disagreement", 50.0, 0.1, below_floor=True, label="similar"))}
    assert pool(floor, 0.05).words["function"] == "similar"
    both = floor | {"w1": barred["w0"]}
    (entry,) = pool(both, 0.05).together
    assert entry.pooled is None  # four are left


def test_several_networks_of_a_workload_are_one_effect_with_their_mean_error():
    verdicts = world(5, {"accuracy": 0.2})
    two = verdict(row("accuracy", 0.1, 0.1, network="a"), row("accuracy", 0.5, 0.3, network="b"))
    (entry,) = pool(verdicts | {"w0": two}, 0.05).together
    assert entry.workloads == 6
    assert [(e.value, e.se) for e in entry.pooled_effects if e.workload == "w0"] == [
        pytest.approx((-0.3, 0.2))
    ]  # adam less sgd
    assert len(effects_of("w0", two)) == 2


def test_a_barrier_that_is_too_high_everywhere_is_not_connected():
    truths = {"barrier": 20.0, "excess_barrier": 0.0}
    pooled = pool(world(6, truths), 0.05)
    assert pooled.words["connectivity"] == "not connected"
    assert pool(world(6, {"barrier": 0.1, "excess_barrier": 0.0}), 0.05).words["connectivity"] == "similar"
    assert pool(world(6, {"barrier": 20.0, "excess_barrier": 9.0}), 0.05).words["connectivity"] == "different"


def test_measures_that_contradict_each_other_leave_no_word():
    truths = {"cka_within_penultimate": 4.0, "procrustes_within_penultimate": 0.0}
    assert pool(world(9, truths), 0.05).words["representation"] == "inconclusive"
    assert pool(world(9, dict.fromkeys(truths, 4.0)), 0.05).words["representation"] == "different"
    assert pool(world(9, {"sharpness_001": 0.0, "sharpness_005": 4.0}), 0.05).words["geometry"] == "inconclusive"
    assert pool(world(9, {"sharpness_001": 4.0, "sharpness_005": 4.0}), 0.05).words["geometry"] == "different"


def test_a_barrier_that_is_only_an_upper_bound_is_not_pooled():
    verdicts = world(6, {"barrier": 20.0, "excess_barrier": 9.0})
    bounds = {
        name: verdict(*each.networks[0].facets, connectivity="upper bound only") for name, each in verdicts.items()
    }
    pooled = pool(bounds, 0.05)
    assert (pooled.words["connectivity"], pooled.rests_on["connectivity"]) == ("upper bound only", AGREEMENT)


def test_a_distance_may_be_below_its_margin_by_any_amount():
    assert pool(world(7, {"disagreement": -8.0}), 0.05).words["function"] == "similar"
    assert pool(world(7, {"accuracy": -8.0}), 0.05).words["loss"] == "different"


def test_many_pairs_are_adjusted_for_and_a_smaller_level_takes_a_word_back():
    verdicts = world(8, {"accuracy": 1.7})
    (alone,) = pool(verdicts, 0.05).together
    many = {}
    for name, each in verdicts.items():
        (first,) = each.networks[0].facets
        others = [row("accuracy", 0.0, 0.1, ("sgd", f"arm{number}")) for number in range(5)]
        many[name] = verdict(first, *others)
    first, *_ = pool(many, 0.05).together
    assert first.p_beyond == pytest.approx(min(1, 6 * alone.p_beyond))
    assert alone.word == "different"
    assert pool(verdicts, alone.p_beyond / 2).words["loss"] == "inconclusive"
