"""What the pieces of a training know of the whole: ``harness.training.parts.Parts`` is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch

    from harness.plugin.boundary import Boundary
    from harness.plugin.contracts import DeviceSplit, Schedule
    from harness.plugin.runs import Run, State
    from harness.training.batches import Batches
    from harness.training.device import Device
    from harness.training.ingredients import Clock, Ingredients
    from harness.training.objective import Objective
    from harness.training.scale_free import ScaleFree
    from harness.training.snapshots import Snapshots
    from harness.training.ways import Way


class AtWork(Protocol):
    """A model in training."""

    run: Run
    ingredients: Ingredients
    device: Device
    model: torch.nn.Module
    batches: Batches
    clock: Clock
    objective: Objective
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    parameters: list[torch.nn.Parameter]  # that the stage trains
    snapshots: Snapshots
    stepping: Boundary  # around the optimizer's step
    running_loss: torch.Tensor  # summed over the epoch's steps
    gradients: int  # evaluations of the objective's gradient so far
    metrics: dict[str, float]  # of the last epoch
    rate: float  # of the epoch's first step
    moved: dict[str, None]  # entries of the groups, not lr, that the schedule has moved
    way: Way | None  # how the steps are taken on a device with graphs; None before the second one
    unrepeatable: dict[str, None]  # operations that have no deterministic form

    def beginning(self) -> torch.nn.Module:
        """Return a network with the weights that this run began with."""

    @property
    def captured(self) -> bool:
        """Whether the optimizer is built so that a graph can have its steps."""

    @property
    def decisive(self) -> tuple[object, ...]:
        """What decides whether a graph gives the numbers of eager work: the code and the shapes, not the values."""

    @property
    def scale_free(self) -> ScaleFree:
        """Which of the network's tensors are scale-free, as a test of them showed."""

    def add_loss(self, loss: torch.Tensor) -> None:
        """Add a step's loss to the running loss of the epoch."""

    def step_schedule(self, *loss: float) -> None:
        """Move the schedule by one step, or by one epoch of a certain loss."""

    def predict(self, split: DeviceSplit, exact: bool = False) -> torch.Tensor:
        """Return predictions ``[N, ...]`` in float32; ``exact`` computes in float32 whatever the training did."""

    def state(self, epoch: int) -> State:
        """Return a copy of everything from which training goes on after an epoch."""

    def switch(self, mode: Literal["train", "eval"]) -> None:
        """Set model and optimizer to ``train`` or ``eval``."""
