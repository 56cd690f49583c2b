"""What a network predicts for a split, and how that is scored: at once, or under way on a device until it has arrived."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from harness.plugin.boundary import Boundary
from harness.plugin.contracts import DeviceSplit
from harness.training.graphs import Recorder, Work
from harness.training.keeping import Kept, same_tensors
from harness.training.pauses import QUIET, Pause
from harness.training.repeatable import noticed
from harness.training.scoring import score_on_device, score_predictions

if TYPE_CHECKING:
    from harness.plugin.contracts import Task
    from harness.training.at_work import AtWork
    from harness.training.batches import Resident
    from harness.training.device import Device

BATCH = 512  # examples
_agreeing: set[object] = set()  # what decides an evaluation whose graph was compared in this process


@torch.no_grad()
def predict_with_loss(
    parts: AtWork, split: DeviceSplit, exact: bool = False
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the predictions of a split, and the sum of the task's losses unless the task has a metric of that name.

    Model and optimizer must be switched to ``eval``. With ``exact`` it computes in float32 whatever the training does, and the
    losses are summed in any case.
    """
    task, objective = parts.ingredients.task, parts.objective
    predictions, losses = [], []
    for start in range(0, len(split), BATCH):
        inputs, targets = split.batch(slice(start, start + BATCH))
        with contextlib.nullcontext() if exact else objective.autocast(), objective.forward:
            outputs = parts.model(inputs).float()
        with Boundary("task", task.name, "predict"):
            predictions.append(task.predict(outputs.clone()))  # the loss is of the outputs as they are
        if exact or "loss" not in task.metrics:
            with objective.loss_of:
                losses.append(task.loss(outputs, targets) * len(inputs))
    return torch.cat(predictions), torch.stack(losses).sum() if losses else None


def measure(parts: AtWork, split: Resident, prefix: str, exact: bool = False) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the predictions of a split, and its metrics: the task's, and the loss unless the task has it as a metric."""
    predictions, loss = predict_with_loss(parts, split, exact)
    return predictions, score_with_loss(parts.ingredients.task, predictions, loss, split, prefix)


def score_with_loss(
    task: Task, predictions: torch.Tensor, loss: torch.Tensor | None, split: Resident, prefix: str
) -> dict[str, float]:
    """Return the metrics of predictions for a split, with the mean of the losses where the task has no metric of that name."""
    metrics = score_predictions(task, predictions, split, prefix)
    if loss is not None:
        metrics.setdefault(f"{prefix}_loss", float(loss) / len(split))
    return metrics


def are_finite(predictions: torch.Tensor) -> bool:
    """Return whether all predictions are finite."""
    return bool(torch.isfinite(predictions).all())


@dataclass(frozen=True)
class Arrived:
    """What an epoch came to, on the processor."""

    loss: float  # summed over the steps
    gradient_is_finite: bool
    predictions_are_finite: bool
    scores: Mapping[str, float]  # by SPLIT_METRIC


class DeviceEvaluation:
    """Measures an epoch on a device, recorded where it can be, without waiting for it."""

    def __init__(self, parts: AtWork, recorder: Recorder, rounds: int) -> None:
        self._parts = parts
        self._recorder = recorder
        self._rounds = rounds  # evaluations to come
        self._taken = 0
        self._evaluate: Work = self._predict
        self._predictions = self._numbers = torch.empty(0)  # of the last evaluation, on the device

    def release(self) -> None:
        """Let go of everything; it knows itself by its methods, and so would be kept until garbage is collected."""
        vars(self).clear()

    def measure(self) -> Iterator[Arrived | Pause]:
        """Evaluate the tune split; yield a pause until the numbers have arrived, then them."""
        parts = self._parts
        parts.switch("eval")
        self._next()
        gradients = torch.stack([parts.running_loss, parts.objective.gradient_is_finite().to(parts.running_loss.dtype)])
        fetched = [_fetch(self._numbers), _fetch(gradients)]
        scored = self._scores_on_device()
        if not scored:
            fetched.append(_fetch(self._predictions))
        yield from until_done(parts.device)
        yield None  # from here on plugins are called
        yield self._arrived(fetched[0].tolist(), fetched[1].tolist(), None if scored else fetched[2])

    def _next(self) -> None:
        """Evaluate: the first time eagerly, and from then on as a graph if that is worth its recording."""
        self._taken += 1
        if self._taken > 1:
            self._evaluate()
            return
        with noticed(self._parts.unrepeatable):
            self._predict()
        way = self._parts.way
        if self._rounds > 2 and way is not None and way.name != "eager":
            self._record()

    def _record(self) -> None:
        """Record the evaluation that was just made; leave it eager where its graph does not predict the same.

        Its graph is compared the first time in a process that an arm is evaluated, as those of the steps are.
        """
        parts, expected = self._parts, [self._predictions, self._numbers]
        key = (type(self._recorder), *parts.decisive, len(parts.ingredients.tune))
        model = parts.model
        tensors_kept = (
            Kept([*model.parameters(), *model.buffers()], model, parts.device) if key not in _agreeing else None
        )
        try:
            replay = self._recorder.record(self._predict)
            recorded = self._predictions, self._numbers

            def evaluate() -> None:
                replay()
                if self._recorder.static:
                    self._predictions, self._numbers = recorded

            if tensors_kept is not None:
                evaluate()
                if not same_tensors([self._predictions, self._numbers], expected):
                    return
                _agreeing.add(key)
            self._evaluate = evaluate
        except Exception:  # what a plugin raises of its own, it raises again when it is called eagerly
            return
        finally:
            if tensors_kept is not None:
                tensors_kept.put_back()
            self._predictions, self._numbers = expected

    @torch.no_grad()
    def _predict(self) -> None:
        """Put predictions, and numbers made from them, into tensors on the device."""
        parts, split = self._parts, self._parts.ingredients.tune
        self._predictions, loss = predict_with_loss(parts, split)
        numbers = [torch.isfinite(self._predictions).all(), *([] if loss is None else [loss])]
        if self._scores_on_device():
            numbers += score_on_device(parts.ingredients.task, self._predictions, split)
        self._numbers = torch.stack([number.double() for number in numbers])

    def _scores_on_device(self) -> bool:
        """Return whether all metrics are computed on the device; on a CPU numpy computes them."""
        metrics = self._parts.ingredients.task.metrics.values()
        return self._parts.device.type == "cuda" and all(metric.on_device for metric in metrics)

    def _arrived(
        self, numbers: Sequence[float], gradients: Sequence[float], predictions: torch.Tensor | None
    ) -> Arrived:
        task, split = self._parts.ingredients.task, self._parts.ingredients.tune
        finite, *rest = numbers
        scores: dict[str, float] = {}
        has_loss = "loss" not in task.metrics
        if predictions is not None:
            scores = score_predictions(task, predictions, split, "tune")
        else:
            scores = {f"tune_{name}": value for name, value in zip(task.metrics, rest[has_loss:], strict=True)}
        if has_loss:
            scores["tune_loss"] = rest[0] / len(split)
        return Arrived(gradients[0], bool(gradients[1]), bool(finite), scores)


def _fetch(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of the processor that the device fills when its work has come so far."""
    if not tensor.is_cuda:
        return tensor.clone()
    place = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return place.copy_(tensor, non_blocking=True)


def until_done(device: Device) -> Iterator[Pause]:
    """Yield pauses until all work of this stream so far is done; none on a CPU, where work is done at once."""
    if device.type != "cuda":
        return
    passed = torch.cuda.Event()  # type: ignore[no-untyped-call]
    passed.record()
    while not passed.query():  # type: ignore[no-untyped-call]
        yield QUIET
