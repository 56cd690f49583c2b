"""The ingredients of a run: its plugins and data, found and opened, the network they give, and the clock of its training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Backbone, Optimizer, Scheduler, Task, Weights
from harness.plugin.runs import Run
from harness.training.batches import Resident, mix_seeds, seed_all
from harness.training.device import Device


@dataclass(frozen=True)
class Ingredients:
    """The plugins and the data that a run names, found and opened; ``test`` is None for a search run."""

    task: Task
    backbone: Backbone
    optimizer: Optimizer
    scheduler: Scheduler
    outputs: int  # K
    train: Resident
    tune: Resident
    test: Resident | None
    weights: Weights | None = None  # that the network starts from
    mirrored: Resident | None = None  # the test split with its images mirrored, for test-time augmentation
    metric: str = ""  # that says how the run did, and must be finite; empty for the task's first one
    origin: Callable[[], Mapping[str, torch.Tensor]] | None = None  # returns the weights of the run that it follows


class Clock:
    """Seconds of training, the device's work included: inside ``with clock:``, or from ``begin`` to ``end``.

    The second form waits for nothing: ``settle`` adds the seconds when the device has come so far.
    """

    def __init__(self, device: Device) -> None:
        self.seconds = 0.0
        self._device = device
        self._start = 0.0
        self._marks: list[Any] = []

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device.name)
        self.seconds += time.perf_counter() - self._start

    def begin(self) -> None:
        """Mark where the work begins that is now put on the device's queue."""
        self._marks = [self._mark()]

    def end(self) -> None:
        """Mark where it ends."""
        self._marks.append(self._mark())

    def settle(self) -> None:
        """Add the seconds between the marks, which must have passed."""
        first, last = self._marks
        self.seconds += first.elapsed_time(last) / 1000 if self._device.type == "cuda" else last - first

    def _mark(self) -> Any:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


def build_network(run: Run, ingredients: Ingredients) -> torch.nn.Module:
    """Return a new network with the weights that the run begins with.

    They come from its seed, from its pretrained file, or from the run that it follows.
    """
    seed_all(mix_seeds(run.init_seed))
    start = () if ingredients.weights is None else (ingredients.weights,)
    shape, outputs = ingredients.train.input_shape, ingredients.outputs
    with Boundary("backbone", ingredients.backbone.name, "build"):
        network: torch.nn.Module = ingredients.backbone.build(shape, outputs, *start)
    if ingredients.origin is not None:
        network.load_state_dict(ingredients.origin())
    return network
