"""What the loop moves: model, optimizer, schedule, batches and clock, put together from a run."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from harness.contracts import Backbone, Optimizer, Probe, Schedule, Scheduler, Task, Weights
from harness.device import Device
from harness.errors import Diverged, PluginError
from harness.runs import Done, Epoch, Run, State
from harness.training.augmentation import Targets, blended
from harness.training.batches import Batches, Resident, mix, shuffled
from harness.training.probing import probe_all
from harness.training.snapshots import Snapshots, cycle_epochs
from harness.training.stages import (
    Groups,
    Stage,
    build_optimizer,
    build_schedule,
    choose,
    layer_groups,
    set_training,
    stage_of,
)
from harness.training.state import flatten, restore


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
    probes: tuple[Probe, ...] = ()


class Clock:
    """Seconds spent inside ``with clock:``, the device's work included."""

    def __init__(self, device: Device) -> None:
        self.seconds = 0.0
        self._device = device
        self._start = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device.name)
        self.seconds += time.perf_counter() - self._start


@dataclass
class Parts:
    """A model in training. All that lives between two epochs is in ``state()``."""

    run: Run
    use: Ingredients
    device: Device
    model: torch.nn.Module
    groups: Groups
    batches: Batches
    clock: Clock
    stage: Stage = field(init=False)  # it has an optimizer, a schedule and parameters of its own
    optimizer: torch.optim.Optimizer = field(init=False)
    schedule: Schedule = field(init=False)
    parameters: list[torch.nn.Parameter] = field(init=False)
    snapshots: Snapshots = field(init=False)
    metrics: dict[str, float] = field(default_factory=dict)  # of the last epoch
    kept: dict[str, Any] = field(default_factory=dict)  # a probe's own, for when it meets this network again
    _loss: torch.Tensor = field(default_factory=lambda: torch.zeros(()))  # summed over the epoch's steps

    def __post_init__(self) -> None:
        self._enter(stage_of(self.run, 1))
        self.snapshots = Snapshots(cycle_epochs(self.run, self.use.scheduler, len(self.batches))[:-1])

    def _enter(self, stage: Stage) -> None:
        """Choose what is trained from here on, with a new optimizer and a new schedule."""
        use, run = self.use, self.run
        groups = self.groups[-1:] if stage.head_only else self.groups
        settings, timing = {**use.optimizer.defaults, **run.optimizer}, {**use.scheduler.defaults, **run.scheduler}
        steps = stage.epochs * len(self.batches)
        torch.manual_seed(mix(run.init_seed, stage.head_only))  # an optimizer that draws does so alike after a resume
        self.stage = stage
        self.parameters = choose(groups, self.groups)
        self.optimizer = _build(
            "optimizer", use.optimizer.name, lambda: build_optimizer(use.optimizer, settings, groups, run.layer_factor)
        )
        self.schedule = _build(
            "scheduler",
            use.scheduler.name,
            lambda: build_schedule(use.scheduler, timing, self.optimizer, steps, groups, run.layer_factor),
        )

    def resume(self, state: State | None, epochs: int) -> Iterator[int]:
        """Yield the epochs still to train, 1 is the first, with everything set for training in each."""
        first = 1
        if state is not None:
            self._load(state)
            first = state.plain["epoch"] + 1
        for epoch in range(first, epochs + 1):
            if stage_of(self.run, epoch) != self.stage:
                self._enter(stage_of(self.run, epoch))
            self._switch("train")
            self._loss = torch.zeros((), device=self.device.name)
            yield epoch

    def step(self, inputs: torch.Tensor, targets: Targets) -> torch.Tensor:
        """Move the weights and the schedule by one step on the objective ``loss + l2/2 * |parameters|^2``.

        Returns the loss ``[]`` where the step began, without the penalty.
        """
        losses: list[torch.Tensor] = []  # without the penalty, one per evaluation

        def objective() -> torch.Tensor:
            self.optimizer.zero_grad(set_to_none=True)
            with self.autocast():
                outputs = self.model(inputs)
            loss = blended(self.use.task.loss, outputs.float(), targets)
            losses.append(loss.detach())
            if self.use.optimizer.second_order:
                return self._differentiate(loss)
            loss.backward()  # type: ignore[no-untyped-call]
            return losses[-1] + self._add_penalty()

        if self.use.optimizer.closure:
            self.optimizer.step(objective)  # type: ignore[arg-type]
        else:
            objective()
            self.optimizer.step()
        self._loss += losses[0]  # where the step began
        if not self.use.scheduler.per_epoch:
            self.schedule.step()
        return losses[0]

    def _add_penalty(self) -> torch.Tensor | float:
        """Add the penalty's gradient, ``l2 * parameter``, to the loss's; return its value where a closure needs it.

        Added by hand, as autograd would, but without a graph node per parameter.
        """
        if not self.run.l2:
            return 0.0
        moved: list[torch.Tensor] = [p for p in self.parameters if p.grad is not None]
        with torch.no_grad():
            torch._foreach_add_([p.grad for p in moved if p.grad is not None], moved, alpha=self.run.l2)
            if not self.use.optimizer.closure:
                return 0.0
            return self.run.l2 / 2 * torch.stack(torch._foreach_norm(moved)).square().sum()

    def _differentiate(self, loss: torch.Tensor) -> torch.Tensor:
        """Set the objective's gradients with a graph of their own, to be differentiated again; return its value."""
        moved = [p for p in self.parameters if p.requires_grad]
        if self.run.l2:
            loss = loss + self.run.l2 / 2 * torch.stack([p.square().sum() for p in moved]).sum()
        gradients = torch.autograd.grad(loss, moved, create_graph=True, allow_unused=True)
        for parameter, gradient in zip(moved, gradients, strict=True):
            parameter.grad = gradient
        return loss.detach()

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of the run's precision."""
        if self.run.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def record(self, epoch: int) -> Epoch:
        """Return what this epoch came to; raises Diverged when its loss is not a finite number."""
        loss = self._loss.item() / len(self.batches)
        if not math.isfinite(loss):
            raise Diverged(f"epoch {epoch}: the training loss must be finite, got {loss}")
        self.metrics = {"running_loss": loss, **self.evaluate(self.use.tune, "tune")}
        bad = [name for name, value in self.metrics.items() if not math.isfinite(value)]
        if bad:
            raise Diverged(f"epoch {epoch}: {bad[0]} must be finite, got {self.metrics[bad[0]]}")
        if self.use.scheduler.per_epoch:
            self.schedule.step(loss)
        lr = float(self.optimizer.param_groups[0]["lr"]) if "lr" in self.optimizer.param_groups[0] else math.nan
        steps = epoch * len(self.batches)
        snapshot = None
        if self.use.test is not None and epoch in self.snapshots.epochs:
            self.snapshots.add(epoch, self.predict(self.use.test, exact=True))
            snapshot = self.model.state_dict
        return Epoch(epoch, steps, self.clock.seconds, lr, self.metrics, lambda: self.state(epoch), snapshot)

    def evaluate(self, split: Resident, prefix: str) -> dict[str, float]:
        """Return the task's metrics on a split, in the training precision: ``{"tune_accuracy": ...}``."""
        return self._measure(split, prefix)[1]

    def _measure(self, split: Resident, prefix: str, exact: bool = False) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the predictions of a split, and its metrics: the task's, and its loss where no metric is called so."""
        predictions, loss = self._forward(split, exact=exact)
        metrics = self._score(predictions, split, prefix)
        return predictions, metrics if "loss" in self.use.task.metrics else {**metrics, f"{prefix}_loss": loss}

    def _score(self, predictions: torch.Tensor, split: Resident, prefix: str) -> dict[str, float]:
        predicted, targets = predictions.cpu().numpy(), split.targets.cpu().numpy()
        return {
            f"{prefix}_{name}": float(metric.compute(predicted, targets))
            for name, metric in self.use.task.metrics.items()
        }

    def predict(self, split: Resident, exact: bool = False) -> torch.Tensor:
        """Return predictions ``[N, ...]`` in float32; ``exact`` computes in float32 whatever the training did."""
        return self._forward(split, exact=exact)[0]

    @torch.no_grad()
    def _forward(self, split: Resident, batch_size: int = 512, exact: bool = False) -> tuple[torch.Tensor, float]:
        """Return the predictions of a split, and the mean of the task's loss where no metric of the task is called so."""
        self._switch("eval")
        task, found, losses = self.use.task, [], []
        for start in range(0, len(split), batch_size):
            inputs = split.as_input(split.inputs[start : start + batch_size])
            with contextlib.nullcontext() if exact else self.autocast():
                outputs = self.model(inputs)
            found.append(task.predict(outputs.float()))
            if "loss" not in task.metrics:
                losses.append(task.loss(outputs.float(), split.targets[start : start + batch_size]) * len(inputs))
        return torch.cat(found), float(torch.stack(losses).sum()) / len(split) if losses else math.nan

    def gradient_norm(self, network: torch.nn.Module | None = None) -> float:
        """Return the norm of the objective's gradient over the whole un-augmented train split, in float32.

        It is taken where the trained network stands, or another of its kind on the same device.
        """
        if network is None:
            self._switch("eval")
            network = self.model
        network.eval()
        network.zero_grad(set_to_none=True)
        train = self.use.train
        for start in range(0, len(train), 512):
            rows, targets = train.inputs[start : start + 512], train.targets[start : start + 512]
            loss = self.use.task.loss(network(train.as_input(rows)).float(), targets)
            (loss * len(rows) / len(train)).backward()  # type: ignore[no-untyped-call]
        moved = [p for p in network.parameters() if p.grad is not None]
        norms = [torch.norm(p.grad + self.run.l2 * p.detach()) for p in moved if p.grad is not None]
        network.zero_grad(set_to_none=True)
        return float(torch.stack(norms).norm())

    def done(self) -> Done:
        """Return the run's result; a comparison run is measured on the un-augmented train split and on test."""
        if self.use.test is None:
            return Done(self.metrics)
        predictions, tested = self._measure(self.use.test, "test", exact=True)
        tuned = self.predict(self.use.tune, exact=True).cpu().numpy()
        metrics = {**self.metrics, **self._measure(self.use.train, "train", exact=True)[1], **tested}
        if self.use.mirrored is not None:
            both = (predictions + self.predict(self.use.mirrored, exact=True)) / 2
            metrics |= self._score(both, self.use.test, "tta_test")
        for name, each in self.snapshots.named(predictions):
            metrics |= self._score(each, self.use.test, f"{name}_test")
        probed = probe_all(self, self.use.probes)
        return Done(
            {**metrics, **probed.numbers},
            probed.weights,
            predictions.cpu().numpy(),
            tuned,
            problems=tuple(probed.problems),
            arrays=probed.arrays,
            snapshots=self.snapshots.stacked(),
        )

    def beginning(self) -> torch.nn.Module:
        """Return a network with the weights that this run began with; no random number of the run is used up."""
        devices = range(torch.cuda.device_count()) if self.device.type == "cuda" else ()
        with torch.random.fork_rng(devices):
            return _network(self.run, self.use)

    def state(self, epoch: int) -> State:
        """Return a copy of everything from which training goes on after ``epoch``."""
        tensors: dict[str, torch.Tensor] = {}
        plain = {
            "epoch": epoch,
            "seconds": self.clock.seconds,
            "metrics": dict(self.metrics),
            "model": flatten(dict(self.model.state_dict()), "model", tensors),
            "optimizer": flatten(self.optimizer.state_dict(), "optimizer", tensors),
            "schedule": flatten(self.schedule.state_dict(), "schedule", tensors),
            "snapshots": flatten(self.snapshots.predictions, "snapshots", tensors),
        }
        return State(tensors, plain)

    def _load(self, state: State) -> None:
        plain, tensors = state.plain, state.tensors
        self._enter(stage_of(self.run, plain["epoch"]))
        self.model.load_state_dict(restore(plain["model"], tensors))
        self.optimizer.load_state_dict(restore(plain["optimizer"], tensors))
        self.schedule.load_state_dict(restore(plain["schedule"], tensors))
        self.clock.seconds = plain["seconds"]
        self.metrics = dict(plain["metrics"])
        self.snapshots.predictions = restore(plain.get("snapshots", {}), tensors)  # older states have none

    def _switch(self, mode: str) -> None:
        """Set model and optimizer to ``train`` or ``eval``."""
        if mode == "train":
            set_training(self.model, self.parameters if self.stage.head_only else (), self.run.batch_norm)
        else:
            self.model.eval()
        if self.use.optimizer.switches:
            getattr(self.optimizer, mode)()


