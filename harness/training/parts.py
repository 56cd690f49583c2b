"""What the training loop moves: model, optimizer, schedule, batches and clock, put together from a run."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import torch

from harness.plugin.boundary import Boundary
from harness.plugin.contracts import DeviceSplit, Schedule
from harness.plugin.runs import Done, Epoch, Run, State
from harness.training import group_entries
from harness.training.augmentation import Targets, copy_targets
from harness.training.batches import Batches, Resident, mix_seeds, seed_all, shuffle_labels
from harness.training.device import Device
from harness.training.epoch_end import end_epoch, raise_if_diverged
from harness.training.evaluating import Arrived, DeviceEvaluation, are_finite, measure, predict_with_loss
from harness.training.finishing import result_of
from harness.training.graphs import Recorder, recorder_for
from harness.training.ingredients import Clock, Ingredients, build_network
from harness.training.loop import advance
from harness.training.objective import Objective
from harness.training.pauses import GLANCE, GLANCES, Pause
from harness.training.scale_free import ScaleFree, find_scale_free
from harness.training.snapshots import Snapshots, cycle_epochs
from harness.training.stages import (
    Groups,
    Stage,
    build_optimizer,
    build_schedule,
    clear_gradients,
    layer_groups,
    set_training,
    stage_of,
    train_only,
)
from harness.training.state import load_state, state_of
from harness.training.stepping import DeviceSteps
from harness.training.surroundings import Surroundings
from harness.training.turns import Turn
from harness.training.ways import Way
from harness.training.whole_objective import gradient_of


@dataclass
class Parts:
    """A model in training. All that lives between two epochs is in ``state()``."""

    run: Run
    ingredients: Ingredients
    device: Device
    model: torch.nn.Module
    groups: Groups
    batches: Batches
    clock: Clock
    turn: Turn
    recorder: Recorder | None  # of a device that has graphs
    stage: Stage = field(init=False)  # it has an optimizer, a schedule and parameters of its own
    optimizer: torch.optim.Optimizer = field(init=False)
    schedule: Schedule = field(init=False)
    parameters: list[torch.nn.Parameter] = field(init=False)
    snapshots: Snapshots = field(init=False)
    objective: Objective = field(init=False)
    running_loss: torch.Tensor = field(init=False)  # summed over the epoch's steps
    gradients: int = 0  # evaluations of the objective's gradient so far
    metrics: dict[str, float] = field(default_factory=dict)  # of the last epoch
    rate: float = math.nan  # of the epoch's first step
    moved: dict[str, None] = field(default_factory=dict)  # entries of the groups, not lr, that the schedule has moved
    probe_cache: dict[str, Any] = field(default_factory=dict)  # a probe's own, for when it meets this network again
    way: Way | None = None  # how a device with graphs takes the stage's steps; None before the second one
    unrepeatable: dict[str, None] = field(default_factory=dict)  # operations that have no deterministic form
    _device_steps: DeviceSteps | None = None  # of the stage
    _device_evaluation: DeviceEvaluation | None = None

    def __post_init__(self) -> None:
        use = self.ingredients
        self.stepping = Boundary("optimizer", use.optimizer.name, "step")
        self._scheduling = Boundary("scheduler", use.scheduler.name, "step")
        self._switching = Boundary("optimizer", use.optimizer.name, "switch between training and evaluation")
        free = self.scale_free.units if self.run.l2 and self.run.l2_on == "not_scale_free" else ()
        self.objective = Objective(self.run, use, self.device, self.model, free)
        self.running_loss = torch.zeros((), device=self.device.name)
        self._enter(stage_of(self.run, 1))
        self.snapshots = Snapshots(cycle_epochs(self.run, self.ingredients.scheduler, len(self.batches))[:-1])

    @property
    def captured(self) -> bool:
        """Whether the optimizer is built so that a graph can have its steps."""
        offer = self.ingredients.optimizer
        return self.recorder is not None and offer.captured is not None and not (offer.closure or offer.second_order)

    @property
    def decisive(self) -> tuple[object, ...]:
        """What decides whether a graph gives the numbers of eager work: the code and the shapes, not the values."""
        run, shapes = self.run, tuple((p.shape, p.requires_grad) for p in self.model.parameters())
        on = (self.device.name, self.ingredients.train.input_shape)
        return run.arm, run.task, run.precision, run.batch_norm, tuple(run.plugins.items()), *on, shapes

    @cached_property
    def scale_free(self) -> ScaleFree:
        """Which of the network's tensors are scale-free, as a test of them showed."""
        return find_scale_free(self.run, self.ingredients)

    def _enter(self, stage: Stage) -> None:
        """Choose what is trained from here on, with a new optimizer and a new schedule."""
        use, run = self.ingredients, self.run
        groups = self.groups[-1:] if stage.head_only else self.groups
        settings, timing = use.optimizer.settings(run.optimizer), use.scheduler.settings(run.scheduler)
        steps = stage.epochs * len(self.batches)
        seed_all(mix_seeds(run.init_seed, stage.head_only))  # an optimizer that draws does so alike after a resume
        self.stage = stage
        self._device_steps = self.way = None
        self.parameters = train_only(groups, self.groups)
        self.objective.train(self.parameters)
        if self.captured and self.recorder is not None and self.recorder.static:
            settings |= use.optimizer.captured or {}
        settings |= Surroundings(self.model, steps, len(use.train)).keywords(use.optimizer)
        with Boundary("optimizer", use.optimizer.name, "build"):
            self.optimizer = build_optimizer(use.optimizer, settings, groups, run.layer_factor)
        before = group_entries.copy_groups(self.optimizer)
        with Boundary("scheduler", use.scheduler.name, "build"):
            self.schedule = build_schedule(use.scheduler, timing, self.optimizer, steps, groups, run.layer_factor)
            self._note_moved(before)

    def enter_last_stage(self) -> None:
        """Enter the last stage of training, so that the parameters which it trains have gradients."""
        last = stage_of(self.run, self.run.epochs)
        if last != self.stage:
            self._enter(last)

    def resume(self, state: State | None, epochs: int) -> Iterator[int]:
        """Yield the epochs still to train, 1 is the first, with everything set for training in each."""
        first = 1
        if state is not None:
            self._enter(stage_of(self.run, state.plain["epoch"]))
            load_state(self, state)
            first = state.plain["epoch"] + 1
        for epoch in range(first, epochs + 1):
            if stage_of(self.run, epoch) != self.stage:
                self._enter(stage_of(self.run, epoch))
            self.switch("train")
            self.running_loss.zero_()
            self.rate = float(self.optimizer.param_groups[0].get("lr", math.nan))  # some optimizers remove the entry
            yield epoch

    def steps(self, epoch: int) -> Iterator[Pause]:
        """Take the steps of an epoch; yield where other runs can work, while the device is busy with these steps."""
        if self.recorder is None:
            with self.clock:
                yield from self._host_steps(epoch)
            return
        if self._device_steps is None:
            self._device_steps = DeviceSteps(self, self.recorder)
        self.clock.begin()
        yield from self._device_steps.of(epoch)
        self.clock.end()

    def _host_steps(self, epoch: int) -> Iterator[Pause]:
        """Take the steps of an epoch one by one; now and then the run can be left in between."""
        glanced = time.monotonic()
        for inputs, targets in self.batches.of(epoch):  # [B, 3, H, W] or [B, F], and [B, ...]
            self.step(inputs, targets)
            if time.monotonic() - glanced > GLANCES:
                yield GLANCE
                glanced = time.monotonic()

    def step(self, inputs: torch.Tensor, targets: Targets) -> torch.Tensor:
        """Move the weights and the schedule by one step on the objective ``loss + l2/2 * |parameters|^2``.

        Returns the loss ``[]`` where the step began, without the penalty.
        """
        losses: list[torch.Tensor] = []  # without the penalty, one per evaluation
        copies_needed = self.ingredients.optimizer.closure  # it may evaluate the batch more than once

        def objective() -> torch.Tensor:
            clear_gradients(self.optimizer)
            seen = (inputs.clone(), copy_targets(targets)) if copies_needed else (inputs, targets)
            loss, value = self.objective.differentiate(*seen)
            losses.append(loss)
            return value

        with self.stepping:
            if self.ingredients.optimizer.closure:
                self.optimizer.step(objective)  # type: ignore[arg-type]
            else:
                objective()
                self.optimizer.step()
        self.gradients += len(losses)
        self.add_loss(losses[0])  # where the step began
        if not self.ingredients.scheduler.per_epoch:
            self.step_schedule()
        return losses[0]

    def add_loss(self, loss: torch.Tensor) -> None:
        """Add a step's loss to the running loss of the epoch."""
        self.running_loss += loss

    def step_schedule(self, *loss: float) -> None:
        """Move the schedule by one step, or by one epoch of a certain loss."""
        with self._scheduling:
            before = group_entries.copy_groups(self.optimizer)
            self.schedule.step(*loss)
            self._note_moved(before)

    def _note_moved(self, before: group_entries.Groups) -> None:
        """Note which entries of the groups, beside the rate, the schedule has changed."""
        after = self.optimizer.param_groups
        self.moved |= dict.fromkeys(group_entries.moved_entries(before, after, self.run.optimizer))

    def record(self, epoch: int) -> Iterator[Epoch | Pause]:
        """Yield the record of this epoch, and a pause until its numbers have come from the device.

        Raises Diverged where they are not finite.
        """
        if self.recorder is None:
            raise_if_diverged(self, epoch, self.running_loss.item(), bool(self.objective.gradient_is_finite()))
            self.switch("eval")
            predictions, scores = measure(self, self.ingredients.tune, "tune")
            yield end_epoch(self, epoch, self.running_loss.item(), are_finite(predictions), scores)
            return
        evaluation = self._device_evaluation or DeviceEvaluation(self, self.recorder, self.run.epochs - epoch + 1)
        self._device_evaluation = evaluation
        for arrived in evaluation.measure():
            if not isinstance(arrived, Arrived):
                yield arrived
                continue
            self.clock.settle()
            raise_if_diverged(self, epoch, arrived.loss, arrived.gradient_is_finite)
            yield end_epoch(self, epoch, arrived.loss, arrived.predictions_are_finite, arrived.scores)

    def evaluate(self, split: Resident, prefix: str) -> dict[str, float]:
        """Return the task's metrics on a split, in the training precision: ``{"tune_accuracy": ...}``."""
        self.switch("eval")
        return measure(self, split, prefix)[1]

    def predict(self, split: DeviceSplit, exact: bool = False) -> torch.Tensor:
        """Return predictions ``[N, ...]`` in float32; ``exact`` computes in float32 whatever the training did."""
        self.switch("eval")
        return predict_with_loss(self, split, exact)[0]

    def release(self) -> None:
        """Let go of the graphs and their memory; nothing of them may be under way."""
        for recorded in (self._device_steps, self._device_evaluation):
            if recorded is not None:
                recorded.release()
        self._device_steps = self._device_evaluation = None

    def done(self) -> Done:
        """Return the run's result; a comparison run is measured on the un-augmented train split and on test."""
        self.turn.take_generators()
        self.switch("eval")
        return result_of(self)

    def beginning(self) -> torch.nn.Module:
        """Return a network with the weights that this run began with; no random number of the run is used up."""
        devices = range(torch.cuda.device_count()) if self.device.type == "cuda" else ()
        with torch.random.fork_rng(devices):
            return build_network(self.run, self.ingredients)

    def trained_again(self) -> Parts:
        """Return the same run at its end, trained once more from its beginning, with the state of its optimizer."""
        fresh_parts = assemble(self.run, self.ingredients, self.device)
        deque(advance(self.run, fresh_parts), maxlen=0)
        fresh_parts.switch("eval")
        return fresh_parts

    def objective_gradient(self, network: torch.nn.Module) -> dict[str, torch.Tensor]:
        """Return the gradient of the run's whole objective at a network's weights, by the name of the parameter."""
        return gradient_of(self, network)

    def state(self, epoch: int) -> State:
        """Return a copy of everything from which training goes on after ``epoch``."""
        return state_of(self, epoch)

    def switch(self, mode: Literal["train", "eval"]) -> None:
        """Set model and optimizer to ``train`` or ``eval``."""
        if mode == "train":
            set_training(self.model, self.parameters if self.stage.head_only else (), self.run.batch_norm)
        else:
            self.model.eval()
        if self.ingredients.optimizer.switches:
            with self._switching:
                getattr(self.optimizer, mode)()


