"""From records to labels: each rule of the protocol, on records made up so that it decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.verdict.tables import facets, gate, verdict

SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


def row(records, measure, pair="arms"):
    """Return a primary measure's first row."""
    table = facets.compute(records)
    found = table[(table["measure"] == measure) & (table["pair"] == pair) & table["primary"].astype(bool)]
    return found.iloc[0]


def test_identical_arms_with_enough_seeds_are_supported(world, stated):
    found = stated(world(seeds=12).records())
    assert found["statement"] == "supported"
    assert not found["exploratory"]
    assert (found["aa"], found["different"]) == ("not run", "not run")
    assert "A/A: not run" in found["reasons"]


def test_equally_good_and_not_the_same(world, stated):
    found = stated(world(seeds=12, shift={("adam", "function"): 6.0}).records())
    assert (found["statement"], found["loss"], found["function"]) == ("value only", "similar", "different")


def test_a_worse_loss_refutes(world, stated):
    found = stated(world(seeds=12, shift={("adam", "loss"): 30.0}).records())
    assert (found["statement"], found["loss"]) == ("refuted", "different")
    assert found["statement_double_margins"] == "refuted"


def test_a_row_says_everything_it_was_judged_by(world):
    found = row(world(seeds=12, shift={("adam", "function"): 6.0}).records(), "root_jsd")
    assert found["low"] < found["estimate"] < found["high"]
    assert found["rho"] == pytest.approx(np.exp(found["estimate"]))
    assert found["margin"] == pytest.approx(np.log(1.1))
    assert (found["seeds"], found["seeds_missing"], found["floor"]) == (12, 0, 0.01)
    assert found["p_different"] == 2.0**-11 <= found["p_different_holm"] <= found["p_different_overall"] < 0.05
    assert found["p_same"] > 0.99
    assert found["distance"] > found["within"]
    assert found["controls"] == "A/A: not run; known different: not run"


@pytest.mark.parametrize("seeds", [3, 4, 5])
def test_few_seeds_never_say_different(world, seeds):
    far = {("adam", facet): 50.0 for facet in ("loss", "function", "representation", "connectivity", "geometry")}
    records = world(seeds=seeds, shift=far).records()
    table = facets.compute(records)
    assert "different" not in set(table["label"])
    assert verdict.compute(records).iloc[0]["statement"] == "inconclusive"


def test_two_seeds_say_nothing(world):
    table = facets.compute(world(seeds=2).records())
    primary = table[table["primary"].astype(bool)]
    assert set(primary["label"]) == {"inconclusive"}
    assert set(primary["detail"]) == {"fewer than 3 seeds"}


def test_below_the_floor_a_ratio_means_nothing(world):
    """Networks that all but agree: the second arm's disagree three times as much, and nobody would notice."""
    made = world(seeds=8, shift={("adam", "connectivity"): 0.0})
    records = made.records()
    measured = records.measured.copy()
    barrier = measured["name"] == "aligned_error"
    measured.loc[barrier, "value"] *= 0.01
    tiny = measured["name"].isin(["cka_penultimate", "procrustes_penultimate"])
    across = measured["one"].str.contains("sgd") != measured["other"].str.contains("sgd")
    measured.loc[tiny, "value"] = np.where(across[tiny], 0.03, 0.01)
    records = replace(records, measured=measured)
    for measure in ("aligned_error", "cka_penultimate"):
        found = row(records, measure)
        assert found["below_floor"]
        assert found["label"] == "similar"
    assert row(records, "cka_penultimate")["rho"] == pytest.approx(3.0)
    assert row(records, "cka_penultimate")["detail"] == "detectable, negligible"


def test_an_interval_across_the_margin_says_how_many_seeds_it_takes(world, stated):
    records = world(seeds=4).records()
    found = row(records, "cka_penultimate")
    assert found["label"] == "inconclusive"
    assert found["seeds_needed"] > 4
    assert f"about {found['seeds_needed']:.0f} seeds would settle it" in stated(records)["reasons"]


# --- what was not measured, or may not be used