def assemble(run: Run, use: Ingredients, device: Device, weights: Mapping[str, torch.Tensor] | None = None) -> Parts:
    """Return the run's parts, with the initial weights that ``run.init_seed`` gives, the same for every arm, or these.

    Raises PluginError, naming the plugin, where one cannot be built.
    """
    model: Any = _network(run, use)
    if weights is not None:
        model.load_state_dict(weights)
    model = model.to(device.name)
    if use.train.images and device.type == "cuda":
        # Tensor cores want weights in this layout too. On a CPU channels_last inputs are enough (measured), and
        # weights that stay contiguous can be seen as flat vectors, which LBFGS does.
        model = model.to(memory_format=torch.channels_last)
    groups = layer_groups(run, use.backbone, model)
    seen = replace(use.train, targets=shuffled(use.train.targets, run.label_noise)) if run.label_noise else use.train
    batches = Batches(seen, run.batch_size, run.augment, run.order_seed)
    return Parts(run, use, device, model, groups, batches, Clock(device))


def _network(run: Run, use: Ingredients) -> torch.nn.Module:
    torch.manual_seed(mix(run.init_seed))
    start = () if use.weights is None else (use.weights,)
    shape, outputs = use.train.input_shape, use.outputs
    model: torch.nn.Module = _build("backbone", use.backbone.name, lambda: use.backbone.build(shape, outputs, *start))
    return model


def _build(kind: str, name: str, build: Any) -> Any:
    try:
        return build()
    except Exception as error:
        raise PluginError(f"{kind} '{name}': must build, got {type(error).__name__}: {error}") from error
