"""Tasks of other people: whatever they measure, there is a verdict, and it says what it had to do without."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from harness.console.progress import Reporter
from harness.plugin.discovery import discover
from harness.records import open_records
from harness.results.analysis import analyse
from harness.running.prepare import Request
from harness.running.start import run
from harness.verdict.tables import facets, gate, omnibus, twins, verdict

SETTINGS = (
    "search.trials=1", "compare.looks=[3]", "compare.seeds=1", "compare.untuned=1", 'compare.probes=["connectivity"]', "compare.gate=true",
    "compare.probe_options.connectivity={alphas=3, images=32, bn_images=32, activations=32}",
)  # fmt: skip


@pytest.fixture
def carried_out(benchmark_file, tmp_path, unreported):
    """Return a function that runs a tiny benchmark with a task's file and returns its records."""

    def start(text, name):
        plugin = tmp_path / "task.py"
        plugin.write_text(text)
        request = Request(
            benchmark_file(), out=tmp_path / "runs", plugins=(plugin,),
            overrides=(*SETTINGS, f'train.task="{name}"'),
        )  # fmt: skip
        assert run(request, Reporter(quiet=True), ["harness", "run"]) == 0
        return open_records(next((tmp_path / "runs").iterdir()))

    return start


@pytest.fixture
def documented(repository):
    """Return the task that docs/plugins.md shows."""
    texts = re.findall(r"^```python\n(.*?)^```", (repository / "docs" / "plugins.md").read_text(), re.M | re.S)
    (found,) = [text for text in texts if "def harness_tasks" in text]
    return found


def test_the_documented_task_without_a_metric_loss_has_a_verdict(carried_out, documented):
    records = carried_out(documented, "logistic")
    results = analyse(records, discover().all("analysis"))
    assert results.problems == ()
    rows = results.tables["facets"].query("primary and pair == 'arms'").set_index("measure")
    measured = rows.loc[["accuracy", "train_loss", "disagreement"]]
    assert set(measured["replicates"]) == {3}
    assert "not measured" not in set(measured["label"])
    assert (
        records.measured.query("name == 'naive_error'")["value"].max() > 0
    )  # one output does not name one class for all
    assert records.meta.metrics["loss"] == {"goal": "min", "unit": "", "each": False}
    for row in records.compared().to_dict("records"):  # the loss is that of the predictions: cross-entropy
        p = records.predictions(row["run_id"]).astype(float)
        right = np.where(records.targets == 1, p, 1 - p)
        assert row["test_loss"] == pytest.approx(-np.log(right).mean(), rel=1e-4)
        assert 0.3 < row["train_loss"] < 1.5
    states = gate.compute(records)
    errors = 1 - records.compared().groupby("arm")["train_accuracy"].mean()
    assert dict(states[["arm", "train_error"]].itertuples(index=False)) == pytest.approx(errors.to_dict())
    assert records.meta.constant["scores"]["test"]["loss"]["score"] == pytest.approx(np.log(2), abs=1e-3)


ODD = '''
"""Two classes, scored in a way of its own."""

from harness import Metric, Task, hookimpl
from harness_plugins.tasks.classification import loss, outputs


def f1(predictions, targets):
    named = predictions.argmax(1) == 1
    return float(2 * (named & (targets == 1)).sum() / max(1, named.sum() + (targets == 1).sum()))


@hookimpl
def harness_tasks():
    """Offer odd."""
    return [Task("odd", outputs, loss, lambda outputs: outputs.softmax(1), {"f1": Metric(f1, "max")})]
'''


def test_a_task_without_accuracy_and_loss_has_a_verdict(carried_out):
    records = carried_out(ODD, "odd")
    results = analyse(records, discover().all("analysis"))
    assert results.problems == ()
    labels = results.tables["facets"].query("primary and pair == 'arms'").set_index("measure")["label"]
    assert list(labels.index) == [
        "objective", "train_loss", "test_loss", "prediction_distance", "function_scatter", "cka_penultimate",
        "procrustes_penultimate", "representation_scatter", "barrier", "excess_barrier", "sharpness_001", "sharpness_002",
        "sharpness_005",
    ]  # fmt: skip
    assert labels["sharpness_001"] == "not measured"  # nobody asked for it
    assert results.tables["verdict"].iloc[0]["statement"] == "inconclusive"


@pytest.mark.parametrize("column", ["train_objective", "train_loss", "test_accuracy", "train_error"])
def test_a_column_that_is_not_there_is_a_missing_measure(world, column):
    records = world(replicates=6).records()
    records = replace(records, meta=replace(records.meta, metrics={"accuracy": records.meta.metrics["accuracy"]}))
    missing = type(records)(**{**vars(records), "comparison": records.comparison.drop(columns=column)})
    tables = [each.compute(missing) for each in (facets, gate, verdict, omnibus, twins)]
    if column.startswith("train_") and column != "train_error":
        row = tables[0].set_index("measure").loc[column.removeprefix("train_") if "objective" in column else column]
        assert (row["label"], row["detail"]) == ("not measured", f"the task has no metric '{column[6:]}'")
        assert tables[2].iloc[0]["loss"] == "inconclusive"


@pytest.mark.parametrize("shape", [(400, 3, 3), (7,)])
def test_predictions_of_a_shape_of_their_own_are_a_missing_measure(world, shape):
    records = world(replicates=4).records()
    for key in records.kept:
        records.kept[key] = np.zeros(shape, np.float32)
    rows = facets.compute(records).query("facet == 'function' and primary")
    assert set(rows["label"]) <= {"not measured", "similar", "inconclusive"}
    assert len(verdict.compute(records))


def test_runs_that_are_done_without_a_finite_metric_take_no_analysis_down(world):
    records = world(replicates=4).records()
    for table in (records.comparison, records.runs):
        table["test_accuracy"] = np.nan
    results = analyse(records, discover().all("analysis"))
    assert [problem for problem in results.problems if "'verdict'" in problem or "'facets'" in problem] == []
    row = results.tables["facets"].set_index("measure").loc["accuracy"]
    assert (row["label"], row["detail"]) == ("not measured", "no run has a finite test_accuracy")
    assert "loss: no run has a finite test_accuracy" in results.tables["verdict"].iloc[0]["reasons"]
