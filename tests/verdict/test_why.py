"""Why a facet has no word: the table, its line and the reasons give the real reason, in the same words."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from harness.statistics.pairwise import Estimate
from harness.verdict import why
from harness.verdict.entries import Entry, PValues
from harness.verdict.lines import size_text
from harness.verdict.measures import MEASURES
from harness.verdict.reading import plain_verdict, read_verdicts
from harness.verdict.tables import facets, gate, verdict

THREE = ("sgd", "adam", "rmsprop")


def tables(records):
    return {module.ANALYSIS.name: module.compute(records) for module in (facets, gate, verdict)}


def told(records, facet):
    """Return what the JSON, the line and the first reason say of a facet, without what each puts before it."""
    plain = json.loads(json.dumps(plain_verdict(read_verdicts(records.meta, tables(records)))))
    (network,) = plain["networks"]
    line = next(line for line in network["lines"] if line.startswith(f"{facet}: "))
    reason = next(line for line in network["reasons"] if line.startswith(f"{facet}: "))
    return network["facets"][facet], line.partition("): ")[2], reason.removeprefix(f"{facet}: ")


def test_one_arm_of_three_that_is_not_at_a_minimum_is_the_reason_and_no_ratio_is(world):
    """The pair of the two other arms is judged; it was its ratio that was told before."""
    records = world(optimizers=THREE, replicates=12, restart_gain={"adam": 0.1}).records()
    pairs = facets.compute(records).query("facet == 'function' and measure == 'disagreement' and primary")
    assert list(pairs["label"]) == ["inconclusive", "similar", "inconclusive"]
    found, line, reason = told(records, "function")
    assert found["why"] == line == reason == "adam is not shown to be at a minimum"
    both = world(optimizers=THREE, replicates=12, restart_gain={"adam": 0.1, "sgd": 0.1}).records()
    assert told(both, "function")[1] == "sgd and adam are not shown to be at a minimum"


def test_a_search_in_doubt_is_the_reason_in_the_words_of_its_doubt(world):
    records = world(optimizers=THREE, replicates=12, alarming="adam").records()
    found, line, reason = told(records, "loss")
    assert found["why"] == line == reason == "adam may be badly tuned: its search still improved at the end"
    assert f"tuning: {line}" in tables(records)["verdict"].iloc[0]["doubts"].splitlines()


def test_lost_replicates_and_too_few_of_them_are_reasons(world):
    lost = world(replicates=12, lost={("adam", 1): "diverged", ("adam", 4): "diverged"}).records()
    assert told(lost, "function")[0]["why"] == "adam lost 2 of 12 replicates (2 diverged)"
    few = world(replicates=2, looks=(2,)).records()
    assert told(few, "loss")[0]["why"] == "fewer than 3 replicates"


def test_a_wide_interval_is_the_reason_beside_its_numbers(world):
    records = world(replicates=3, seed=3).records()
    wide = [facet for facet in ("loss", "function") if told_or_none(records, facet) == why.STRADDLES]
    assert wide
    for facet in wide:
        _, line, reason = told(records, facet)
        assert line.endswith(f"; {why.STRADDLES}")
        assert "P(within " in line
        assert reason.startswith(f"{why.STRADDLES}: ")


def told_or_none(records, facet):
    row = verdict.compute(records).iloc[0]
    return row[f"why_{facet}"] or None


def test_a_facet_that_was_not_measured_says_what_would_measure_it(world):
    records = world(replicates=12, probes=("representation",)).records()
    row = verdict.compute(records).iloc[0]
    assert row["geometry"] == "not measured"
    assert row["why_geometry"].startswith("add 'sharpness' to compare.probes: harness run ")
    assert f"geometry: not measured: {row['why_geometry']}" in row["lines"].splitlines()
    assert f"unmeasured: geometry was not measured: {row['why_geometry']}" in row["doubts"].splitlines()


def test_a_facet_with_a_word_has_no_reason(world):
    row = verdict.compute(world(replicates=12, shift={("adam", "function"): 6.0}).records()).iloc[0]
    for facet in ("loss", "function", "representation", "connectivity", "geometry"):
        assert (row[f"why_{facet}"] == "") == (row[facet] != "inconclusive")


def entry(world, measure, value, low, high, **p):
    from harness.verdict.course import courses_of
    from harness.verdict.protocol import registered_protocols

    records = world(replicates=12).records()
    (course,) = courses_of(records, registered_protocols(records.meta)[0])
    found = next(entry for entry in course.last.entries if entry.measure.name == measure)
    return replace(found, estimate=Estimate(value, low, high, 0.01, 12), p=PValues(**p), demotions={}, bars=())


@pytest.mark.parametrize(
    ("names", "text"), [(0.0, why.NOT_ADJUSTED), (0.2, why.NAMES_ALIKE)]
)  # fmt: skip
def test_an_interval_beyond_the_margin_is_not_said_to_reach_across_it(world, names, text):
    far = entry(world, "disagreement", 0.5, 0.3, 0.7, same={1.0: 1.0}, different_holm={1.0: 0.2}, names=names)
    assert far.judge_in_facet().label == "inconclusive"
    assert why._reason_of(far) == (text, True)


@pytest.mark.parametrize(
    ("measure", "value", "text"),
    [
        ("accuracy", 0.0, "{one} and {other} have the same test accuracy"),
        ("objective", 0.0, "{one} and {other} have the same objective"),
        ("train_loss", 3e-8, "{one} and {other} have the same train loss, to four decimals"),
        ("calibrated_loss", 2e-6, "{one} and {other} have the same calibrated test loss, to three digits"),
        ("sharpness_001", 1e-5, "{one} and {other} equally sharp at rho 0.001, to three digits"),
        ("disagreement", 1e-5, "disagreement between {one} and {other} as large as within them, to three digits"),
        ("function_scatter", 1e-5, "predictions of {one} and {other} scatter equally widely, to three digits"),
        ("excess_barrier", 0.0, "no barrier between {one} and {other} above that within them"),
    ],
)
def test_no_difference_is_no_factor_of_one(world, measure, value, text):
    """Before: "sgd ahead of adam by a factor of 1 [1, 1] in calibrated test loss"."""
    level: Entry = entry(world, measure, value, -value, value)
    assert MEASURES[measure] == level.measure
    one, other = (level.network.name_of(arm) for arm in (level.pair.one, level.pair.other))
    assert size_text(level.network, level)[0] == text.format(one=one, other=other)
    wide = replace(level, estimate=Estimate(value, value - 0.5, value + 0.5, 0.1, 12))
    assert "(90 % interval " in size_text(level.network, wide)[0]


@pytest.mark.parametrize(
    ("measure", "value", "low", "high", "text"),
    [
        (
            "accuracy", 0.004, -0.006, 0.015,
            "{one} ahead of {other} by 0.40 points of test accuracy (90 % interval −0.60 to 1.50; below 0, {other} is ahead)",
        ),
        (
            "accuracy", -0.004, -0.015, 0.006,
            "{other} ahead of {one} by 0.40 points of test accuracy (90 % interval −0.60 to 1.50; below 0, {one} is ahead)",
        ),
        ("accuracy", 0.007, 0.002, 0.012, "{one} ahead of {other} by 0.70 points of test accuracy (90 % interval 0.20 to 1.20)"),
        (
            "train_loss", 0.1, -0.05, 0.25,
            "{other} ahead of {one} by 0.100 nats of train loss (90 % interval −0.0500 to 0.250; below 0, {one} is ahead)",
        ),
        (
            "sharpness_001", math.log(1.5), math.log(0.9), math.log(2.5),
            "{one} sharper than {other} by a factor of 1.50 at rho 0.001 (90 % interval 0.900 to 2.50; below 1, {other} is sharper)",
        ),
    ],
)  # fmt: skip
def test_an_interval_says_which_side_is_whose(world, measure, value, low, high, text):
    """Before: "rmsprop ahead of sgd by .4 points [-.6, 1.5]", without a word on what lies below zero."""
    level: Entry = entry(world, measure, value, low, high)
    one, other = (level.network.name_of(arm) for arm in (level.pair.one, level.pair.other))
    assert size_text(level.network, level)[0] == text.format(one=one, other=other)
