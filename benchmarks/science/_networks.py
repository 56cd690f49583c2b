"""Small networks that the scripts of this folder train, by the harness's own loop, with one thread on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from harness import Backbone, DataRequest, Dataset, Optimizer, Split, Task
from harness.plugin.discovery import discover
from harness.testing.driving import CPU, FALLING, ingredients, run_of
from harness.testing.problems import Problem
from harness.training.parts import Parts, assemble

BUILT_IN = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


def digits() -> Split:
    """Return the 1,797 digits of scikit-learn, ``float32 [1797, 64]`` from 0 to 1: there is no test split here."""
    from sklearn.datasets import load_digits

    pixels, targets = load_digits(return_X_y=True)
    return Split((pixels / 16).astype(np.float32), targets.astype(np.int64), tuple(map(str, range(len(targets)))))


def drawings(count: int, size: int = 32) -> Split:
    """Return drawn cats and dogs, ``uint8 [count, size, size, 3]``."""
    dataset = discover().get("dataset", "dogscats", Dataset)
    options = {**dataset.options, "train": count, "tune": 64, "test": 64}
    request = DataRequest(None, required=False, size=size, tune=0.1, seed=0, on_bad_image="skip", options=options)
    return dataset.open(request).train


def trained(
    build: Callable[[], torch.nn.Module],
    rows: Split,
    *,
    optimizer: str = "sgd",
    settings: Mapping[str, Any],
    epochs: int,
    seed: int,
    order: int | None = None,
    shared: int = 0,
    batch_size: int = 64,
    l2: float = 0.0,
) -> Parts:
    """Return the parts of a network that was trained with a rate that falls to zero.

    ``seed`` gives the initial weights, ``order`` the order of the examples (``seed`` too, if it is None). For ``shared``
    epochs it sees them in the order of the seed, whatever its own order is: so runs of one seed are one run until then.
    """
    task = discover().get("task", "classification", Task)
    classes = len(np.unique(rows.targets))
    problem = Problem("network", build, task, rows, classes, batch_size=batch_size)
    offer = Optimizer(optimizer, BUILT_IN[optimizer], {})
    use = replace(ingredients(offer, problem, FALLING), backbone=Backbone("network", lambda *_: build()))
    seeds = {"init_seed": seed, "order_seed": seed if order is None else order}
    run = run_of(offer, problem, FALLING, epochs, optimizer=dict(settings), l2=l2, **seeds)
    parts = assemble(run, use, CPU)
    together = assemble(replace(run, order_seed=seed), use, CPU).batches
    for epoch in parts.resume(None, epochs):
        for inputs, targets in (together if epoch <= shared else parts.batches).of(epoch):
            parts.step(inputs, targets)
    parts.model.eval()
    return parts
