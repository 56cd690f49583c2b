"""From records to labels: each rule of the protocol, on records made up so that it decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.verdict.tables import facets, gate

SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


def row(records, measure, pair="arms"):
    """Return a primary measure's first row."""
    table = facets.compute(records)
    found = table[(table["measure"] == measure) & (table["pair"] == pair) & table["primary"].astype(bool)]
    return found.iloc[0]


def test_identical_arms_with_enough_replicates_are_supported(world, stated):
    found = stated(world(replicates=16).records())
    assert found["statement"] == "supported"
    assert not found["exploratory"]
    assert (found["aa"], found["different"]) == ("not run", "not run")
    assert "uncontrolled: no A/A control was run" in found["doubts"].splitlines()


def test_equally_good_and_not_the_same(world, stated):
    found = stated(world(replicates=12, shift={("adam", "function"): 6.0}).records())
    assert (found["statement"], found["loss"], found["function"]) == ("value only", "similar", "different")


def test_a_worse_loss_refutes(world, stated):
    found = stated(world(replicates=12, shift={("adam", "loss"): 30.0}).records())
    assert (found["statement"], found["loss"]) == ("refuted", "different")
    assert found["statement_double_margins"] == "refuted"


def test_a_row_says_everything_it_was_judged_by(world):
    found = row(world(replicates=12, shift={("adam", "function"): 6.0}).records(), "root_jsd")
    assert found["low"] < found["estimate"] < found["high"]
    assert found["rho"] == pytest.approx(np.exp(found["estimate"]))
    assert found["margin"] == pytest.approx(np.log(1.1))
    assert (found["replicates"], found["replicates_lost"], found["floor"]) == (12, 0, 0.01)
    assert (found["look"], found["looks"], found["level"]) == (1, 1, 0.05)
    assert found["p_different"] < found["p_different_holm"] < found["p_different_overall"] < 0.05
    assert 0 < found["p_permuted"] < 0.001
    assert found["p_same"] > 0.99
    assert found["p_within"] + found["p_above"] + found["p_below"] == pytest.approx(1)
    assert found["distance"] > found["within"]
    assert found["controls"] == "A/A: not run; known different: not run"


def test_three_replicates_never_call_a_distance_different(world):
    """Of three networks an arm, one arrangement of the names in ten is the actual one."""
    far = {("adam", facet): 50.0 for facet in ("function", "representation", "connectivity")}
    table = facets.compute(world(replicates=3, shift=far).records())
    distances = table[table["primary"].astype(bool) & table["scale"].isin(["log rho", "excess"])]
    assert list(distances["p_permuted"]) == pytest.approx([0.1] * len(distances))
    assert set(distances["label"]) == {"inconclusive"}


def test_two_replicates_say_nothing(world, stated):
    records = world(replicates=2).records()
    table = facets.compute(records)
    primary = table[table["primary"].astype(bool)]
    assert set(primary["label"]) == {"inconclusive"}
    assert set(primary["detail"]) == {"fewer than 3 replicates"}
    assert stated(records)["doubts"].splitlines()[0] == (
        "replicates: 2 searches of each arm: fewer than 3 give no estimate"
    )


def test_below_the_floor_a_ratio_means_nothing(world):
    """Networks that all but agree: the second arm's disagree three times as much, and nobody would notice."""
    records = world(replicates=8, barrier=0.0001).records()
    measured = records.measured.copy()
    tiny = measured["name"].isin(["cka_within_penultimate", "procrustes_within_penultimate"])
    across = measured["one"].str.contains("sgd") != measured["other"].str.contains("sgd")
    measured.loc[tiny, "value"] = np.where(across[tiny], 0.03, 0.01)
    records = replace(records, measured=measured)
    for measure in ("excess_barrier", "cka_within_penultimate"):
        found = row(records, measure)
        assert found["below_floor"]
        assert found["label"] == "similar"
    assert row(records, "cka_within_penultimate")["rho"] == pytest.approx(3.0)
    assert row(records, "cka_within_penultimate")["detail"] == "detectable, negligible"


