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


def weighted_loss(outputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean over the batch of each cross-entropy times the weight ``[K]`` of the example's class.

    It is divided by the number of examples and not by the sum of their weights, as torch does it. So the loss of a whole
    split is the mean over its batches, whatever classes a batch has.
    """
    from torch.nn.functional import cross_entropy

    losses: torch.Tensor = cross_entropy(outputs, targets, reduction="none") * weights[targets]
    return losses.mean()


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


def f1(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return the mean of the classes' F1 scores, in [0, 1].

    The F1 score of a class is 2 hits / (examples of the class + examples that were named so). A class that no example has
    and that is never named has none, and no part in the mean. Van Rijsbergen 1979, Information Retrieval.
    """
    import numpy as np

    named, count = predictions.argmax(axis=1), predictions.shape[1]
    sizes = np.bincount(targets, minlength=count) + np.bincount(named, minlength=count)
    hits = np.bincount(targets[named == targets], minlength=count)
    return float((2 * hits[sizes > 0] / sizes[sizes > 0]).mean())


def auc(predictions: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return the area under the ROC curve, in [0, 1]; NaN where all examples are of one class.

    It is the probability that an example of a class gets a higher probability of that class than an example of another; equal
    ones count half. Of two classes it is that of the second. Of more it is the mean over the classes, each against the
    rest; a class without an example has no part in it. Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    import numpy as np

    count = predictions.shape[1]
    areas = []
    for number in range(1 if count == 2 else 0, count):
        belongs = targets == number
        inside, outside = predictions[belongs, number], np.sort(predictions[~belongs, number])
        if len(inside) and len(outside):
            below, not_above = (np.searchsorted(outside, inside, side).sum() for side in ("left", "right"))
            areas.append(float(below + not_above) / (2 * len(inside) * len(outside)))
    return sum(areas) / len(areas) if areas else math.nan


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


def _f1_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    import torch

    classes = torch.arange(predictions.shape[1], device=targets.device)
    belongs = (targets[:, None] == classes).double()  # [N, K]
    named = (predictions.argmax(dim=1)[:, None] == classes).double()
    sizes = belongs.sum(dim=0) + named.sum(dim=0)
    return (2 * (belongs * named).sum(dim=0) / sizes.clamp(min=1)).sum() / (sizes > 0).sum()


def _auc_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    import torch

    count = predictions.shape[1]
    classes = torch.arange(1 if count == 2 else 0, count, device=targets.device)
    scores = predictions[:, 1 if count == 2 else 0 :].T.contiguous()  # [K, N]
    ordered = scores.sort(dim=1).values
    ranks = (torch.searchsorted(ordered, scores) + torch.searchsorted(ordered, scores, right=True) + 1).double() / 2
    belongs = (classes[:, None] == targets).double()
    inside = belongs.sum(dim=1)
    pairs = inside * (targets.shape[0] - inside)
    above = (ranks * belongs).sum(dim=1) - inside * (inside + 1) / 2
    return torch.where(pairs > 0, above / pairs.clamp(min=1), 0.0).sum() / (pairs > 0).sum()


@hookimpl
def harness_tasks() -> list[Task]:
    """Offer classification."""
    metrics = {
        "accuracy": Metric(accuracy, "max", "%", each=right, bounds=(0, 1), on_device=_accuracy_of),
        "error": Metric(error, "min", "%", each=wrong, bounds=(0, 1), on_device=_error_of),
        "loss": Metric(mean_log_loss, "min", "nats", each=log_loss, bounds=(0, math.inf), on_device=_mean_log_loss_of),
        "balanced_accuracy": Metric(balanced_accuracy, "max", "%", bounds=(0, 1), on_device=_balanced_accuracy_of),
        "f1": Metric(f1, "max", "%", bounds=(0, 1), on_device=_f1_of),
        "auc": Metric(auc, "max", "%", bounds=(0, 1), on_device=_auc_of),
    }
    return [
        Task(
            name="classification",
            outputs=outputs,
            loss=loss,
            predict=predict,
            metrics=metrics,
            weighted_loss=weighted_loss,
        )
    ]
