"""The metrics of classification against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from harness_plugins.tasks import classification

(TASK,) = classification.harness_tasks()


def one_hot(named, classes):
    return np.eye(classes, dtype=np.float32)[np.array(named)]


@pytest.mark.parametrize(
    ("named", "targets", "expected"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 1], 1 / 2),  # the large class alone
        ([0, 0, 1, 1], [0, 0, 0, 1], (2 / 3 + 1) / 2),
        ([1, 2, 0], [0, 1, 2], 0.0),
        ([0, 2, 2], [0, 2, 2], 1.0),  # the second of three classes has no example
        ([1, 1, 2], [0, 2, 2], (0 + 1 / 2) / 2),
    ],
)
def test_balanced_accuracy_is_the_mean_recall_of_the_classes_present(named, targets, expected):
    found = TASK.metrics["balanced_accuracy"].compute(one_hot(named, 3), np.array(targets))
    assert found == pytest.approx(expected)


def test_with_equal_classes_it_is_the_accuracy():
    random = np.random.default_rng(0)
    predictions, targets = random.random((300, 3)).astype(np.float32), np.arange(300) % 3
    metrics = {name: TASK.metrics[name].compute(predictions, targets) for name in ("accuracy", "balanced_accuracy")}
    assert metrics["balanced_accuracy"] == pytest.approx(metrics["accuracy"])


def ties(random, count, classes):
    """Return probabilities with many equal ones, and classes."""
    return random.dirichlet(np.ones(classes), count).astype(np.float32).round(1), random.integers(0, classes, count)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_f1_and_auc_are_those_of_scikit_learn(classes):
    metrics = pytest.importorskip("sklearn.metrics")
    predictions, targets = ties(np.random.default_rng(classes), 60, classes)
    named = predictions.argmax(axis=1)
    assert classification.f1(predictions, targets) == pytest.approx(
        metrics.f1_score(targets, named, average="macro", zero_division=0)
    )
    columns = range(1, 2) if classes == 2 else range(classes)
    areas = [metrics.roc_auc_score(targets == column, predictions[:, column]) for column in columns]
    assert classification.auc(predictions, targets) == pytest.approx(np.mean(areas))


def test_a_class_that_is_missing_in_a_split_has_no_part_in_f1_and_auc():
    predictions = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.4, 0.1], [0.3, 0.4, 0.3]], np.float32)
    targets = np.array([0, 1, 0, 0])  # the third class has no example, and nobody names it
    assert classification.f1(predictions, targets) == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert classification.auc(predictions, targets) == pytest.approx((1.0 + 1.0) / 2)
    named = np.array([[0.1, 0.2, 0.7], *predictions[1:]], np.float32)  # now somebody does, and never rightly
    assert classification.f1(named, targets) == pytest.approx((2 / 4 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize("classes", [2, 3])
def test_of_a_split_with_one_class_alone_the_auc_is_undefined_and_f1_is_not(classes):
    predictions, _ = ties(np.random.default_rng(0), 20, classes)
    alone = np.zeros(20, np.int64)
    assert math.isnan(classification.auc(predictions, alone))
    assert math.isnan(float(classification._auc_of(torch.from_numpy(predictions), torch.from_numpy(alone))))
    assert 0 <= classification.f1(predictions, alone) <= 1


def test_a_constant_answer_has_an_auc_of_one_half():
    assert classification.auc(np.full((9, 3), 1 / 3, np.float32), np.arange(9) % 3) == 0.5