def test_an_interval_across_the_margin_says_how_many_replicates_it_takes(world, stated):
    records = world(replicates=4).records()
    found = row(records, "cka_within_penultimate")
    assert found["label"] == "inconclusive"
    assert found["replicates_needed"] > 4
    table = facets.compute(records)
    needed = table.loc[table["facet"] == "representation", "replicates_needed"].max()  # of its pairs and measures
    assert (
        f"about {needed:.0f} replicates would settle it: set compare.looks = [{needed:.0f}]"
        in stated(records)["reasons"]
    )


# --- what was not measured, or may not be used


def test_what_was_not_measured_is_named_and_keeps_the_statement_open(world, stated, labels):
    records = world(replicates=12, probes=("representation",)).records()
    found = stated(records)
    assert (found["connectivity"], found["geometry"], found["statement"]) == (
        "not measured",
        "not measured",
        "inconclusive",
    )
    assert "unmeasured: geometry was not measured: add 'sharpness' to compare.probes: harness run " in found["doubts"]
    probes = """ --set 'compare.probes=["representation", "connectivity", "sharpness"]' --only-measure"""
    assert probes in found["doubts"]
    assert labels(records, "geometry") == ["not measured"] * 3


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        (
            {"planned": 0, "left_out": "probe sharpness was left out; to measure it: A", "problems": []},
            "probe sharpness was left out; to measure it: A",
        ),
        ({"planned": 9, "problems": ["out of memory"]}, "probe 'sharpness' failed: out of memory"),
    ],
)
def test_a_probe_that_measured_nothing_says_why(world, stated, about, reason):
    records = world(replicates=6, probes=("representation", "connectivity")).records()
    records = replace(records, meta=replace(records.meta, probes={"sharpness": about}))
    assert f"unmeasured: geometry was not measured: {reason}" in stated(records)["doubts"]


def test_a_frozen_representation_takes_no_part(world, stated, labels):
    records = world(replicates=12, convex=True).records()
    assert labels(records, "representation") == ["not applicable"] * 3
    assert (stated(records)["representation"], stated(records)["statement"]) == ("not applicable", "supported")


def test_barriers_of_a_task_without_classes_take_no_part(world, stated, labels):
    records = world(replicates=12).records()
    measured = records.measured.assign(name=records.measured["name"].str.replace("_error", "_loss"))
    records = replace(records, measured=measured)
    assert set(labels(records, "connectivity")) == {"not applicable"}
    found = stated(records)
    assert (found["connectivity"], found["statement"]) == ("not applicable", "supported")
    assert "connectivity: not applicable, because a barrier is a rise of the error" in found["reasons"]


@pytest.mark.parametrize(("name", "value"), [("bn_recalibrated", 0.0), ("endpoint_gap", 0.006)])
def test_a_barrier_that_cannot_be_trusted_is_refused(world, name, value):
    records = world(replicates=6).records()
    measured = records.measured.copy()
    measured.loc[measured["name"] == name, "value"] = value
    found = row(replace(records, measured=measured), "excess_barrier")
    assert found["label"] == "not measured"
    assert "were refused" in found["detail"]


def test_a_network_that_moved_is_out_with_all_its_pairs(world):
    """Pair by pair the barriers within its arm would go, and those that remain would be of other networks."""
    records = world(replicates=8).records()
    measured = records.measured.copy()
    bad = (measured["one"] == "lesson_cnn.adam.6") | (measured["other"] == "lesson_cnn.adam.6")  # of replicate 3
    measured.loc[bad & (measured["name"] == "endpoint_gap"), "value"] = 0.006
    for measure in ("barrier", "excess_barrier"):
        found = row(replace(records, measured=measured), measure)
        assert found["replicates"] == 7
        covers = "aligned_error; all 42 pairs of different replicates between the arms; 1 of 16 networks were refused"
        assert found["covers"].startswith(covers)
        without = measured[~measured["one"].str.endswith(".6") & ~measured["other"].str.endswith(".6")]
        assert found["estimate"] == row(replace(records, measured=without), measure)["estimate"]


