"""The course of a verdict: which look is reached, which word stays, and when more replicates could bring nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.statistics.looks import levels
from harness.verdict.looks import ended_replicates, reached_look, settled
from harness.verdict.protocol import standing_protocol
from harness.verdict.tables import facets, gate, influence

SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"
FACETS = ("loss", "function", "representation", "connectivity", "geometry")


def fresh(records):
    """Return the records without what was worked out of others."""
    return replace(records)


def changed(records, where, **columns):
    """Return the records with other values in some rows of the comparison."""
    comparison = records.comparison.copy()
    for column, change in columns.items():
        comparison.loc[where(comparison), column] = change(comparison.loc[where(comparison), column])
    return replace(records, comparison=comparison)


def late(replicates, arm=ADAM):
    """Return a function to the rows of an arm from so many replicates on."""
    return lambda rows: (rows["arm"] == arm) & (rows["role"] == "fresh") & (rows["replicate"] >= replicates)


def row(records, measure):
    table = facets.compute(records)
    return table[(table["measure"] == measure) & (table["pair"] == "arms") & table["primary"].astype(bool)].iloc[0]


# --- which look is reached


@pytest.mark.parametrize(("ended", "look"), [(0, 0), (5, 0), (6, 1), (8, 1), (9, 2), (12, 3)])
def test_a_look_is_reached_when_its_replicates_have_ended(world, ended, look):
    records = world(replicates=12, looks=(6, 9, 12)).records()
    records = changed(records, lambda rows: rows["replicate"] >= ended, state=lambda _: "waiting")
    protocol = standing_protocol(records.meta).protocol
    assert (ended_replicates(records, protocol), reached_look(records, protocol)) == (ended, look)


def test_a_replicate_has_ended_however_its_runs_ended_but_not_while_one_of_them_waits(world):
    records = world(replicates=6, aa=True, lost={("sgd", 1): "diverged", ("adam", 2): "failed"}).records()
    protocol = standing_protocol(records.meta).protocol
    assert ended_replicates(records, protocol) == 6
    again = records.comparison["role"] == "aa"
    waiting = changed(records, lambda rows: again & (rows["replicate"] == 3), state=lambda _: "waiting")
    assert ended_replicates(waiting, protocol) == 3  # what comes after a gap does not count
    assert ended_replicates(world(replicates=6, unchosen=(("sgd", 4),)).records(), protocol) == 6


def test_before_the_first_look_nothing_gets_a_word(world, stated):
    records = world(replicates=6, looks=(6, 12), shift={("adam", "loss"): 60.0}).records()
    records = changed(records, lambda rows: rows["replicate"] >= 5, state=lambda _: "running")
    found = stated(records)
    assert {found[facet] for facet in FACETS} == {"inconclusive"}
    assert (found["statement"], found["look"], found["replicates_ended"]) == ("inconclusive", 0, 5)
    early = "the first look is after 6 replicates, and 5 have ended"
    assert early in found["reasons"]
    assert found["why_loss"] == early
    assert (
        found["lines"].splitlines()[0] == f"loss: inconclusive (before the first look, 5 searches x 2 seeds): {early}"
    )
    doubt = "replicates: no verdict yet: 5 of the 6 replicates up to the first look have ended"
    assert found["doubts"].splitlines()[0] == doubt
    assert row(records, "accuracy")["replicates"] == 5  # its numbers are shown all the same
    assert not settled(records)


def test_where_no_replicate_has_ended_the_only_doubt_is_that(world, stated):
    """A time limit may leave out seeds: what has been trained is not told as what is missing."""
    records = changed(world(replicates=1).records(), lambda rows: rows["init_seed"] == 1, state=lambda _: "waiting")
    found = stated(records)
    assert found["doubts"].splitlines() == ["replicates: one search of each arm: no verdict about optimizers"]
    assert found["lines"].splitlines()[0] == "loss: not measured: no replicate of these arms has ended well so far"


def test_one_search_of_each_arm_is_a_leaderboard(world, stated):
    records = world(replicates=1, shift={("adam", "loss"): 60.0}).records()
    found = stated(records)
    assert found["doubts"].splitlines()[0] == "replicates: one search of each arm: no verdict about optimizers"
    assert found["statement"] == found["statement_double_margins"] == "no verdict"
    assert found["why_loss"] == "one search of each arm: no verdict about optimizers"
    assert np.isnan(row(records, "accuracy")["estimate"])
    assert settled(records)


def test_replicates_after_the_last_look_decide_nothing_yet(world, stated):
    records = world(replicates=8, looks=(6, 12), shift={("adam", "loss"): 4.0}).records()
    before = replace(records, comparison=records.comparison[records.comparison["replicate"] < 6])
    assert stated(records)["replicates"] == 6
    assert "unfinished: 2 more of 12 replicates have ended and decide nothing yet" in stated(records)["doubts"]
    for measure in ("accuracy", "root_jsd", "sharpness_001", "barrier"):
        assert row(records, measure)["estimate"] == row(before, measure)["estimate"]


# --- the first word stays


def test_the_first_word_of_a_facet_stays(world, stated):
    records = world(replicates=12, looks=(6, 12)).records()
    assert (stated(records)["loss"], stated(records)["look_loss"]) == ("similar", 1)
    worse = changed(records, late(6), test_accuracy=lambda values: values - 0.2)
    found = stated(worse)
    assert (found["loss"], found["look_loss"], found["look"]) == ("similar", 1, 2)
    shown = row(worse, "accuracy")
    assert (shown["look"], shown["replicates"]) == (1, 6)
    assert shown["estimate"] == row(records, "accuracy")["estimate"]
    whole = worse.comparison[worse.comparison["role"] == "fresh"].groupby("arm")["test_accuracy"].mean()
    assert whole[SGD] - whole[ADAM] > 0.05  # which all twelve would call different


def test_a_facet_that_is_open_goes_on_to_the_next_look(world, stated):
    records = world(replicates=16, looks=(6, 16)).records()
    found = stated(records)
    assert (found["look_loss"], found["look_function"]) == (1, 2)
    assert row(records, "accuracy")["level"] == pytest.approx(levels([6, 16])[0])
    assert row(records, "root_jsd")["level"] == pytest.approx(levels([6, 16])[1])
    assert row(records, "root_jsd")["replicates"] == 16


@pytest.mark.parametrize(("looks", "label"), [((6,), "similar"), ((6, 24), "inconclusive")])
def test_an_early_look_has_a_level_of_its_own(world, looks, label):
    """The interval of two looks is wider: what is similar at .05 is not at .0063."""
    records = world(replicates=6, looks=looks, scatter=0.003, seed=2).records()
    found = row(records, "accuracy")
    assert levels([6, 24])[0] < found["p_same"] < 0.05
    assert (found["label"], found["level"]) == (label, pytest.approx(levels(looks)[0]))
    assert found["low"] > -0.005 or label == "inconclusive"


def test_the_gate_is_judged_once_at_the_first_look(world, stated):
    records = world(replicates=12, looks=(6, 12)).records()
    later = changed(records, late(6), train_error=lambda values: values + 0.3)
    assert set(gate.compute(later)["state"]) == {"at a minimum"}
    assert set(gate.compute(later)["replicates"]) == {6}
    earlier = changed(records, lambda rows: ~late(6)(rows), train_error=lambda values: values + 0.3)
    assert set(gate.compute(earlier)["state"]) == {"not at a minimum"}
    assert stated(earlier)["function"] == "inconclusive"


def test_alarms_go_by_the_replicates_of_their_look(world, stated):
    """What later replicates do to the mean of tune scores takes no word back."""
    records = world(replicates=12, looks=(6, 12)).records()
    constant = {"answer": "cat", "scores": {"tune": {"accuracy": {"score": 0.5, "se": 0.01}}}}
    records = replace(records, meta=replace(records.meta, constant=constant))
    low = records.runs["arm"].eq(ADAM) & records.runs["replicate"].ge(6)
    records = replace(records, runs=records.runs.assign(tune_accuracy=records.runs["tune_accuracy"] - 0.9 * low))
    found = stated(records)
    assert (found["loss"], found["look_loss"]) == ("similar", 1)
    assert found["doubts"].splitlines()[0].startswith("chance: adam")


# --- when more replicates bring nothing


def test_a_comparison_is_settled_when_every_facet_has_its_word(world):
    few = world(replicates=8, looks=(8, 24))
    assert not settled(few.records())  # the distances of eight networks are not enough at the level of a first look
    many = world(replicates=24, looks=(20, 24)).records()
    assert settled(replace(many, comparison=many.comparison[many.comparison["replicate"] < 20]))


def test_the_last_look_settles_whatever_is_open(world, stated):
    records = world(replicates=4).records()
    assert stated(records)["statement"] == "inconclusive"
    assert settled(records)


def test_a_facet_that_can_get_no_word_keeps_nobody_waiting(world, labels):
    gated = world(replicates=8, looks=(8, 24), restart_gain={"adam": 0.1}).records()
    assert set(labels(gated, "function")) == {"inconclusive"}
    assert settled(gated)
    unmeasured = world(replicates=20, looks=(20, 24), seed=1, probes=())
    assert settled(unmeasured.records())


def test_nothing_compared_is_not_settled(world):
    records = world().records()
    assert not settled(replace(records, comparison=records.comparison.iloc[:0]))


# --- lost replicates are outcomes


@pytest.mark.parametrize(("lost", "word"), [(0, "similar"), (1, "similar"), (2, "inconclusive"), (6, "inconclusive")])
def test_an_arm_that_lost_more_than_one_replicate_is_not_similar_in_anything(world, stated, lost, word):
    made = world(replicates=12, lost={("adam", r): "diverged" for r in range(lost)})
    records = made.records()
    found = stated(records)
    assert (found["loss"], found["geometry"], found["replicates_lost"]) == (word, word, lost)
    assert row(records, "accuracy")["replicates"] == row(records, "root_jsd")["replicates"] == 12 - lost
    if lost > 1:
        reason = f"adam lost {lost} of 12 replicates ({lost} diverged)"
        assert row(records, "accuracy")["detail"] == reason
        assert f"lost: {reason}" in found["doubts"].splitlines()
        assert f"loss: {reason}" in found["reasons"].splitlines()
        assert {found[facet] for facet in FACETS} == {"inconclusive"}


def test_a_search_that_chose_nothing_loses_its_replicate(world, stated):
    records = world(replicates=12, unchosen=(("adam", 3), ("adam", 7))).records()
    found = stated(records)
    reason = "adam lost 2 of 12 replicates (2 its search chose nothing)"
    assert f"lost: {reason}" in found["doubts"].splitlines()
    assert (found["loss"], found["replicates"]) == ("inconclusive", 12)


def test_an_arm_that_lost_replicates_can_still_be_different(world, stated):
    lost = {("adam", r): "diverged" for r in range(3)}
    assert stated(world(replicates=12, lost=lost, shift={("adam", "loss"): 30.0}).records())["loss"] == "different"


def test_what_is_left_of_a_lost_replicate_is_not_used(world):
    """Only the second seed diverged. The first one's numbers and distances are left out all the same."""
    records = world(replicates=8, lost={("adam", 3): "diverged"}).records()
    assert (records.comparison["state"] == "done").sum() == 2 + 31
    runs = records.comparison[records.comparison["role"] == "fresh"].set_index(["arm", "replicate"])["test_accuracy"]
    kept = [r for r in range(8) if r != 3]
    expected = np.mean([runs[SGD, r].mean() - runs[ADAM, r].mean() for r in kept])
    assert row(records, "accuracy")["estimate"] == pytest.approx(expected)
    assert row(records, "root_jsd")["replicates"] == 7