def test_what_was_not_measured_is_named_and_keeps_the_statement_open(world, stated, labels):
    records = world(seeds=12, probes=("representation",)).records()
    found = stated(records)
    assert (found["connectivity"], found["geometry"], found["statement"]) == (
        "not measured",
        "not measured",
        "inconclusive",
    )
    assert "geometry: not measured; add 'sharpness' to compare.probes: harness run " in found["reasons"]
    assert """ --set 'compare.probes=["representation", "connectivity", "sharpness"]'""" in found["reasons"]
    assert labels(records, "geometry") == ["not measured"]


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
    records = world(seeds=6, probes=("representation", "connectivity")).records()
    records = replace(records, meta=replace(records.meta, probes={"sharpness": about}))
    assert f"geometry: not measured; {reason}" in stated(records)["reasons"]


def test_too_few_seeds_for_a_difference_is_said(world, stated):
    """Three pairs: 3 / 2^(S-1) is below .05 from seven seeds on; one pair: from six."""
    for optimizers, seeds, least in ((("sgd", "adam"), 5, 6), (("sgd", "adam", "rmsprop"), 6, 7)):
        few = stated(world(seeds=seeds, optimizers=optimizers).records())["reasons"]
        assert f"with {seeds} seeds nothing can be called different; {least} could" in few
        assert "nothing can be called" not in stated(world(seeds=least, optimizers=optimizers).records())["reasons"]


def test_a_frozen_representation_takes_no_part(world, stated, labels):
    records = world(seeds=12, convex=True).records()
    assert labels(records, "representation") == ["not applicable"] * 2
    assert (stated(records)["representation"], stated(records)["statement"]) == ("not applicable", "supported")


@pytest.mark.parametrize(("name", "value"), [("bn_recalibrated", 0.0), ("endpoint_gap", 0.006)])
def test_a_barrier_that_cannot_be_trusted_is_refused(world, name, value):
    records = world(seeds=6).records()
    measured = records.measured.copy()
    measured.loc[measured["name"] == name, "value"] = value
    found = row(replace(records, measured=measured), "aligned_error")
    assert found["label"] == "not measured"
    assert "were refused" in found["detail"]


def test_a_network_that_moved_is_out_with_all_its_pairs(world):
    """Pair by pair the barriers within its arm would go, and those that remain would be of other networks."""
    records = world(seeds=8).records()
    measured = records.measured.copy()
    bad = (measured["one"] == "lesson_cnn.adam.3") | (measured["other"] == "lesson_cnn.adam.3")
    measured.loc[bad & (measured["name"] == "endpoint_gap"), "value"] = 0.006
    found = row(replace(records, measured=measured), "aligned_error")
    assert found["seeds"] == 7
    assert found["covers"].startswith("all 42 cross-seed pairs between the arms; 1 of 16 networks were refused")
    without = measured[~measured["one"].str.endswith(".3") & ~measured["other"].str.endswith(".3")]
    assert found["estimate"] == row(replace(records, measured=without), "aligned_error")["estimate"]


def test_a_sharpness_of_zero_costs_its_own_seed_alone(world):
    records = world(seeds=8).records()
    measured = records.measured.copy()
    sharp = measured["probe"] == "sharpness"
    measured.loc[sharp & (measured["one"] == "lesson_cnn.adam.3"), "value"] = 0.0
    found = row(replace(records, measured=measured), "sharpness")
    assert (found["seeds"], found["covers"]) == (7, "7 seeds; 1 without, where an arm's is 0")
    assert np.isfinite([found["estimate"], found["low"], found["high"]]).all()


def test_a_barrier_without_a_word_on_batch_norm_is_refused(world):
    records = world(seeds=6).records()
    records = replace(records, measured=records.measured[records.measured["name"] != "bn_recalibrated"])
    assert row(records, "aligned_error")["label"] == "not measured"


def test_pairs_that_were_subsampled_are_counted_and_judged(world, labels):
    near = row(world(seeds=12, offsets=(1, 2, 3)).records(), "cka_penultimate")
    assert near["covers"] == "72 of 132 cross-seed pairs between the arms"
    far = world(seeds=12, offsets=(1, 2, 3), shift={("adam", "representation"): 8.0}).records()
    assert labels(far, "representation") == ["different", "different"]


# --- seeds that were lost


def test_lost_seeds_are_counted_and_the_others_paired(world, stated):
    records = world(seeds=12, lost={("adam", 3): "diverged", ("sgd", 5): "failed"}).records()
    found = row(records, "accuracy")
    assert (found["seeds"], found["seeds_missing"]) == (10, 2)
    assert "adam/cosine: 1 of 12 seeds have no result (1 diverged)" in stated(records)["reasons"]
    runs = records.comparison[records.comparison["role"] == "fresh"].set_index(["arm", "init_seed"])["test_accuracy"]
    common = [s for s in range(12) if s not in (3, 5)]
    assert found["estimate"] == pytest.approx(np.mean([runs[SGD, s] - runs[ADAM, s] for s in common]))