def test_a_sharpness_of_zero_costs_its_own_replicate_alone(world):
    records = world(replicates=8).records()
    measured = records.measured.copy()
    sharp = measured["probe"] == "sharpness"
    measured.loc[sharp & (measured["one"] == "lesson_cnn.adam.6"), "value"] = 0.0
    found = row(replace(records, measured=measured), "sharpness_001")
    covers = "7 replicates, each the mean over 2 seeds; 1 without, where an arm's is 0"
    assert (found["replicates"], found["covers"]) == (7, covers)
    assert np.isfinite([found["estimate"], found["low"], found["high"]]).all()


def test_a_barrier_without_a_word_on_batch_norm_is_refused(world):
    records = world(replicates=6).records()
    records = replace(records, measured=records.measured[records.measured["name"] != "bn_recalibrated"])
    assert row(records, "excess_barrier")["label"] == "not measured"


def test_pairs_that_were_subsampled_are_counted_and_judged(world, labels):
    near = row(world(replicates=12, offsets=(1, 2, 3)).records(), "cka_within_penultimate")
    assert near["covers"] == "72 of 132 pairs of different replicates between the arms"
    far = world(replicates=12, offsets=(1, 2, 3), shift={("adam", "representation"): 8.0}).records()
    assert labels(far, "representation")[:2] == ["different", "different"]


# --- the gate


def test_an_arm_that_still_gains_is_not_at_a_minimum(world, stated, labels):
    records = world(replicates=12, restart_gain={"adam": 0.006}, shift={("adam", "function"): 6.0}).records()
    table = gate.compute(records).set_index("arm")
    assert list(table["state"]) == ["at a minimum", "not at a minimum"]
    assert table.loc[ADAM, "gain"] == pytest.approx(0.006)
    found = stated(records)
    assert (found["statement"], found["loss"]) == ("inconclusive", "similar")
    assert set(labels(records, "function")) == {"inconclusive"}
    assert row(records, "root_jsd")["detail"] == "adam is not shown to be at a minimum"


def test_a_loss_that_refutes_short_of_a_minimum_says_so(world, stated):
    far = {("adam", "loss"): 30.0}
    note = "the loss was compared before every arm had reached a minimum: train longer before you blame the minima"
    assert note in stated(world(replicates=12, restart_gain={"adam": 0.02}, shift=far).records())["reasons"]
    assert note not in stated(world(replicates=12, shift=far).records())["reasons"]


def test_a_gain_of_less_than_a_twentieth_of_a_large_loss_passes(world):
    records = world(restart_gain={"adam": 0.006}).records()
    runs = records.comparison.copy()
    runs["train_objective"] += 1.0
    assert set(gate.compute(replace(records, comparison=runs))["state"]) == {"at a minimum"}


def test_a_restart_that_diverged_is_called_that(world):
    records = world(replicates=6).records()
    runs = records.comparison.copy()
    went_on = (runs["arm"] == ADAM) & (runs["role"] == "restart")
    runs.loc[went_on, "state"], runs.loc[went_on, "train_objective"] = "diverged", np.nan
    found = gate.compute(replace(records, comparison=runs)).set_index("arm").loc[ADAM]
    assert (found["state"], found["reason"]) == ("not judged", "its run that went on has no result (diverged)")


@pytest.mark.parametrize(("change", "state"), [("train_error", "not at a minimum"), ("role", "not judged")])
def test_an_arm_that_does_not_fit_or_was_not_tried_fails(world, labels, change, state):
    records = world(replicates=6).records()
    runs = records.comparison.copy()
    if change == "train_error":
        runs.loc[runs["arm"] == ADAM, "train_error"] = 0.02
    else:
        runs = runs[runs["role"] != "restart"]
    records = replace(records, comparison=runs)
    assert gate.compute(records).set_index("arm").loc[ADAM, "state"] == state
    assert set(labels(records, "geometry")) == {"inconclusive"}


