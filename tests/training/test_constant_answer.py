"""What a constant answer scores, against what is known of it: shares, entropies, variances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from harness_plugins.tasks import classification, regression

from harness.plugin.contracts import Data, Metric, Split
from harness.training.constant_answer import constant_scores

(CLASSES,), (NUMBERS,) = classification.harness_tasks(), regression.harness_tasks()


def split(targets):
    return Split(np.zeros((len(targets), 1), np.float32), targets, tuple(map(str, range(len(targets)))))


def data(train, tune=None, test=None, classes=()):
    splits = [split(train if each is None else each) for each in (train, tune, test)]
    return Data("made up", *splits, "", "", classes)


def counted(*counts):
    return np.repeat(np.arange(len(counts)), counts).astype(np.int64)


@pytest.mark.parametrize("counts", [(950, 50), (500, 500), (70, 20, 10), (1, 999)])
def test_with_classes_it_is_the_largest_class_and_the_entropy(counts):
    names = ("cat", "dog", "cow")[: len(counts)]
    found = constant_scores(CLASSES, data(counted(*counts), classes=names))
    shares = np.array(counts) / sum(counts)
    scores = {name: each["score"] for name, each in found["scores"]["test"].items()}
    assert scores["accuracy"] == pytest.approx(shares.max())
    assert scores["error"] == pytest.approx(1 - shares.max())
    assert scores["loss"] == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-4)
    assert scores["balanced_accuracy"] == pytest.approx(1 / len(counts))
    assert found["unequal"] == (shares.max() > 1 / len(counts) + 0.05)
    if shares.max() > 0.5:
        assert found["answer"] == names[int(shares.argmax())]
    se = found["scores"]["test"]["accuracy"]["se"]
    assert se == pytest.approx(np.sqrt(shares.max() * (1 - shares.max()) / sum(counts)), rel=1e-3)


def test_the_answer_is_made_from_train_and_scored_on_every_split():
    found = constant_scores(CLASSES, data(counted(60, 40), counted(10, 90), counted(30, 70), classes=("cat", "dog")))
    accuracy = {name: each["accuracy"]["score"] for name, each in found["scores"].items()}
    assert (found["answer"], accuracy) == ("cat", pytest.approx({"train": 0.6, "tune": 0.1, "test": 0.3}))


@pytest.mark.parametrize("columns", [0, 1, 3])
def test_of_numbers_it_is_the_mean_and_the_variance(columns):
    shape = (400, columns) if columns else (400,)
    targets = np.random.default_rng(0).normal(150, 70, shape).astype(np.float32)
    found = constant_scores(NUMBERS, data(targets))
    scores = found["scores"]["train"]
    assert scores["mse"]["score"] == pytest.approx(targets.astype(float).var(axis=0).mean(), rel=1e-4)
    assert scores["r2"]["score"] == pytest.approx(0, abs=1e-4)
    assert found["answer"] == ""


def test_random_answers_scatter_as_its_standard_error_says():
    """Of 95:5 the rare class decides how much a balanced accuracy scatters."""
    found = constant_scores(CLASSES, data(counted(475, 25), classes=("cat", "dog")))
    expected = 0.5 * np.sqrt(0.25 / 475 + 0.25 / 25)
    assert found["scores"]["tune"]["balanced_accuracy"]["se"] == pytest.approx(expected, rel=0.25)


def test_a_task_without_a_metric_loss_has_its_own_loss():
    task = replace(CLASSES, metrics={"accuracy": CLASSES.metrics["accuracy"]})
    found = constant_scores(task, data(counted(30, 70), classes=("cat", "dog")))
    assert found["scores"]["test"]["loss"]["score"] == pytest.approx(-0.3 * np.log(0.3) - 0.7 * np.log(0.7), abs=1e-4)


def test_a_task_that_cannot_is_named_and_takes_nothing_down():
    def fails(*_):
        raise ValueError("not of constants")

    broken = replace(CLASSES, loss=fails)
    found = constant_scores(broken, data(counted(5, 5), classes=("cat", "dog")))
    assert found == {"answer": "", "unequal": False, "problem": "ValueError: not of constants"}
    nan = replace(CLASSES, metrics={**CLASSES.metrics, "odd": Metric(lambda *_: float("nan"), "max")})
    scores = constant_scores(nan, data(counted(5, 5), classes=("cat", "dog")))["scores"]["test"]
    assert "odd" not in scores
    assert "accuracy" in scores
