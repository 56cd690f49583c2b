"""newcomer: classification by smoothed labels, a place to start from.

Szegedy et al. 2016, arXiv:1512.00567: the target puts 0.9 on the right class and shares 0.1 among all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Data, DataError, Metric, Task, hookimpl

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

SMOOTHING = 0.1


def outputs(data: Data) -> int:
    """Return the number of classes, the size of the last layer; raises DataError for data that have none."""
    if len(data.classes) < 2:
        raise DataError(f"train.task: must fit the data, got '{data.name}', which has no classes")
    return len(data.classes)


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean smoothed cross-entropy, in nats, of logits ``[B, K]`` and class numbers ``[B]``."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(outputs, targets, label_smoothing=SMOOTHING)


def predict(outputs: torch.Tensor) -> torch.Tensor:
    """Return class probabilities ``[B, K]``."""
    return outputs.softmax(dim=1)


def right(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return ``[N]``, whether an example's most probable class is the right one."""
    hits: NDArray[np.bool_] = predictions.argmax(axis=1) == targets
    return hits


def accuracy(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return the part, in [0, 1], of examples whose most probable class is the right one: the mean of ``right``."""
    return float(right(predictions, targets).mean())


@hookimpl
def harness_tasks() -> list[Task]:
    """Offer newcomer; its first metric ranks the arms."""
    metrics = {"accuracy": Metric(accuracy, "max", "%", each=right)}
    return [Task(name="newcomer", outputs=outputs, loss=loss, predict=predict, metrics=metrics)]
