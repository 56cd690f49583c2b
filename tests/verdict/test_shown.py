"""The verdict as ``harness show`` tells it."""

from __future__ import annotations

import json
from dataclasses import replace

from harness.results.analysis import analyse
from harness.results.document import _metrics, show_lines
from harness.verdict.protocol import resolve
from harness.verdict.reading import TABLES, plain_verdict, read_verdicts, verdict_lines


def shown(records):
    """Return the verdict as ``harness show`` does."""
    return plain_verdict(read_verdicts(records.meta, analyse(records, TABLES).tables))


def test_the_document_has_every_number_a_label_was_made_from(world):
    records = world(replicates=12, aa=True, different=True, shift={("adam", "function"): 25.0}).records()
    found = json.loads(json.dumps(shown(records), allow_nan=False))
    assert (found["statement"], found["others"]) == ("value only", [])
    (network,) = found["networks"]
    assert (network["network"], network["regime"], network["statement"]) == ("lesson_cnn", "scratch", "value only")
    assert [each["state"] for each in network["gate"]] == ["at a minimum"] * 2
    assert {facet: each["label"] for facet, each in network["facets"].items()} == {
        "loss": "similar", "function": "different", "representation": "similar", "connectivity": "similar", "geometry": "similar",
    }  # fmt: skip
    wanted = {"estimate", "low", "high", "p_same", "p_different", "label", "margin", "replicates", "arm", "other"}
    for facet in network["facets"].values():
        assert facet["pairs"]
        assert all(wanted <= set(pair) for pair in facet["pairs"])
        assert {each["pair"] for each in facet["controls"]} == {"aa", "different"}
    floors = [pair["floor"] for pair in network["facets"]["function"]["pairs"]]
    assert floors == [0.002, 0.01, 0.002]
    assert network["facets"]["function"]["look"] == 1
    assert [network[name] for name in ("look", "looks", "replicates", "seeds_per_replicate")] == [1, 1, 12, 2]
    assert all(isinstance(network[name], int) for name in ("replicates", "replicates_promised", "seeds_per_replicate"))
    assert isinstance(network["facets"]["loss"]["pairs"][0]["replicates"], int)
    assert [line.split(":")[0] for line in network["lines"]] == list(network["facets"])
    assert network["doubts"] == []


def test_what_is_open_says_how_many_replicates_it_needs(world):
    found = shown(world(replicates=4).records())
    pairs = found["networks"][0]["facets"]["representation"]["pairs"]
    assert found["statement"] == "inconclusive"
    assert all(pair["replicates_needed"] > 4 for pair in pairs if pair["label"] == "inconclusive")


def test_a_later_protocol_stands_beside_the_first_one(world):
    records = world(replicates=12).records()
    entries = []
    for replicates, when in ((8, "before the comparison"), (12, "after 32 comparison runs had ended")):
        plain = {**records.meta.benchmark, "compare": {"looks": [replicates], "seeds": 2, "fit": 0.01}}
        protocol = resolve(plain, records.meta.arms, list(records.meta.metrics), classes=2)
        entries.append({"hash": protocol.hash, "protocol": protocol.plain(), "registered": when})
    records = replace(records, meta=replace(records.meta, protocols=entries))
    found = shown(records)
    assert found["hash"] == entries[0]["hash"]
    assert [other["hash"] for other in found["others"]] == [entries[1]["hash"]]
    lines = verdict_lines(found)
    assert lines[0] == (
        f"do they reach the same minimum? {found['statement']} (protocol {found['hash'][:12]}, "
        "registered before the comparison)"
    )
    assert sum(line.startswith("do they reach") for line in lines) == 2


def test_nothing_compared_says_nothing(world):
    records = world().records()
    assert shown(type(records)(**{**vars(records), "comparison": records.comparison.iloc[:0]})) is None


def test_an_arm_whose_runs_have_no_finite_metric_is_said_as_it_is():
    found = {
        "name": "tiny", "state": "finished", "data": {"source": "made up", "notice": ""}, "metric": "accuracy",
        "metrics": {"accuracy": {"goal": "max", "unit": "%"}}, "notes": [], "left_out": [], "preset": None,
    }  # fmt: skip
    arm = {"arm": "net/sgd/cosine", "tuned": {"params": {}}, "rank": 1, "score": {"n": 0, "draws": 0, "over": "seeds"}}
    done = {**found, "arms": [{**arm, "seeds": [{"state": "done", "metrics": {}}] * 3}]}
    lost = {**found, "arms": [{**arm, "seeds": [{"state": "failed", "metrics": {}}] * 3}]}
    assert show_lines(done)[1:] == ["  net/sgd/cosine: none of its 3 comparison runs has a finite test accuracy"]
    assert show_lines(lost)[1:] == ["  net/sgd/cosine: no finished comparison run"]


def test_the_numbers_of_a_run_are_those_of_the_tasks_metrics_and_of_probes(world):
    """Whatever else a run comes to hold is no number of it, and takes nothing down."""
    records = world().records()
    row = records.runs.iloc[0].to_dict() | {"note": "a text", "tta_test_accuracy": 0.5, "running_loss": 0.1}
    records = type(records)(**{**vars(records), "runs": type(records.runs)([row])})
    assert set(_metrics(records.runs.iloc[0], records)) == {
        "test_accuracy", "tune_accuracy", "tta_test_accuracy", "test_loss", "tune_loss", "train_loss", "running_loss",
        "train_error",
        "gradient_norm.relative", "gradient_norm.excess",
    }  # fmt: skip