# --- the gate


def test_an_arm_that_still_gains_is_not_at_a_minimum(world, stated, labels):
    records = world(seeds=12, restart_gain={"adam": 0.006}, shift={("adam", "function"): 6.0}).records()
    table = gate.compute(records).set_index("arm")
    assert list(table["state"]) == ["at a minimum", "not at a minimum"]
    assert table.loc[ADAM, "gain"] == pytest.approx(0.006)
    found = stated(records)
    assert (found["statement"], found["loss"]) == ("inconclusive", "similar")
    assert set(labels(records, "function")) == {"inconclusive"}
    assert row(records, "root_jsd")["detail"] == "adam/cosine is not at a minimum"


def test_a_loss_that_refutes_short_of_a_minimum_says_so(world, stated):
    far = {("adam", "loss"): 30.0}
    note = "the loss was compared before every arm had reached a minimum"
    assert note in stated(world(seeds=12, restart_gain={"adam": 0.006}, shift=far).records())["reasons"]
    assert note not in stated(world(seeds=12, shift=far).records())["reasons"]


def test_a_gain_of_less_than_a_twentieth_of_a_large_loss_passes(world):
    records = world(restart_gain={"adam": 0.006}).records()
    runs = records.comparison.copy()
    runs["train_loss"] += 1.0
    assert set(gate.compute(replace(records, comparison=runs))["state"]) == {"at a minimum"}


def test_a_restart_that_diverged_is_called_that(world):
    records = world(seeds=6).records()
    runs = records.comparison.copy()
    runs.loc[(runs["arm"] == ADAM) & (runs["role"] == "restart"), "state"] = "diverged"
    found = gate.compute(replace(records, comparison=runs)).set_index("arm").loc[ADAM]
    assert (found["state"], found["reason"]) == ("not judged", "its run that went on has no result (diverged)")


@pytest.mark.parametrize(("change", "state"), [("train_error", "not at a minimum"), ("role", "not judged")])
def test_an_arm_that_does_not_fit_or_was_not_tried_fails(world, labels, change, state):
    records = world(seeds=6).records()
    runs = records.comparison.copy()
    if change == "train_error":
        runs.loc[runs["arm"] == ADAM, "train_error"] = 0.02
    else:
        runs = runs[runs["role"] != "restart"]
    records = replace(records, comparison=runs)
    assert gate.compute(records).set_index("arm").loc[ADAM, "state"] == state
    assert set(labels(records, "geometry")) == {"inconclusive"}


def test_a_convex_arm_is_judged_by_its_gradient(world, labels):
    records = world(convex=True, seeds=12, gradients={"adam": 2e-4}).records()
    table = gate.compute(records).set_index("arm")
    assert list(table["state"]) == ["at a minimum", "not at a minimum"]
    assert "the gradient is 0.0002 of its start" in table.loc[ADAM, "reason"]
    assert set(labels(records, "function")) == {"inconclusive"}
    runs = records.comparison.drop(columns="gradient_norm.relative")
    assert set(gate.compute(replace(records, comparison=runs))["state"]) == {"not judged"}


def test_a_small_gradient_without_a_penalty_is_no_minimum(world):
    records = world(convex=True, seeds=12).records()
    unbounded = replace(records, comparison=records.comparison.drop(columns="gradient_norm.excess"))
    table = gate.compute(unbounded)
    assert set(table["state"]) == {"not at a minimum"}
    assert all("no penalty (l2)" in reason for reason in table["reason"])
    far = replace(records, comparison=records.comparison.assign(**{"gradient_norm.excess": 0.02}))
    assert all("0.02 above its minimum" in reason for reason in gate.compute(far)["reason"])


# --- tuning


def test_an_arm_that_was_tuned_badly_is_never_judged_by_its_loss(world, stated, labels):
    records = world(seeds=12, alarming="adam", shift={("adam", "loss"): 30.0}).records()
    assert set(labels(records, "loss")) == {"inconclusive"}
    assert row(records, "accuracy")["detail"] == "tuning: adam/cosine (improving)"
    assert stated(records)["statement"] == "inconclusive"


