"""The words of the second edition: scatter, two words of connectivity, three rho, calibrated loss; lines and doubts."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from harness.results.analysis import analyse
from harness.verdict.doubts import KINDS, Doubt, ranked, read_doubts
from harness.verdict.lines import interval_name
from harness.verdict.reading import TABLES, plain_verdict, read_verdicts, verdict_lines
from harness.verdict.tables import facets

SGD, ADAM = "lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"


def row(records, measure):
    table = facets.compute(records)
    return table[(table["measure"] == measure) & (table["pair"] == "arms") & table["primary"].astype(bool)].iloc[0]


def measured_as(records, name, change):
    """Return the records with other values of a number that a probe measured."""
    measured = records.measured.copy()
    rows = measured["name"] == name
    measured.loc[rows, "value"] = change(measured[rows])
    return replace(records, measured=measured)


def between_arms(rows):
    return rows["one"].str.contains("sgd") != rows["other"].str.contains("sgd")


# --- scatter


def test_an_arm_that_scatters_twice_as_widely_is_not_similar(world, stated):
    """The centres are the same. Rho is 1.05, which alone would be similar."""
    records = world(replicates=12, noise={("adam", "function"): 2.0, ("adam", "representation"): 2.0}).records()
    found = stated(records)
    assert found["function"] != "similar"
    assert found["representation"] != "similar"
    assert found["statement"] != "supported"
    assert np.exp(row(records, "function_scatter")["estimate"]) < 1 / 1.25
    assert row(records, "cka_within_penultimate")["rho"] < 1.1


def test_the_scatter_of_a_facet_is_that_of_its_first_distance(world):
    records = world(replicates=8).records()
    found, first = row(records, "function_scatter"), row(records, "disagreement")
    assert found["estimate"] == pytest.approx(np.log(first["within"] / first["within_other"]))
    assert (found["margin"], found["floor"]) == (pytest.approx(np.log(1.25)), first["floor"])
    assert found["distance"] == pytest.approx(abs(first["within"] - first["within_other"]))
    assert np.isnan(found["p_permuted"])


# --- connectivity


def test_every_pair_far_apart_is_not_connected(world, stated):
    records = world(replicates=12).records()
    records = measured_as(records, "aligned_error", lambda rows: 0.45 + rows["value"])
    found = stated(records)
    assert (found["connectivity"], found["statement"]) == ("not connected", "inconclusive")
    assert row(records, "excess_barrier")["label"] == "similar"
    assert row(records, "barrier")["label"] == "different"
    assert "connectivity: not connected, and no further apart than two searches of one arm: barrier" in found["reasons"]
    near = world(replicates=12).records()
    assert stated(near)["connectivity"] == "similar"


def test_a_barrier_that_is_higher_between_arms_is_different(world, stated):
    records = measured_as(
        world(replicates=12).records(), "aligned_error", lambda rows: rows["value"] + 0.3 * between_arms(rows)
    )
    assert stated(records)["connectivity"] == "different"


def test_a_barrier_around_the_margin_is_open(world, stated):
    records = world(replicates=6).records()
    random = np.random.default_rng(0)
    records = measured_as(records, "aligned_error", lambda rows: random.uniform(0.0, 0.04, len(rows)))
    assert stated(records)["connectivity"] == "inconclusive"


@pytest.mark.parametrize(("movable", "word"), [(0.9, "similar"), (0.89, "upper bound only")])
def test_where_few_units_can_be_moved_a_barrier_is_an_upper_bound_only(world, stated, movable, word):
    found = stated(world(replicates=12, movable=movable).records())
    assert found["connectivity"] == word
    if word != "similar":
        assert found["statement"] == "inconclusive"
        assert "connectivity: upper bound only: 89% of the hidden units could be moved" in found["reasons"]


def with_number(records, name, value):
    """Return the records with one more number of every pair that the probe of connectivity measured."""
    measured = records.measured
    more = measured[measured["name"] == "aligned_error"].assign(name=name, value=value)
    return replace(
        records, measured=type(measured)(np.concatenate([measured, more]), columns=measured.columns).infer_objects()
    )


def test_a_bent_path_counts_for_the_barrier_and_not_for_its_excess(world, stated):
    high = measured_as(world(replicates=12).records(), "aligned_error", lambda rows: 0.3 + rows["value"])
    bent = with_number(high, "path_error", 0.001)
    assert (stated(high)["connectivity"], stated(bent)["connectivity"]) == ("not connected", "similar")
    assert stated(high)["power"] == 0.0 < stated(bent)["power"]  # the barrier that is judged is the one that is drawn
    assert row(bent, "barrier")["covers"].startswith("path_error where a path was walked, else aligned_error; ")
    assert row(bent, "excess_barrier")["estimate"] == row(high, "excess_barrier")["estimate"]


def test_without_batch_norm_the_repaired_barrier_counts(world, stated):
    high = measured_as(world(replicates=12).records(), "aligned_error", lambda rows: 0.3 + rows["value"])
    repaired = with_number(high, "repaired_error", 0.001)
    assert stated(repaired)["connectivity"] == "similar"
    assert row(repaired, "barrier")["covers"].startswith("repaired_error; ")


# --- geometry


def test_three_rho_give_one_word_if_they_agree(world, stated):
    records = world(replicates=12).records()
    adam = lambda rows: np.where(rows["one"].str.contains("adam"), 3.0, 1.0)  # noqa: E731
    for names, word in (
        (("value_0.002",), "inconclusive"),
        (("value_0.001", "value_0.002"), "inconclusive"),
        (("value_0.001", "value_0.002", "value_0.005"), "different"),
    ):
        other = records
        for name in names:
            other = measured_as(other, name, lambda rows: rows["value"] * adam(rows))
        assert stated(other)["geometry"] == word
    assert stated(records)["geometry"] == "similar"


def test_the_floor_of_sharpness_grows_with_rho_squared(world):
    records = world(replicates=6).records()
    floors = [row(records, f"sharpness_00{rho}")["floor"] for rho in (1, 2, 5)]
    assert floors == pytest.approx([0.002, 0.008, 0.05])
    tiny = records
    for name in ("value_0.001", "value_0.002", "value_0.005"):
        tiny = measured_as(tiny, name, lambda rows: rows["value"] / 1000)
    assert [row(tiny, f"sharpness_00{rho}")["below_floor"] for rho in (1, 2, 5)] == [True] * 3


# --- calibrated loss


def test_an_arm_that_is_surer_and_answers_alike_is_not_refuted(world, stated):
    """Its logits are twice as large: the raw loss is more than 1.25 times as high, the calibrated one the same."""
    records = world(replicates=8, examples=2000).records()
    random = np.random.default_rng(5)
    logits = random.normal(0, 2, (2, 2000))
    chance = 1 / (1 + np.exp(-logits))
    truth = (random.random((2, 2000)) < chance).astype(int)
    truths, chances = (dict(zip(("test", "tune"), values, strict=True)) for values in (truth, logits))
    kept = {}
    for run, split in records.kept:
        factor = 4.0 if "adam" in run else 2.0
        p = 1 / (1 + np.exp(-factor * (chances[split] + 0.05 * random.standard_normal(2000))))
        kept[run, split] = np.stack([1 - p, p], axis=1).astype(np.float32)
    raw = {
        run: -np.log(np.maximum(p[np.arange(2000), truth[0]], 1e-30)).mean()
        for (run, split), p in kept.items()
        if split == "test"
    }
    comparison = records.comparison.assign(test_loss=records.comparison["run_id"].map(raw))
    records = replace(records, comparison=comparison, kept=kept, truth=truths)
    losses = comparison[comparison["role"] == "fresh"].groupby("arm")["test_loss"].mean()
    assert losses[ADAM] > 1.25 * losses[SGD]
    assert row(records, "calibrated_loss")["label"] == "similar"
    assert abs(row(records, "calibrated_loss")["estimate"]) < np.log(1.02)
    assert stated(records)["loss"] == "similar"
    table = facets.compute(records)
    raw_row = table[(table["measure"] == "test_loss") & (table["pair"] == "arms")].iloc[0]
    assert not raw_row["primary"]
    assert raw_row["estimate"] == pytest.approx(np.log(losses[SGD] / losses[ADAM]), abs=0.02)


def test_a_worse_objective_alone_makes_the_loss_different(world, stated):
    records = world(replicates=8).records()
    comparison = records.comparison.copy()
    comparison.loc[comparison["arm"] == ADAM, "train_objective"] += 0.08
    assert stated(replace(records, comparison=comparison))["loss"] == "different"


# --- the statement's line


def test_the_line_says_the_word_the_look_the_size_and_how_probable_it_is(world, stated):
    made = world(
        optimizers=("sgd", "rmsprop"), replicates=12, looks=(3, 6, 12), shift={("sgd", "loss"): 14.0}, scatter=0.001
    )
    records = made.records()
    line = stated(records)["lines"].splitlines()[0]
    shown = row(records, "accuracy")
    look, count = int(stated(records)["look_loss"]), int(shown["replicates"])
    assert shown["estimate"] < -0.005
    ends = f"{-100 * shown['high']:.2f} to {-100 * shown['low']:.2f}"
    size = f"{-100 * shown['estimate']:.2f} points of test accuracy ({interval_name(shown['level'])} {ends})"
    assert line == (
        f"loss: different (look {look} of 3, {count} searches x 2 seeds): rmsprop ahead of sgd by {size}; "
        f"P(beyond 0.50) {shown['p_below']:.2f}"
    )


def test_every_facet_has_a_line(world, stated):
    shift = {("adam", "function"): 6.0, ("adam", "geometry"): 20.0}
    found = stated(world(replicates=12, shift=shift, probes=("representation", "sharpness")).records())
    lines = dict(line.split(": ", 1) for line in found["lines"].splitlines())
    assert list(lines) == ["loss", "function", "representation", "connectivity", "geometry"]
    assert lines["loss"].startswith("similar (look 1 of 1, 12 searches x 2 seeds): ")
    assert "; P(within " in lines["loss"]
    assert " between sgd and adam 1." in lines["function"]
    assert " times that within them (90 % interval 1." in lines["function"]
    assert "); P(beyond 1.10) " in lines["function"]
    assert lines["connectivity"].startswith("not measured: add 'connectivity' to compare.probes: harness run ")
    assert "adam sharper than sgd by a factor of " in lines["geometry"]


def test_the_line_of_what_lies_below_the_floor_says_that_its_size_does_not_matter(world, stated):
    """The arms differ by a large factor, of next to nothing."""
    shift = {("sgd", "geometry"): -120.0, ("adam", "geometry"): -100.0}
    found = stated(world(replicates=12, shift=shift, probes=("sharpness",)).records())
    line = found["lines"].splitlines()[4]
    assert found["geometry"] == "similar"
    assert line.startswith(
        "geometry: similar (look 1 of 1, 12 searches x 2 seeds): adam sharper than sgd by a factor of "
    )
    assert " nats, and below " in line
    assert line.endswith(" nats no ratio matters")
    assert "P(" not in line


def test_the_line_of_a_facet_that_is_barred_says_why(world, stated):
    found = stated(world(replicates=12, restart_gain={"adam": 0.1}).records())
    line = found["lines"].splitlines()[1]
    assert line == "function: inconclusive (look 1 of 1, 12 searches x 2 seeds): adam is not shown to be at a minimum"


def test_an_interval_is_named_by_the_level_of_its_tests():
    assert [interval_name(level) for level in (0.05, 0.025, 0.0125)] == [
        "90 % interval", "95 % interval", "97.5 % interval",
    ]  # fmt: skip


# --- doubts


def test_doubts_are_ranked_and_read_back(world, stated):
    shuffled = [Doubt(kind, f"because of {kind}: so") for kind in reversed(KINDS)]
    assert [doubt.kind for doubt in ranked(shuffled)] == list(KINDS)
    text = "\n".join(map(str, ranked(shuffled)))
    assert read_doubts(text) == list(ranked(shuffled))
    made = world(replicates=6, lost={("adam", 1): "failed"}, restart_gain={"sgd": 0.1}, aa=True)
    kinds = [doubt.kind for doubt in read_doubts(stated(made.records())["doubts"])]
    assert kinds == sorted(kinds, key=KINDS.index)
    assert kinds[:2] == ["lost", "minimum"]
    assert "uncontrolled" in kinds


def test_the_console_and_the_document_begin_with_the_doubts(world):
    records = world(replicates=12, lost={("adam", 1): "failed"}).records()
    found = plain_verdict(read_verdicts(records.meta, analyse(records, TABLES).tables))
    network = json.loads(json.dumps(found, allow_nan=False))["networks"][0]
    assert network["doubts"][0] == {"kind": "lost", "text": "adam lost 1 of 12 replicates (1 failed)"}
    lines = verdict_lines(found)
    assert lines[2] == "    doubt: adam lost 1 of 12 replicates (1 failed)"
    first = next(place for place, line in enumerate(lines) if line.startswith("    loss: "))
    assert all(line.startswith("    doubt: ") for line in lines[2:first])
