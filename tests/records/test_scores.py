"""Per-example scores: their mean is the metric, they are small, and a wrong ``each`` is named and costs no run."""

from __future__ import annotations

import numpy as np
import pytest
from harness_plugins.tasks import classification, regression

from harness import Arm, Done, Metric, Run
from harness.records import Store, open_records, schema, write_scores
from harness.records.store import save_arrays

RANDOM = np.random.default_rng(0)
CLASSES = RANDOM.dirichlet([1, 1, 1], 50).astype(np.float32), RANDOM.integers(0, 3, 50)
NUMBERS = RANDOM.normal(size=(50, 2)).astype(np.float32), RANDOM.normal(size=(50, 2)).astype(np.float32)
MEANS = [
    (name, metric, *about)
    for module, about in ((classification, CLASSES), (regression, NUMBERS))
    for task in module.harness_tasks()
    for name, metric in task.metrics.items()
    if metric.each is not None
]


@pytest.fixture
def folder(tmp_path):
    """Return a run folder with two comparison runs of the classes, one of them with predictions that are not numbers."""
    arm = Arm("lesson_cnn", "sgd", "cosine")
    meta = {
        "arms": [arm.name],
        "spaces": {arm.name: {}},
        "metrics": {},
        "metric": "accuracy",
        "search_metric": "loss",
        "data": {},
    }
    runs = [
        Run("compare", arm, {}, {}, 1, 8, 0.0, (), "fp32", "classification", seed, seed, "0", {}) for seed in range(2)
    ]
    with Store(tmp_path) as store:
        store.describe({"name": "tiny", "search": {"trials": 0}}, meta)
        store.work_begins({"hash": "0"}, [])
        store.add_searches({arm.name: (arm, 0)})
        store.add_runs(runs, "0")
        store.note("compare_runs", [run.id for run in runs])
        save_arrays(schema.targets(tmp_path), {"targets": CLASSES[1]})
        for run, scale in zip(runs, (1.0, np.nan), strict=True):
            store.append(run.id, Done({"test_accuracy": 0.5}, predictions=CLASSES[0] * np.float32(scale)))
    return tmp_path, runs


@pytest.mark.parametrize(("name", "metric", "predictions", "targets"), MEANS, ids=[each[0] for each in MEANS])
def test_the_mean_of_each_is_the_metric(name, metric, predictions, targets):
    scores = metric.each(predictions, targets)
    assert scores.shape == (50,)
    assert np.mean(scores) == pytest.approx(metric.compute(predictions, targets))


def test_r2_is_no_mean_over_examples():
    (task,) = regression.harness_tasks()
    assert task.metrics["r2"].each is None


def test_scores_are_read_back_by_run(folder):
    path, (run, broken) = folder
    metric = Metric(classification.mean_log_loss, "min", each=classification.log_loss)
    assert write_scores(path, "loss", metric) == ""
    found = open_records(path).scores
    assert list(found) == [run.id]  # the other has no finite loss
    assert broken.id not in found
    assert found[run.id] == pytest.approx(classification.log_loss(*CLASSES), rel=1e-6)
    assert found[run.id].dtype == np.float32


def test_right_and_wrong_take_a_byte_each(folder):
    path, (run, _) = folder
    assert write_scores(path, "accuracy", Metric(classification.accuracy, "max", each=classification.right)) == ""
    assert open_records(path).scores[run.id].dtype == np.uint8


def test_a_metric_that_is_no_mean_has_no_scores(folder):
    path, _ = folder
    write_scores(path, "accuracy", Metric(classification.accuracy, "max", each=classification.right))
    assert write_scores(path, "accuracy", Metric(classification.accuracy, "max")) == ""
    assert open_records(path).scores == {}  # those of before are gone too


@pytest.mark.parametrize(
    ("each", "wrong"),
    [
        (classification.wrong, "must return scores whose mean is the metric, 0."),
        (lambda predictions, targets: predictions, "must return scores [50], one per example, got [50, 3]"),
        (lambda predictions, targets: 1 / 0, "must return scores [N], got ZeroDivisionError: division by zero"),
    ],
)
def test_a_wrong_each_is_named_and_costs_nothing(folder, each, wrong):
    path, _ = folder
    said = write_scores(path, "accuracy", Metric(classification.accuracy, "max", each=each))
    assert said.startswith(f"metric 'accuracy': each {wrong}")
    assert "\n" not in said
    assert open_records(path).scores == {}
