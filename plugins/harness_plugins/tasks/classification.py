"""Classification: one of K classes per example, learned by cross-entropy."""

from __future__ import annotations

import math
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


def right(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return ``[N]``, whether an example's most probable class is the right one."""
    hits: NDArray[np.bool_] = predictions.argmax(axis=1) == targets
    return hits


def accuracy(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return the part, in [0, 1], of examples whose most probable class is the right one."""
    return float(right(predictions, targets).mean())


def balanced_accuracy(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return the mean of the classes' recalls, in [0, 1]; a class without an example has no part in it.

    A recall is the part of a class's examples that are right. Always answering one of K classes gives 1 / K, however
    large that class is.
    """
    import numpy as np

    examples = np.bincount(targets)
    hits = np.bincount(targets, weights=right(predictions, targets))
    return float((hits[examples > 0] / examples[examples > 0]).mean())


def wrong(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return ``[N]``, whether an example's most probable class is a wrong one."""
    return ~right(predictions, targets)


def error(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return ``1 - accuracy``."""
    return 1 - accuracy(predictions, targets)


def log_loss(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each example's cross-entropy ``[N]`` in nats; probabilities below 1e-12 count as that."""
    import numpy as np

    likely = predictions[np.arange(len(targets)), targets].astype(np.float64)
    losses: NDArray[np.float64] = -np.log(np.maximum(likely, 1e-12))
    return losses


def mean_log_loss(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return the mean cross-entropy in nats; probabilities below 1e-12 count as that."""
    return float(log_loss(predictions, targets).mean())


# --- the same of tensors, on a GPU ---------------------------------------------------------------------------


def _hits_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (predictions.argmax(dim=1) == targets).double()


def _accuracy_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return _hits_of(predictions, targets).mean()


def _error_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return 1 - _accuracy_of(predictions, targets)


def _mean_log_loss_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    likely = predictions.gather(1, targets[:, None]).double()
    return -likely.clamp(min=1e-12).log().mean()


def _balanced_accuracy_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    import torch

    classes = torch.arange(predictions.shape[1], device=targets.device)
    belongs = (targets[:, None] == classes).double()  # [N, K]
    examples = belongs.sum(dim=0)
    recalls = (belongs * _hits_of(predictions, targets)[:, None]).sum(dim=0) / examples.clamp(min=1)
    return recalls.sum() / (examples > 0).sum()


@hookimpl
def harness_tasks() -> list[Task]:
    """Offer classification."""
    metrics = {
        "accuracy": Metric(accuracy, "max", "%", each=right, bounds=(0, 1), on_device=_accuracy_of),
        "error": Metric(error, "min", "%", each=wrong, bounds=(0, 1), on_device=_error_of),
        "loss": Metric(mean_log_loss, "min", "nats", each=log_loss, bounds=(0, math.inf), on_device=_mean_log_loss_of),
        "balanced_accuracy": Metric(balanced_accuracy, "max", "%", bounds=(0, 1), on_device=_balanced_accuracy_of),
    }
    return [Task(name="classification", outputs=outputs, loss=loss, predict=predict, metrics=metrics)]
