"""Snapshots: what a network was where the cycles of its schedule ended, each a minimum of its own, and their mean.

Loshchilov & Hutter 2017, arXiv:1608.03983, for the restarts; Huang et al. 2017, "Snapshot ensembles: train 1, get M for
free", arXiv:1704.00109, for the mean of what the snapshots predict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from harness.errors import PluginError
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Scheduler
from harness.plugin.runs import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Snapshots:
    """The test predictions at the cycles' ends; they are small, the weights go to disk at once."""

    def __init__(self, epochs: Sequence[int]) -> None:
        self.epochs = tuple(epochs)  # at whose end the weights are kept; those of the run's own end are kept anyway
        self.predictions: dict[int, torch.Tensor] = {}  # [N, ...] float32 by epoch

    def add(self, epoch: int, predictions: torch.Tensor) -> None:
        """Keep what the network predicts after an epoch."""
        self.predictions[epoch] = predictions.cpu()

    def stacked(self) -> NDArray[np.float32] | None:
        """Return the predictions ``[S, N, ...]``, the earliest first, without the final ones; None without any."""
        predictions = [self.predictions[epoch] for epoch in sorted(self.predictions)]
        return torch.stack(predictions).numpy() if predictions else None

    def named(self, final: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield each snapshot's predictions, ``snapshot1`` first, and as ``snapshots`` the mean of all and the final ones."""
        predictions = [self.predictions[epoch] for epoch in sorted(self.predictions)]
        yield from ((f"snapshot{number}", snapshot) for number, snapshot in enumerate(predictions, 1))
        if predictions:
            yield "snapshots", torch.stack([*predictions, final.cpu()]).double().mean(dim=0).float()


def cycle_epochs(run: Run, scheduler: Scheduler, steps_per_epoch: int) -> tuple[int, ...]:
    """Return the epochs after which a run keeps its weights, its own end the last; none where it keeps no snapshots.

    A cycle that ends within an epoch is kept from the last epoch before: after the restart the rate is at its peak and
    the weights are in no minimum. One within which no epoch ends is not kept. A stage that trains the head alone has
    cycles of its own, which are not kept either.
    """
    if not run.snapshots:
        return ()
    epochs = [end // steps_per_epoch for end in cycle_ends(run, scheduler, steps_per_epoch)]
    return tuple(run.head_epochs + epoch for epoch in sorted({*epochs} - {0}))


def cycle_ends(run: Run, scheduler: Scheduler, steps_per_epoch: int) -> list[int]:
    """Return the steps, of the stage that trains everything, that end a cycle; none where the schedule has no cycles.

    Raises PluginError for a schedule that returns anything else.
    """
    if scheduler.cycle_ends is None:
        return []
    total = (run.epochs - run.head_epochs) * steps_per_epoch
    try:
        with Boundary("scheduler", scheduler.name, "have cycle_ends"):
            ends: list[Any] = list(scheduler.cycle_ends(total, **scheduler.settings(run.scheduler)))
    except PluginFailed as error:
        raise PluginError(f"scheduler '{scheduler.name}': cycle_ends must return steps, got {error.why}") from error
    rising = all(isinstance(end, int) for end in ends) and ends == sorted({*ends})
    if not rising or not ends or ends[0] < 1 or ends[-1] != total:
        raise PluginError(
            f"scheduler '{scheduler.name}': cycle_ends must return rising step numbers, the last one {total}, got {ends!r:.80}"
        )
    return ends
