"""Protocols beside each other, networks together, tables as they are kept, and how often identical arms are called apart."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.verdict.course import courses_of
from harness.verdict.protocol import register, resolve, standing_protocol
from harness.verdict.tables import facets, gate, influence, omnibus, twins, verdict


class Notes(dict):
    def note(self, key, value):
        self[key] = value

    def noted(self, key):
        return self.get(key)


def registered(meta, **changes):
    """Register the protocol of a benchmark with other margins or looks."""
    plain = json.loads(json.dumps(meta.benchmark))
    plain["verdict"]["margins"] |= changes.pop("margins", {})
    plain["compare"] |= changes
    return resolve(plain, meta.arms, list(meta.metrics), classes=len(meta.data["classes"]))


def test_changed_margins_are_a_new_verdict_beside_the_old_one(world):
    records = world(replicates=12, shift={("adam", "function"): 4.0}).records()
    notes = Notes()
    first = register(notes, registered(records.meta), 0)
    second = register(notes, registered(records.meta, margins={"function": 2.0, "scatter": 2.0}), 24)
    records = replace(records, meta=replace(records.meta, protocols=notes["protocols"]))
    table = verdict.compute(records)
    found = table[table["scope"] == "network"].set_index("hash")
    assert found.loc[first, "registered"] == "before the comparison"
    assert found.loc[second, "registered"] == "after 24 comparison runs had ended"
    assert found.loc[first, "function"] != "similar" == found.loc[second, "function"]
    assert set(facets.compute(records)["hash"]) == {first, second} == set(gate.compute(records)["hash"])


@pytest.mark.parametrize("what", ["search", "extension", "options", "version", "control"])
def test_a_protocol_whose_measurements_were_replaced_is_not_judged(world, what):
    records = world(replicates=12).records()
    meta, notes = records.meta, Notes()
    meta.benchmark["compare"] |= {"probes": ["sharpness"], "aa": False}
    meta = replace(meta, probes={"sharpness": {"version": "one"}})
    first = register(notes, resolve(meta.benchmark, meta.arms, list(meta.metrics), {"sharpness": "one"}, classes=2), 0)
    records = replace(records, meta=replace(meta, protocols=notes["protocols"]))
    assert verdict.compute(records).iloc[0]["statement"] == "supported"
    if what == "search":
        meta.benchmark["search"] = {**meta.benchmark["search"], "trials": 9}
    elif what == "extension":
        extension = {"arm": meta.arms[0], "why": ["edge"], "ranges": {}, "extra": 2.0, "after": [5]}
        meta = replace(meta, extensions=[extension])
    elif what == "options":
        meta.benchmark["compare"] |= {"probe_options": {"sharpness": {"steps": 3}}}
    elif what == "version":
        meta = replace(meta, probes={"sharpness": {"version": "two"}})
    else:
        meta.benchmark["compare"] |= {"aa": True}
    versions = {"sharpness": meta.probes["sharpness"]["version"]}
    now = resolve(meta.benchmark, meta.arms, list(meta.metrics), versions, meta.extensions, 2)
    second = register(notes, now, 24)
    records = replace(records, meta=replace(meta, protocols=notes["protocols"]))
    assert first != second
    found = verdict.compute(records)
    found = found[found["scope"] == "network"].set_index("hash")
    assert (found.loc[first, "statement"], found.loc[first, "loss"]) == ("inconclusive", "inconclusive")
    keys = {"search": "search.trials", "extension": "extensions", "options": "probes.sharpness.options.steps",
            "version": "probes.sharpness.version", "control": "compare.aa"}  # fmt: skip
    line = f"changed: what was registered has been changed since: {keys[what]}; its measurements were replaced"
    assert found.loc[first, "doubts"].splitlines()[0] == line
    assert found.loc[second, "statement"] == "supported"
    assert found.loc[second, "registered"] == "after 24 comparison runs had ended"
    assert "different" not in set(facets.compute(records).query("hash == @first")["label"])


def test_trials_are_those_of_the_arm_with_the_fewest(world, stated):
    records = world(replicates=6).records()
    last = (records.trials["arm"] == "lesson_cnn/adam/cosine") & (records.trials["number"] > 2)
    assert stated(records)["trials"] == 5
    assert stated(replace(records, trials=records.trials[~last]))["trials"] == 3


def test_a_protocol_of_fewer_replicates_is_judged_by_the_first_of_them(world):
    records = world(replicates=12).records()
    notes = Notes()
    register(notes, registered(records.meta, looks=[8]), 0)
    register(notes, registered(records.meta), 16)
    records = replace(records, meta=replace(records.meta, protocols=notes["protocols"]))
    table = facets.compute(records)
    comparison = records.comparison[records.comparison["replicate"] < 8]
    few = facets.compute(replace(records, comparison=comparison))
    assert list(table.loc[table["measure"] == "accuracy", "replicates"]) == [8, 12]
    both = [each.loc[each["measure"] == "root_jsd", "estimate"].iloc[0] for each in (table, few)]
    assert both[0] == both[1]


def test_networks_that_agree_and_networks_that_do_not(world, joined):
    same = [world(replicates=12, network=n, seed=s).records() for n, s in (("one", 0), ("two", 3))]
    pooled = verdict.compute(joined(*same)).iloc[-1]
    assert (pooled["scope"], pooled["statement"], pooled["network"]) == ("pooled", "supported", "all 2 networks")
    far = world(replicates=12, network="two", shift={("adam", "loss"): 30.0}).records()
    pooled = verdict.compute(joined(same[0], far)).iloc[-1]
    assert (pooled["statement"], pooled["cells"]) == ("mixed", "supported: one; refuted: two")


def test_a_facet_that_does_not_apply_to_one_network_has_the_word_of_the_others(world, joined):
    frozen = world(replicates=12, network="one", convex=True).records()
    trained = world(replicates=12, network="two", seed=3).records()
    table = verdict.compute(joined(frozen, trained))
    assert list(table["representation"]) == ["not applicable", "similar", "similar"]
    assert table["statement"].iloc[-1] == "supported"


@pytest.mark.parametrize(("replicates", "expected"), [(4, True), (16, False)])
def test_a_small_design_is_exploratory(world, stated, replicates, expected):
    found = stated(world(replicates=replicates).records())
    assert found["exploratory"] == expected == (found["power"] < 0.5)
    too_small = "power: there are few replicates: even identical arms would be called similar" in found["doubts"]
    assert too_small == (expected and found["statement"] == "inconclusive")  # beside any other word it says nothing


def test_identical_arms_are_rarely_called_apart(world):
    """40 times: at most 4 have a facet that is different, the binomial bound at .05."""
    words = []
    for seed in range(40):
        records = world(replicates=6, seed=seed, examples=100).records()
        records = replace(records, trials=records.trials.iloc[:0])
        (course,) = courses_of(records, standing_protocol(records.meta))
        words.append({course.word(facet) for facet in course.network.protocol.primaries})
    assert stats.binom.ppf(0.95, 40, 0.05) == 4
    assert sum("different" in found for found in words) <= 4
    assert sum("similar" in found for found in words) >= 36  # and the bound is not kept by never saying anything


def test_tables_fit_into_files_and_a_second_time_are_the_same(world, tmp_path):
    records = world(replicates=6, aa=True, different=True).records()
    for module in (facets, gate, influence, omnibus, twins, verdict):
        analysis = module.ANALYSIS
        table = analysis.compute(records)
        assert list(table.columns) == list(module.COLUMNS)
        assert analysis.compute(records).equals(table)
        table.to_parquet(tmp_path / f"{analysis.name}.parquet")


def test_nothing_compared_is_no_verdict(world):
    records = world().records()
    empty = type(records)(**{**vars(records), "comparison": records.comparison.iloc[:0]})
    for module in (facets, gate, influence, omnibus, twins, verdict):
        assert len(module.compute(empty)) == 0


def test_secondary_measures_decide_nothing(world):
    table = facets.compute(world(replicates=8, shift={("adam", "loss"): 30.0}).records())
    rows = table[~table["primary"].astype(bool)].set_index("measure")
    assert set(rows["label"]) == {""}
    better = rows.loc["accuracy: P(arm better)"]
    assert (better["estimate"], better["high"]) == (1.0, 1.0)
    assert better["low"] == pytest.approx(0.05 ** (1 / 8))  # eight of eight replicates, at 90 %: no certainty
    assert rows.loc["accuracy: IQM difference", "estimate"] == pytest.approx(0.03, abs=0.003)
    assert {"cka_block1", "naive_error", "test_loss", "cka_penultimate"} <= set(rows.index)
    assert -1 <= rows.loc["Cohen's kappa of errors, between the arms", "estimate"] <= 1


# --- all arms at once, and twins


def test_the_omnibus_test_sees_what_the_pairs_see(world):
    near = omnibus.compute(world(replicates=6, seed=1).records()).set_index("measure")
    far = omnibus.compute(world(replicates=6, seed=1, shift={("adam", "representation"): 8.0}).records()).set_index(
        "measure"
    )
    assert far.loc["cka_within_penultimate", "p"].min() == 2.0**-5 < near.loc["cka_within_penultimate", "p"].min()
    assert far.loc["cka_within_penultimate", "r2"].min() > 0.4
    assert (far.loc["cka_within_penultimate", "spread_p"] > 0.05).all()


def test_pairs_of_one_replicate_have_no_part_in_the_p_value(world):
    """Probes leave them out. With them, as the predictions have them, p is the same."""
    from harness.statistics.omnibus import permanova, permdisp
    from harness.verdict.tables.omnibus import fill_same_replicates

    points = np.random.default_rng(0).standard_normal((3, 5, 4))
    points[2] += 0.7
    whole = np.linalg.norm(points[:, :, None, None] - points[None, None], axis=-1).reshape(15, 15)
    holes = whole.copy()
    same = (np.arange(15)[:, None] % 5 == np.arange(15) % 5) & ~np.eye(15, dtype=bool)
    holes[same] = np.nan
    shape = (3, 5, 3, 5)
    whole, holes = whole.reshape(shape), holes.reshape(shape)
    filled, any_filled = fill_same_replicates(holes)
    assert any_filled
    assert np.isfinite(filled).all()
    assert np.isnan(holes).any()  # what it is given stays as it was
    assert fill_same_replicates(whole)[1] is False
    assert permanova(filled).p == permanova(whole).p
    assert permdisp(filled) == permdisp(whole)
    assert permanova(filled).r2 == pytest.approx(permanova(whole).r2, abs=0.1)


def test_the_omnibus_test_needs_every_pair(world):
    table = omnibus.compute(world(replicates=6, offsets=(1,)).records()).set_index("measure")
    assert table.loc["excess_barrier", "p"].isna().all()
    assert set(table.loc["excess_barrier", "note"]) == {"not every pair of networks was measured"}
    assert table.loc["excess_barrier", "within"].notna().all()
    assert table.loc["root_jsd", "p"].notna().all()


def test_twins_compare_the_optimizer_with_the_order_of_the_data(world):
    """Predictions by hand: twins differ by 0.1 in probability, the arms by 0.4, in all of four examples."""
    records = world(replicates=3).records()
    fresh = records.comparison[records.comparison["role"] == "fresh"]
    again = fresh.assign(role="twin", run_id=fresh["run_id"] + ".twin", order_seed=99)
    flips = {}
    for _, run in fresh.iterrows():
        flips[run["run_id"]] = 4 if "adam" in run["arm"] else 0
        flips[run["run_id"] + ".twin"] = flips[run["run_id"]] + 1
    for run_id, count in flips.items():
        one = (np.arange(10) < count).astype(np.float32)
        records.kept[run_id, "test"] = np.stack([1 - one, one], axis=1)
    together = type(fresh)(np.concatenate([records.comparison, again]), columns=fresh.columns).infer_objects()
    table = twins.compute(type(records)(**{**vars(records), "comparison": together})).set_index("measure")
    found = table.loc["disagreement"]
    assert (found["within"], found["between"]) == pytest.approx((0.1, 0.4))  # (5 + 3) / 2 of 10 between
    assert (found["rho"], found["inits"]) == (pytest.approx(4.0), 6)
    assert np.isnan(
        [found["rho_low"], found["rho_high"], found["low"], found["se"]]
    ).all()  # no start differs from another


def test_what_is_not_known_of_a_ratio_is_nan():
    from harness.statistics.pairwise import Estimate
    from harness.verdict.estimate_columns import estimate_columns

    found = estimate_columns(Estimate(np.log(2), -np.inf, np.inf, np.nan, 2), "log rho")
    assert found["rho"] == pytest.approx(2)
    assert np.isnan([found[name] for name in ("rho_low", "rho_high", "low", "high", "se")]).all()


def test_arms_with_objectives_of_their_own_are_not_compared_by_their_minima(world, stated, labels):
    records = world(replicates=12).records()
    records.meta.benchmark["search"]["objective"] = "free"
    assert set(labels(records, "function")) == {"inconclusive"}
    assert set(labels(records, "loss")) == {"similar"}
    said = stated(records)
    assert said["statement"] == "no verdict"
    assert "an objective of its own" in said["doubts"]


def test_a_loss_that_is_different_refutes_nothing_where_each_arm_has_an_objective_of_its_own(world, stated):
    apart = world(replicates=12, shift={("sgd", "loss"): 60.0})
    assert stated(apart.records())["statement"] == "refuted"
    records = apart.records()
    records.meta.benchmark["search"]["objective"] = "free"
    assert stated(records)["statement"] == "no verdict"


def test_an_arm_below_its_defaults_leaves_the_loss_open_by_each_protocols_own_margin(world):
    """It lies one point below: more than half of a margin of .5 points, less than half of one of 3 points."""
    records = world(replicates=12).records()
    first = records.comparison[records.comparison["role"] == "fresh"].head(3)
    untuned = first.assign(role="untuned", arm="lesson_cnn/sgd~untuned/cosine", tune_accuracy=0.96)
    untuned["run_id"] += ".untuned"
    notes = Notes()
    strict = register(notes, registered(records.meta), 0)
    wide = register(notes, registered(records.meta, margins={"accuracy": 0.03}), 24)
    records = replace(records, meta=replace(records.meta, protocols=notes["protocols"]))
    assert set(verdict.compute(records)["loss"]) == {"similar"}
    both = pd.concat([records.comparison, untuned], ignore_index=True)
    records = replace(records, comparison=both)
    found = verdict.compute(records).query("scope == 'network'").set_index("hash")
    assert (found.loc[strict, "loss"], found.loc[wide, "loss"]) == ("inconclusive", "similar")
    assert (
        "loss: sgd is worse than its own defaults by more than half the margin"
        in found.loc[strict, "reasons"].splitlines()
    )
    doubt = "defaults: sgd is worse than its own defaults by more than half the margin"
    assert found.loc[strict, "doubts"].splitlines()[0] == doubt


def test_an_arm_at_chance_leaves_the_loss_open(world):
    records = world(replicates=12).records()
    for score, label in ((0.5, "similar"), (0.95, "inconclusive")):
        records = replace(
            records,
            meta=replace(
                records.meta, constant={"answer": "cat", "scores": {"tune": {"accuracy": {"score": score, "se": 0.01}}}}
            ),
        )
        fresh = type(records)(**vars(records))  # what was worked out of other records is not kept
        row = verdict.compute(fresh).iloc[0]
        assert row["loss"] == label
    why = [f"{arm} is not shown to be better than a constant answer" for arm in ("sgd", "adam")]
    assert f"loss: {'; '.join(why)}" in row["reasons"].splitlines()
    doubts = [f"chance: {arm} is not shown to be better than a constant answer" for arm in ("sgd", "adam")]
    assert row["doubts"].splitlines()[:2] == doubts
