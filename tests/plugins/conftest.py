"""Plugins are tried with one thread: what is small is no faster with two, and much slower beside another program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from harness.plugin.contracts import Backbone, Optimizer, Split
from harness.testing.driving import CPU, STEADY, ingredients, run_of
from harness.testing.problems import CLASSES, Problem
from harness.training.parts import Parts, assemble


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


Train = Callable[..., Parts]


@pytest.fixture
def train() -> Train:
    """Return a function that trains a network on some rows, with seeds of its own, and returns its parts."""

    def trained(build, rows, init=1, order=2, epochs=8, convex=False, task=CLASSES, outputs=3, lr=0.1):
        problem = Problem("net", build, task, rows, outputs, batch_size=32)
        optimizer = Optimizer("sgd", partial(torch.optim.SGD, lr=lr, momentum=0.9), {})
        use = replace(
            ingredients(optimizer, problem, STEADY), backbone=Backbone("net", lambda *_: build(), convex=convex)
        )
        run = run_of(optimizer, problem, STEADY, max(epochs, 1), init_seed=init, order_seed=order, l2=1e-3)
        parts = assemble(run, use, CPU)
        for epoch in parts.resume(None, epochs):
            for inputs, targets in parts.batches.of(epoch):
                parts.step(inputs, targets)
        parts.model.eval()
        return parts

    return trained


@pytest.fixture(scope="session")
def stripes() -> Split:
    """Noisy images ``uint8 [96, 16, 16, 3]`` of three classes: stripes that lie, stand or lean."""
    random = np.random.default_rng(0)
    targets = np.arange(96) % 3
    down, across = np.mgrid[:16, :16]
    waves = np.stack([np.sin(down), np.sin(across), np.sin((down + across) / 1.4)])
    light = 128 + 50 * waves[targets][..., None] + random.normal(0, 40, (96, 16, 16, 3))
    return Split(light.clip(0, 255).astype(np.uint8), targets, tuple(map(str, range(96))))
