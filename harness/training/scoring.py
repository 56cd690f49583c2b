"""How predictions are scored: the task's metrics, and whether what must be finite is finite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Task

if TYPE_CHECKING:
    from harness.training.batches import Resident
    from harness.training.ingredients import Ingredients


def score_predictions(task: Task, predictions: torch.Tensor, split: Resident, prefix: str) -> dict[str, float]:
    """Return the task's metrics of predictions ``[N, ...]`` for a split, by name: ``{"tune_accuracy": ...}``."""
    predicted, targets = predictions.cpu().numpy(), split.targets.cpu().numpy()  # a metric gets copies of its own
    metrics = {}
    for name, metric in task.metrics.items():
        with Boundary("task", task.name, f"compute its metric '{name}'"):
            metrics[f"{prefix}_{name}"] = float(metric.compute(predicted, targets))
    return metrics


def score_on_device(task: Task, predictions: torch.Tensor, split: Resident) -> list[torch.Tensor]:
    """Return the task's metrics of predictions ``[N, ...]``, each ``[]``, computed where the predictions are."""
    scores = []
    for name, metric in task.metrics.items():
        assert metric.on_device is not None
        with Boundary("task", task.name, f"compute its metric '{name}' on the device"):
            scores.append(metric.on_device(predictions.clone(), split.targets).reshape(()))
    return scores


def find_not_finite(ingredients: Ingredients, finite: bool, metrics: Mapping[str, float], prefix: str) -> str:
    """Return a line on the predictions, or on the metric that decides, where they are not ``finite``; "" where both are.

    Another metric may be undefined, as an F1 score without positives is; it is recorded as missing.
    """
    if not finite:
        return f"the {prefix} predictions must be finite, got some that are not"
    deciding = f"{prefix}_{ingredients.metric or next(iter(ingredients.task.metrics))}"
    value = metrics[deciding]
    return "" if math.isfinite(value) else f"{deciding}, the deciding metric, must be finite, got {value}"
