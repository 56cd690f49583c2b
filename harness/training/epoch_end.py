"""The end of an epoch: its numbers must be finite, a schedule that goes by epochs moves, and the epoch's record is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from harness.errors import Diverged
from harness.plugin.runs import Epoch
from harness.training import group_entries
from harness.training.finishing import GROUP
from harness.training.scoring import find_not_finite
from harness.training.work import work_of_arm

if TYPE_CHECKING:
    from harness.training.at_work import AtWork


def raise_if_diverged(parts: AtWork, epoch: int, summed_loss: float, gradient_is_finite: bool) -> None:
    """Raise Diverged where the sum of the losses of an epoch's steps, or the gradient of its last step, is not finite."""
    if not math.isfinite(summed_loss):
        raise Diverged(f"epoch {epoch}: the training loss must be finite, got {summed_loss / len(parts.batches)}")
    if not gradient_is_finite:
        raise Diverged(f"epoch {epoch}: the gradient of its last step must be finite, got one that is not")


def end_epoch(parts: AtWork, epoch: int, summed_loss: float, finite: bool, scores: Mapping[str, float]) -> Epoch:
    """End an epoch, and return its record.

    Args:
        parts: What was trained; model and optimizer must be switched to ``eval``.
        epoch: The number of the epoch; 1 is the first.
        summed_loss: The sum of the losses of its steps.
        finite: Whether the predictions of the tune split are finite.
        scores: The metrics of the tune split, by SPLIT_METRIC.

    Raises:
        Diverged: The predictions, or the metric that decides, are not finite.
    """
    use, loss = parts.ingredients, summed_loss / len(parts.batches)
    parts.metrics = {"running_loss": loss, **scores}
    if wrong := find_not_finite(use, finite, parts.metrics, "tune"):
        raise Diverged(f"epoch {epoch}: {wrong}")
    if use.scheduler.per_epoch:
        parts.step_schedule(loss)
    groups = parts.optimizer.param_groups
    parts.metrics |= {f"{GROUP}{entry}": group_entries.value_of(groups, entry) for entry in parts.moved}
    snapshot = None
    if use.test is not None and epoch in parts.snapshots.epochs:
        parts.snapshots.add(epoch, parts.predict(use.test, exact=True))
        snapshot = parts.model.state_dict
    record = Epoch(
        epoch,
        epoch * len(parts.batches),
        parts.clock.seconds,
        parts.rate,
        parts.metrics,
        partial(parts.state, epoch) if use.optimizer.resumes else None,
        snapshot,
        gradients=parts.gradients,
        way=parts.way.line if parts.way else "",
        unrepeatable=(*parts.unrepeatable,),
    )
    if epoch > 1:
        return record
    return replace(record, scale_free=parts.scale_free.plain(), work=work_of_arm(parts.run, use))