def test_at_the_one_minimum_of_a_convex_loss_tuning_does_not_matter(world, labels):
    assert set(labels(world(seeds=12, convex=True, alarming="adam").records(), "loss")) == {"similar"}
    missed = world(seeds=12, convex=True, alarming="adam", gradients={"sgd": 1e-3})
    assert set(labels(missed.records(), "loss")) == {"inconclusive"}


# --- controls


def test_controls_that_behave_leave_the_labels_alone(world, stated):
    found = stated(world(seeds=12, aa=True, different=True).records())
    assert (found["statement"], found["aa"], found["different"]) == (
        "supported",
        "nowhere different",
        "told apart everywhere",
    )
    assert "not run" not in found["reasons"]


def test_a_facet_that_cannot_tell_a_known_difference_may_not_say_similar(world, stated, labels):
    records = world(seeds=12, different=True, shift={("sgd~noise", "function"): 0.0}).records()
    assert labels(records, "function", "different") != ["different", "different"]
    assert labels(records, "function") == ["inconclusive"] * 2
    assert "no assay sensitivity" in row(records, "root_jsd")["detail"]
    found = stated(records)
    assert (found["statement"], found["different"]) == ("inconclusive", "not told apart: function")
    assert found["geometry"] == "similar"


def test_a_promised_known_difference_that_was_not_measured_shows_no_sensitivity(world, stated, labels):
    lost = {("sgd~noise", s): "diverged" for s in range(12)}
    records = world(seeds=12, different=True, lost=lost).records()
    assert labels(records, "function") == ["inconclusive"] * 2
    assert stated(records)["different"] == "promised, and has no result"
    never = world(seeds=12).records()
    assert labels(never, "function") == ["similar"] * 2
    never = replace(never, meta=replace(never.meta, roles={f"{SGD}~noise": {"role": "different", "of": SGD}}))
    assert labels(never, "function") == ["inconclusive"] * 2
    assert "promised, and not measured here" in row(never, "root_jsd")["detail"]


def test_one_facet_without_the_known_difference_is_not_similar(world, stated, labels):
    records = world(seeds=12, different=True).records()
    measured = records.measured
    noise = measured["one"].str.contains("~noise") & (measured["probe"] == "sharpness")
    records = replace(records, measured=measured[~noise])
    assert (labels(records, "geometry"), labels(records, "function")) == (["inconclusive"], ["similar"] * 2)
    assert stated(records)["different"] == "not measured: geometry"


def test_what_tuning_alone_produces_is_no_difference(world, stated, labels):
    moved = {("sgd~again", "function"): 6.0, ("adam", "function"): 6.0}
    records = world(seeds=12, seed=1, aa=True, shift=moved).records()
    assert labels(records, "function", "aa") == ["different"] * 2
    assert labels(records, "function") == ["inconclusive"] * 2
    assert "A/A" in row(records, "root_jsd")["detail"]
    assert stated(records)["aa"] == "different: function"


def test_a_difference_beyond_what_tuning_produces_stays_one(world, labels):
    moved = {("sgd~again", "function"): 5.0, ("adam", "function"): 25.0}
    assert labels(world(seeds=12, aa=True, shift=moved).records(), "function") == ["different"] * 2


# --- many pairs


def test_a_facet_is_similar_when_all_pairs_are_and_single_labels_pay_for_their_number(world):
    table = facets.compute(world(seeds=8, optimizers=("sgd", "adam", "rmsprop")).records())
    mine = table[(table["facet"] == "function") & table["primary"].astype(bool)]
    assert len(mine) == 6
    assert (mine["p_same_holm"] >= mine["p_same"]).all()
    assert mine["p_same_holm"].max() > mine["p_same"].max() or mine["p_same"].is_unique


def test_eight_seeds_can_show_a_difference_among_three_arms(world, stated):
    """Holm over all 27 p-values could not: none is below 1/128."""
    made = world(seeds=8, optimizers=("sgd", "adam", "rmsprop"), shift={("adam", "loss"): 30.0})
    assert stated(made.records())["statement"] == "refuted"


