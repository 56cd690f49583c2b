"""Classification: one of K classes per example, learned by cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Data, DataError, Metric, Task, hookimpl

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


def outputs(data: Data) -> int:
    """Return the number of classes; raises DataError for data that have none."""
    if len(data.classes) < 2:
        raise DataError(
            f"train.task: must fit the data, got 'classification' for '{data.name}', which has no classes; "
            'use task = "regression"'
        )
    return len(data.classes)


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy, in nats, of logits ``[B, K]`` and class numbers ``[B]``."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(outputs, targets)


def predict(outputs: torch.Tensor) -> torch.Tensor:
    """Return class probabilities ``[B, K]``."""
    return outputs.softmax(dim=1)


def accuracy(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return the part, in [0, 1], of examples whose most probable class is the right one."""
    return float((predictions.argmax(axis=1) == targets).mean())


def error(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return ``1 - accuracy``."""
    return 1 - accuracy(predictions, targets)


def mean_log_loss(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return the mean cross-entropy in nats; probabilities below 1e-12 count as that."""
    import numpy as np

    right = predictions[np.arange(len(targets)), targets].astype(np.float64)
    return float(-np.log(np.maximum(right, 1e-12)).mean())


@hookimpl
def harness_tasks() -> list[Task]:
    """Offer classification."""
    metrics = {
        "accuracy": Metric(accuracy, "max", "%"),
        "error": Metric(error, "min", "%"),
        "loss": Metric(mean_log_loss, "min", "nats"),
    }
    return [Task(name="classification", outputs=outputs, loss=loss, predict=predict, metrics=metrics)]