def assemble(
    run: Run,
    ingredients: Ingredients,
    device: Device,
    weights: Mapping[str, torch.Tensor] | None = None,
    recorder: Recorder | None = None,
) -> Parts:
    """Return the run's parts, with the weights that it begins with, or these.

    Those of ``run.init_seed`` are the same for every arm. A ``recorder`` takes the place of the one that the device has.

    Raises PluginError, naming the plugin, where one cannot be built.
    """
    turn = Turn(device)
    turn.take_generators()
    model: Any = build_network(run, ingredients if weights is None else replace(ingredients, origin=None))
    if weights is not None:
        model.load_state_dict(weights)
    model = model.to(device.name)
    if ingredients.train.images and device.type == "cuda":
        # Tensor cores want weights in this layout too. On a CPU channels_last inputs are enough (measured), and
        # weights that stay contiguous can be seen as flat vectors, which LBFGS does.
        model = model.to(memory_format=torch.channels_last)
    with Boundary("backbone", ingredients.backbone.name, "have layer groups"):
        groups = layer_groups(run, ingredients.backbone, model)
    seen = ingredients.train
    if run.label_noise:
        seen = replace(seen, stored_targets=shuffle_labels(seen.stored_targets, run.label_noise))
    batches = Batches(seen, run.batch_size, run.augment, run.order_seed)
    recorder = recorder or recorder_for(turn)
    return Parts(run, ingredients, device, model, groups, batches, Clock(device), turn, recorder)
