"""Weights of the classes in the loss, so that a rare class counts as much as a frequent one.

The loss of an example is multiplied by the weight of its class, for all arms alike: the weights are a part of the common
objective. Metrics do not know of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from harness.plugin.contracts import Task
from harness.training.device import Device

ClassWeights = Literal["none", "balanced"] | Sequence[float]


def resolve_class_weights(wanted: ClassWeights, targets: NDArray[np.int64], classes: int) -> tuple[float, ...]:
    """Return the weight of each class; () where all examples count alike.

    Balanced weights are N / (K n) for K classes with n of N training examples each, so that their mean over the examples
    is 1. King & Zeng 2001, doi:10.1093/oxfordjournals.pan.a004868. A class without an example has the weight 1.
    """
    if wanted == "none":
        return ()
    if isinstance(wanted, str):
        counts = np.bincount(np.asarray(targets), minlength=classes)
        present = int((counts > 0).sum())
        return tuple(float(len(targets) / (present * count)) if count else 1.0 for count in counts)
    return tuple(map(float, wanted))


def weigh_classes(task: Task, weights: Sequence[float], device: Device) -> Task:
    """Return the task with a loss in which each class has its weight; the task itself where there are none."""
    if not weights:
        return task
    weighted, on_device = task.weighted_loss, torch.tensor(weights, dtype=torch.float32, device=device.name)
    assert weighted is not None  # the benchmark was refused otherwise

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return weighted(outputs, targets, on_device.to(outputs.device, copy=True))

    return replace(task, loss=loss)