def test_a_convex_arm_is_judged_by_its_gradient(world, labels):
    records = world(convex=True, replicates=12, gradients={"adam": 2e-4}).records()
    table = gate.compute(records).set_index("arm")
    assert list(table["state"]) == ["at a minimum", "not at a minimum"]
    assert "the gradient is 0.0200 % of its start, above 0.0100 %" in table.loc[ADAM, "reason"]
    assert set(labels(records, "function")) == {"inconclusive"}
    runs = records.comparison.drop(columns="gradient_norm.relative")
    assert set(gate.compute(replace(records, comparison=runs))["state"]) == {"not judged"}


def test_a_small_gradient_without_a_penalty_is_no_minimum(world):
    records = world(convex=True, replicates=12).records()
    unbounded = replace(records, comparison=records.comparison.drop(columns="gradient_norm.excess"))
    table = gate.compute(unbounded)
    assert set(table["state"]) == {"not at a minimum"}
    assert all("no penalty (l2)" in reason for reason in table["reason"])
    far = replace(records, comparison=records.comparison.assign(**{"gradient_norm.excess": 0.02}))
    assert all(
        "0.0200 nats above its minimum, more than 0.00500 nats" in reason for reason in gate.compute(far)["reason"]
    )


# --- tuning


def test_an_arm_that_was_tuned_badly_is_never_judged_by_its_loss(world, stated, labels):
    records = world(replicates=12, alarming="adam", shift={("adam", "loss"): 30.0}).records()
    assert set(labels(records, "loss")) == {"inconclusive"}
    assert row(records, "accuracy")["detail"] == "adam may be badly tuned: its search still improved at the end"
    assert stated(records)["statement"] == "inconclusive"


def test_at_the_one_minimum_of_a_convex_loss_tuning_does_not_matter(world, labels):
    assert set(labels(world(replicates=12, convex=True, alarming="adam").records(), "loss")) == {"similar"}
    missed = world(replicates=12, convex=True, alarming="adam", gradients={"adam": 1e-3})
    assert set(labels(missed.records(), "loss")) == {"inconclusive"}


def test_an_arm_that_misses_the_one_minimum_takes_nothing_from_the_arms_that_reached_it(world, stated):
    """Adam's search raised an alarm, and Adam is at the minimum: whether SGD and RMSprop are there too is their own affair."""
    arms = ("sgd", "adam", "rmsprop")
    for missed in ({}, {"sgd": 1e-3}):
        records = world(optimizers=arms, replicates=12, convex=True, alarming="adam", gradients=missed).records()
        found = facets.compute(records).query("primary and pair == 'arms' and facet in ('loss', 'function')")
        pairs = found.set_index(["facet", "arm", "other"])["label"].groupby(level=[0, 1, 2]).agg(set)
        reached = ("lesson_cnn/adam/cosine", "lesson_cnn/rmsprop/cosine")
        assert pairs["loss", *reached] == pairs["function", *reached] == {"similar"}
        assert stated(records)["loss"] == "similar"
        assert "adam" not in stated(records)["doubts"]
    assert stated(records)["doubts"].startswith("minimum: sgd is not shown to be at a minimum: the gradient is ")
    both = world(optimizers=arms, replicates=12, convex=True, alarming="adam", gradients={"adam": 1e-3}).records()
    assert stated(both)["loss"] == "inconclusive"


# --- controls


def test_controls_that_behave_leave_the_labels_alone(world, stated):
    found = stated(world(replicates=12, aa=True, different=True, seed=1).records())
    assert (found["statement"], found["aa"], found["different"]) == (
        "supported",
        "nowhere different",
        "told apart everywhere",
    )
    assert found["doubts"] == ""


def test_a_facet_that_cannot_tell_a_known_difference_may_not_say_similar(world, stated, labels):
    records = world(replicates=12, different=True, shift={("sgd~noise", "function"): 0.0}).records()
    assert "different" not in labels(records, "function", "different")
    assert labels(records, "function") == ["inconclusive"] * 3
    assert "no assay sensitivity" in row(records, "root_jsd")["detail"]
    found = stated(records)
    assert (found["statement"], found["different"]) == ("inconclusive", "not told apart: function")
    assert found["geometry"] == "similar"