# --- what an estimate is made of


def test_numbers_are_means_over_seeds_and_distances_those_of_the_first_seed(world):
    records = world(replicates=8).records()
    second = [run for run, split in records.kept if split == "test" and int(run.rsplit(".", 1)[1]) % 2]
    before = [row(records, measure)["estimate"] for measure in ("root_jsd", "function_scatter", "sharpness_001")]
    other = fresh(records)
    for run in second:
        other.kept[run, "test"] = 1 - other.kept[run, "test"]
    measured = records.measured.copy()
    sharp = measured["one"].isin(second) & measured["one"].str.contains("adam") & (measured["probe"] == "sharpness")
    measured.loc[sharp, "value"] *= 2
    after = [row(replace(other, measured=measured), m)["estimate"] for m in ("root_jsd", "function_scatter")]
    assert after == before[:2]
    sharper = row(replace(other, measured=measured), "sharpness_001")["estimate"]
    assert sharper == pytest.approx(before[2] - np.log(2) / 2)  # one seed of two, in logarithms


def test_scatter_between_searches_and_between_seeds_is_that_of_their_mean_squares(world):
    records = world(replicates=8, searches=2.0).records()
    found, parts = row(records, "accuracy"), []
    runs = records.comparison[records.comparison["role"] == "fresh"]
    for arm in (SGD, ADAM):
        table = runs[runs["arm"] == arm].sort_values("init_seed")["test_accuracy"].to_numpy().reshape(8, 2)
        within = table.var(axis=1, ddof=1).mean()
        parts.append((max(0.0, table.mean(axis=1).var(ddof=1) - within / 2), within))
    searches, seeds = np.sqrt(np.mean(parts, axis=0))
    assert (found["sd_searches"], found["sd_seeds"]) == pytest.approx((searches, seeds))
    assert searches > seeds
    means = runs.groupby(["arm", "replicate"])["test_accuracy"].mean()
    apart = means[SGD].to_numpy()[:, None] - means[ADAM].to_numpy()
    sign = 1 if apart.mean() >= 0 else -1
    shares = (sign * apart > 0.005).mean(), (sign * apart < -0.005).mean()
    assert (found["single_different"], found["single_reverse"]) == pytest.approx(shares)