def test_two_measures_of_the_representation_must_agree(world, stated):
    records = world(seeds=12, shift={("adam", "representation"): 8.0}).records()
    measured = records.measured.copy()
    other = measured["name"] == "procrustes_penultimate"
    measured.loc[other, "value"] = 0.01
    found = stated(replace(records, measured=measured))
    assert (found["representation"], found["statement"]) == ("inconclusive", "inconclusive")
    assert "its measures disagree" in found["reasons"]


# --- searches


def test_three_searches_make_it_a_claim_about_the_optimizers(world, stated):
    records = world(seeds=6).records()
    fresh = records.comparison[records.comparison["role"] == "fresh"]
    more = [
        fresh.assign(
            role="replicate",
            replicate=h,
            run_id=fresh["run_id"] + f".{h}",
            test_accuracy=fresh["test_accuracy"] + h / 100,
        )
        for h in (1, 2)
    ]
    several = replace(
        records,
        comparison=type(fresh)(np.concatenate([records.comparison, *more]), columns=fresh.columns).infer_objects(),
    )
    found = row(several, "accuracy")
    assert (found["seeds"], found["covers"]) == (3, "3 searches, each the mean over its seeds")
    claim = "loss: about the optimizers; other facets: conditional on the first search"
    assert stated(several)["claim"] == claim
    assert stated(records)["claim"] == "conditional on these hyperparameters"
    assert (found["unit_kind"], row(records, "accuracy")["unit_kind"]) == ("searches", "seeds")
    assert row(several, "root_jsd")["unit_kind"] == "seeds"


def searched(records, searches):
    """Return the records with so many searches of each arm, each as good as the first one but for a little."""
    fresh = records.comparison[records.comparison["role"] == "fresh"]
    more = [
        fresh.assign(role="replicate", replicate=h, run_id=fresh["run_id"] + f".{h}", train_loss=fresh["train_loss"] + h / 1e4)
        for h in range(1, searches)
    ]  # fmt: skip
    table = type(fresh)(np.concatenate([records.comparison, *more]), columns=fresh.columns).infer_objects()
    return replace(records, comparison=table)


def test_of_three_searches_no_difference_can_be_said_and_that_is_said(world, stated):
    made = world(seeds=12, shift={("adam", "loss"): 30.0, ("adam", "function"): 6.0}).records()
    few, many = searched(made, 3), searched(made, 7)
    found = stated(few)
    assert (found["loss"], found["function"], found["searches"]) == ("inconclusive", "different", 3)
    assert "loss: with 3 searches nothing can be called different; 6 could" in found["reasons"]
    assert "searches would settle it" in found["reasons"]
    assert row(few, "accuracy")["p_different"] == 0.25
    assert row(few, "root_jsd")["p_different"] == 2.0**-11  # each kind of unit has arrangements of its own
    assert (stated(many)["loss"], stated(many)["statement"]) == ("different", "refuted")
    assert "nothing can be called different" not in stated(many)["reasons"]


def test_searches_and_seeds_are_two_blocks_for_holm(world):
    made = world(seeds=8, shift={("adam", "loss"): 30.0, ("adam", "function"): 25.0}).records()
    together, apart = made, searched(made, 8)
    assert row(together, "accuracy")["p_different_overall"] == 2.0**-7
    assert row(apart, "accuracy")["p_different_overall"] == 2 * 2.0**-7
    assert row(apart, "root_jsd")["p_different_overall"] >= 2.0**-7


def test_arms_of_unequal_steps_are_a_leaderboard(world, stated, labels):
    records = world(seeds=12).records()
    fresh = records.comparison[records.comparison["role"] == "fresh"]
    steps = [640 if "adam" in arm else 320 for arm in fresh["arm"]]
    records = replace(records, epochs=fresh[["run_id"]].assign(epoch=1, steps=steps))
    assert set(labels(records, "function")) == {"inconclusive"}
    found = stated(records)
    assert (found["statement"], found["loss"]) == ("inconclusive", "similar")
    assert "unequal numbers of steps (320, 640)" in found["reasons"]


def test_one_basin_is_said_only_of_a_barrier_that_is_low_for_sure(world):
    records = world(seeds=12).records()
    assert row(records, "aligned_error")["detail"] == ""
    measured = records.measured.copy()
    measured.loc[measured["name"] == "aligned_error", "value"] *= 0.2
    low = row(replace(records, measured=measured), "aligned_error")
    assert low["distance_high"] < 0.02
    assert low["detail"] == "one basin: the barrier between the arms is below 0.02"
