"""The metrics of classification against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
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