@pytest.mark.parametrize("measure", ["accuracy", "root_jsd", "function_scatter", "excess_barrier"])
def test_influence_is_the_estimate_of_the_other_replicates(world, measure):
    records = world(replicates=6).records()
    table = influence.compute(records).set_index(["measure", "replicate"])
    records.comparison["replicate"] = (records.comparison["replicate"] + 3) % 6  # so that the last one is number 2
    records = fresh(records)
    rest = replace(records, comparison=records.comparison[records.comparison["replicate"] < 5])
    rest.meta.benchmark["compare"]["looks"] = [5]
    without, found = row(rest, measure), table.loc[(measure, 2)]
    assert found["estimate"] == pytest.approx(without["estimate"])
    whole = table.loc[measure]["estimate"] - table.loc[measure]["change"]
    assert whole.nunique() == 1 or np.ptp(whole) < 1e-12


# --- a probe's size that is raised and lowered again


def sized(records, **sizes):
    """Return the records of a benchmark whose probes measure so many networks or pairs."""
    benchmark = dict(records.meta.benchmark)
    benchmark["compare"] = {
        **benchmark["compare"], "probes": ["representation", "connectivity", "sharpness"], "probe_sizes": sizes,
    }  # fmt: skip
    return replace(records, meta=replace(records.meta, benchmark=benchmark))


@pytest.mark.parametrize(("size", "apart"), [(20, 1), (36, 2), (45, 2), (10_000, 5)])
def test_a_verdict_reads_only_the_pairs_that_its_size_asks_for(world, size, apart):
    """Two arms have four pairs between two replicates: 20 of neighbours, 16 more of replicates that are two apart."""
    records = sized(world(replicates=6).records(), connectivity=size, representation=size)
    measured = records.measured
    one, other = (measured[end].str.rpartition(".")[2].replace("", "0").astype(int) // 2 for end in ("one", "other"))
    asked = measured[(measured["other"] == "") | ((one - other).abs() <= apart)]
    assert (len(asked) < len(measured)) == (apart < 5)
    as_asked = facets.compute(replace(records, measured=asked.reset_index(drop=True)))
    pd.testing.assert_frame_equal(facets.compute(records), as_asked)


def test_a_verdict_reads_only_the_networks_that_its_size_asks_for(world):
    records = sized(world(replicates=6).records(), sharpness=16)  # two arms, so the seeds 0 to 7: four replicates
    assert row(records, "sharpness_001")["replicates"] == 4
    assert row(sized(records, sharpness=24), "sharpness_001")["replicates"] == 6
