"""Regression: K real numbers per example, learned by least squares.

The loss is the mean over all N x K entries of the squared residual, without the factor 1/2 of some textbooks. Metrics
are in the units of the targets as the dataset gives them (squared, for mse), which a task cannot know; r2 has none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness import Data, DataError, Metric, Task, hookimpl

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


def outputs(data: Data) -> int:
    """Return K, the numbers per example; raises DataError for targets that are not real numbers, such as classes."""
    targets = data.train.targets
    if targets.dtype.kind != "f" or targets.ndim not in (1, 2):
        raise DataError(
            f"train.task: 'regression' must have targets of real numbers, [N] or [N, K], got {targets.dtype} "
            f"{list(targets.shape)} from '{data.name}'; choose another task or another dataset"
        )
    return targets.shape[1] if targets.ndim == 2 else 1


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error of outputs ``[B, K]`` and targets ``[B, K]``, or ``[B]`` where K is 1."""
    return (outputs - targets.reshape(outputs.shape)).square().mean()


def predict(outputs: torch.Tensor) -> torch.Tensor:
    """Return the outputs themselves, ``[B, K]`` in float32."""
    return outputs.float()


def squares(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each example's squared error ``[N]``, the mean over its K entries."""
    errors: NDArray[np.float64] = (_residuals(predictions, targets) ** 2).mean(axis=1)
    return errors


def mse(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Return the mean squared error over all entries."""
    return float((_residuals(predictions, targets) ** 2).mean())


def magnitudes(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each example's absolute error ``[N]``, the mean over its K entries."""
    errors: NDArray[np.float64] = abs(_residuals(predictions, targets)).mean(axis=1)
    return errors


def mae(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Return the mean absolute error over all entries."""
    return float(abs(_residuals(predictions, targets)).mean())


def r2(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Return ``1 - sum of squared residuals / sum of squares about the mean``, averaged over the K columns.

    One is perfect, zero is no better than the mean of these very targets. A column of equal targets counts 1 where it
    is predicted exactly, else 0, as in scikit-learn.
    """
    import numpy as np

    residual = (_residuals(predictions, targets) ** 2).sum(axis=0)  # [K]
    wide = _columns(targets)
    about_mean = ((wide - wide.mean(axis=0)) ** 2).sum(axis=0)
    varied = about_mean > 0
    explained = 1 - residual / np.where(varied, about_mean, 1)
    return float(np.where(varied, explained, residual == 0).mean())


def _residuals(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return predictions minus targets, ``[N, K]``; in float64, so that squares neither overflow nor lose digits."""
    return _columns(predictions) - _columns(targets)


def _columns(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ``[N, K]`` as it is and ``[N]`` as ``[N, 1]``, in float64."""
    return values.reshape(len(values), -1).astype("float64")


# --- the same of tensors, on a GPU ---------------------------------------------------------------------------


def _residuals_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (predictions.double() - targets.double().reshape(predictions.shape)).reshape(len(targets), -1)


def _mse_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return _residuals_of(predictions, targets).square().mean()


def _mae_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return _residuals_of(predictions, targets).abs().mean()


def _r2_of(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    import torch

    residual = _residuals_of(predictions, targets).square().sum(dim=0)  # [K]
    wide = targets.double().reshape(len(targets), -1)
    about_mean = (wide - wide.mean(dim=0)).square().sum(dim=0)
    varied = about_mean > 0
    explained = 1 - residual / torch.where(varied, about_mean, 1.0)
    return torch.where(varied, explained, (residual == 0).double()).mean()


@hookimpl
def harness_tasks() -> list[Task]:
    """Offer regression; "loss" is mse under the name that every task's loss goes by."""
    metrics = {
        "mse": Metric(mse, "min", each=squares, bounds=(0, math.inf), on_device=_mse_of),
        "mae": Metric(mae, "min", each=magnitudes, bounds=(0, math.inf), on_device=_mae_of),
        "r2": Metric(r2, "max", bounds=(-math.inf, 1), on_device=_r2_of),
        "loss": Metric(mse, "min", each=squares, bounds=(0, math.inf), on_device=_mse_of),
    }
    return [Task(name="regression", outputs=outputs, loss=loss, predict=predict, metrics=metrics)]