def test_a_promised_known_difference_that_was_not_measured_shows_no_sensitivity(world, stated, labels):
    lost = {("sgd~noise", r): "diverged" for r in range(12)}
    records = world(replicates=12, different=True, lost=lost).records()
    assert labels(records, "function") == ["inconclusive"] * 3
    assert stated(records)["different"] == "promised, and has no result"
    never = world(replicates=12).records()
    assert labels(never, "function") == ["similar"] * 3
    never = replace(never, meta=replace(never.meta, roles={f"{SGD}~noise": {"role": "different", "of": SGD}}))
    assert labels(never, "function") == ["inconclusive"] * 3
    assert "promised, and not measured here" in row(never, "root_jsd")["detail"]


def test_one_facet_without_the_known_difference_is_not_similar(world, stated, labels):
    records = world(replicates=12, different=True).records()
    measured = records.measured
    noise = measured["one"].str.contains("~noise") & (measured["probe"] == "sharpness")
    records = replace(records, measured=measured[~noise])
    assert (labels(records, "geometry"), labels(records, "function")) == (["inconclusive"] * 3, ["similar"] * 3)
    assert stated(records)["different"] == "not measured: geometry"


def test_what_tuning_alone_produces_is_no_difference(world, stated, labels):
    moved = {("sgd~again", "function"): 6.0, ("adam", "function"): 6.0}
    records = world(replicates=12, seed=1, aa=True, shift=moved).records()
    assert labels(records, "function", "aa")[:2] == ["different"] * 2
    assert labels(records, "function")[:2] == ["inconclusive"] * 2
    assert "A/A" in row(records, "root_jsd")["detail"]
    assert stated(records)["aa"] == "different: function"


def test_a_difference_beyond_what_tuning_produces_stays_one(world, labels):
    moved = {("sgd~again", "function"): 5.0, ("adam", "function"): 25.0}
    assert labels(world(replicates=12, aa=True, shift=moved).records(), "function")[:2] == ["different"] * 2


# --- many pairs


def test_single_differences_pay_for_the_pairs_and_measures_of_their_facet(world):
    """Holm, from the smallest p on: the smallest is multiplied by all six, and the overall one by those of all facets."""
    made = world(replicates=8, optimizers=("sgd", "adam", "rmsprop"), shift={("adam", "function"): 6.0})
    table = facets.compute(made.records())
    primary = table[table["primary"].astype(bool)]
    mine = primary[primary["facet"] == "function"]
    assert len(mine) == 9
    smallest = mine.sort_values("p_different").iloc[0]
    assert smallest["p_different_holm"] == pytest.approx(9 * smallest["p_different"])
    assert smallest["p_different"] == primary["p_different"].min()
    assert smallest["p_different_overall"] == pytest.approx(len(primary) * smallest["p_different"])


def test_six_replicates_can_show_a_difference_among_three_arms(world, stated):
    made = world(replicates=6, optimizers=("sgd", "adam", "rmsprop"), shift={("adam", "loss"): 30.0})
    assert stated(made.records())["statement"] == "refuted"


def test_two_measures_of_the_representation_must_agree(world, stated):
    records = world(replicates=12, shift={("adam", "representation"): 8.0}).records()
    measured = records.measured.copy()
    other = measured["name"] == "procrustes_within_penultimate"
    measured.loc[other, "value"] = 0.01
    found = stated(replace(records, measured=measured))
    assert (found["representation"], found["statement"]) == ("inconclusive", "inconclusive")
    assert found["why_representation"] == "the CKA distance and the Procrustes distance contradict each other"


def test_arms_of_unequal_steps_are_a_leaderboard(world, stated, labels):
    records = world(replicates=12).records()
    fresh = records.comparison[records.comparison["role"] == "fresh"]
    steps = [640 if "adam" in arm else 320 for arm in fresh["arm"]]
    records = replace(records, epochs=fresh[["run_id"]].assign(epoch=1, steps=steps))
    assert set(labels(records, "function")) == {"inconclusive"}
    found = stated(records)
    assert (found["statement"], found["loss"]) == ("inconclusive", "similar")
    assert "unequal numbers of steps (320, 640)" in found["doubts"]
