"""Small networks and runs, put together without a benchmark file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from harness.plugin.contracts import Backbone, Optimizer, Scheduler, Split, Task
from harness.plugin.registry import Registry
from harness.plugin.runs import Arm, Run
from harness.training.batches import put_on_device
from harness.training.device import Device
from harness.training.graphs import Recorder
from harness.training.ingredients import Ingredients
from harness.training.parts import Parts, assemble

CPU = Device("cpu", "fp32", 1)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def split() -> Callable[..., Split]:
    """Return a function that makes a split of random images of two classes, one brighter than the other."""

    def make(count: int = 40, size: int = 8, seed: int = 0) -> Split:
        random = np.random.default_rng(seed)
        targets = np.arange(count) % 2
        pixels = random.integers(0, 156, (count, size, size, 3)) + 100 * targets[:, None, None, None]
        return Split(pixels.astype(np.uint8), targets.astype(np.int64), tuple(map(str, range(count))))

    return make


def network(input_shape: tuple[int, ...], outputs: int) -> torch.nn.Module:
    """Return a network with everything that could spoil a resumed run: batch norm and dropout."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(input_shape[0], 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, outputs),
    )


@pytest.fixture
def parts_of(registry: Registry, split: Callable[..., Split]) -> Callable[..., Parts]:
    """Return a function that assembles the parts of a small run."""

    def make(
        optimizer: str | Optimizer = "sgd", settings: Mapping[str, Any] | None = None, scheduler: str | Scheduler = "cosine",
        backbone: Callable[..., torch.nn.Module] = network, test: bool = True,
        groups: Callable[..., Any] | None = None, recorder: Recorder | None = None,
        run_scheduler: Mapping[str, Any] | None = None, **run: Any,
    ) -> Parts:  # fmt: skip
        chosen = optimizer if isinstance(optimizer, Optimizer) else registry.get("optimizer", optimizer, Optimizer)
        given = {
            "phase": "compare", "arm": Arm("net", chosen.name, str(scheduler)), "optimizer": dict(settings or {}),
            "scheduler": dict(run_scheduler or {}), "epochs": 3, "batch_size": 8, "l2": 1e-3, "augment": ("flip", "crop"), "precision": "fp32",
            "task": "classification", "init_seed": 1, "order_seed": 2, "data": "", "plugins": {},
        }  # fmt: skip
        use = Ingredients(
            task=registry.get("task", "classification", Task),
            backbone=Backbone("net", backbone, groups=groups),
            optimizer=chosen,
            scheduler=scheduler
            if isinstance(scheduler, Scheduler)
            else registry.get("scheduler", scheduler, Scheduler),
            outputs=2,
            train=put_on_device(split(40), CPU),
            tune=put_on_device(split(20, seed=1), CPU),
            test=put_on_device(split(24, seed=2), CPU) if test else None,
        )
        return assemble(Run(**{**given, **run}), use, CPU, recorder=recorder)

    return make
