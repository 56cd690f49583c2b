"""What a plugin may use of a run's parts: a network with the data, the task and the plugins that it was trained with.

These are protocols, so that the contract says what probes and executors may rely on and nothing more. The parts that
the harness builds are in ``harness.training.parts``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from harness.plugin.contracts.learning import Backbone, Optimizer, Scheduler, Task
from harness.plugin.runs import Done, Run, State

if TYPE_CHECKING:
    import torch


T = TypeVar("T")


class DeviceSplit(Protocol):
    """A split on the device. What it returns are copies, because all runs of a benchmark share the stored tensors."""

    @property
    def inputs(self) -> torch.Tensor:
        """All inputs as they are stored: ``uint8 [N, H, W, 3]`` or ``float32 [N, F]``."""

    @property
    def targets(self) -> torch.Tensor:
        """All targets, ``[N, ...]``."""

    @property
    def device(self) -> torch.device:
        """Where the split is."""

    @property
    def images(self) -> bool:
        """Whether the inputs are images."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example as a network sees it: ``(3, H, W)`` or ``(F,)``."""

    def as_input(self, rows: torch.Tensor) -> torch.Tensor:
        """Return stored rows as the network takes them: ``float32 [B, 3, H, W]``, normalised, or ``[B, F]``."""

    def batch(self, rows: torch.Tensor | slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return these rows' inputs ``[B, ...]`` as the network takes them, and their targets ``[B, ...]``."""

    def __len__(self) -> int:
        """Return N."""


class Ingredients(Protocol):
    """The plugins and the data that a run was made from."""

    @property
    def task(self) -> Task:
        """What is learned."""

    @property
    def backbone(self) -> Backbone:
        """The network's plugin."""

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer's plugin."""

    @property
    def scheduler(self) -> Scheduler:
        """The schedule's plugin."""

    @property
    def train(self) -> DeviceSplit:
        """The train split."""

    @property
    def tune(self) -> DeviceSplit:
        """The tune split."""

    @property
    def test(self) -> DeviceSplit | None:
        """The test split of a comparison run; None for a run of the search."""


class ComputeDevice(Protocol):
    """Where the network is."""

    @property
    def name(self) -> str:
        """The device as torch names it: ``cpu``, ``cuda:0``."""

    @property
    def type(self) -> str:
        """``cpu`` or ``cuda``."""


class ScaleFree(Protocol):
    """The scale-free tensors of a network, as a test of its outputs showed."""

    @property
    def units(self) -> Mapping[str, str]:
        """By the parameter's name what is scale-free: a slice of the first axis ("filter"), the "tensor", or its "group"."""

    @property
    def groups(self) -> Sequence[Sequence[str]]:
        """The names of parameters that are scale-free together: the gain and the shift of a batch norm before another one."""


class Parts(Protocol):
    """A trained network and what it was made from; probes measure it.

    >>> def measure(parts):  # the measure of a probe
    ...     return {"length": float(sum(p.detach().square().sum() for p in parts.model.parameters()) ** 0.5)}
    >>> measure(parts)["length"] > 0
    True
    """

    @property
    def run(self) -> Run:
        """The recipe of the run that trained the network."""

    @property
    def ingredients(self) -> Ingredients:
        """The plugins and the data of the run."""

    @property
    def device(self) -> ComputeDevice:
        """Where the network is."""

    @property
    def model(self) -> torch.nn.Module:
        """The network: in evaluation mode, to be left as it is."""

    @property
    def probe_cache(self) -> dict[str, Any]:
        """What a probe computed of this network and needs again for the next pair, under keys with the probe's name."""

    def predict(self, split: DeviceSplit, exact: bool = False) -> torch.Tensor:
        """Return predictions ``[N, ...]`` of a split in float32; ``exact`` computes in float32 too."""

    @property
    def scale_free(self) -> ScaleFree:
        """Which of the network's tensors are scale-free: multiplied by any number, they give the same outputs."""

    def beginning(self) -> torch.nn.Module:
        """Return a new network with the weights that the run began with, on the CPU."""

    def objective_gradient(self, network: torch.nn.Module) -> Mapping[str, torch.Tensor]:
        """Return the gradient of the run's whole objective at a network's weights, by the parameter's name.

        The network is built as the run's own is, such as ``beginning()``, and lies on ``device``. It is left as it was. Its
        batch norm takes the statistics of each batch, as in training, and the batches are those of one epoch in which no
        example is left out.
        """

    def trained_again(self) -> TrainingParts:
        """Return the same run at its end, trained once more from its beginning, with the state of its optimizer.

        A run keeps only its weights. Equal runs do equal work, so this brings the rest back, and takes as long as the run did.
        """


class Batches(Protocol):
    """The train split in batches, in another order every epoch."""

    def of(self, epoch: int) -> Iterator[tuple[torch.Tensor, Any]]:
        """Yield inputs ``[B, ...]`` and targets ``[B, ...]`` for every batch of an epoch; 1 is the first."""

    def __len__(self) -> int:
        """Return how many batches an epoch has."""


class Turn(Protocol):
    """What of the process is one run's while it works: its stream on a GPU, and the random generators."""

    def of(self, items: Iterator[T]) -> Iterator[T]:
        """Yield what an iterator yields, which works in this run's turn."""


class TrainingParts(Parts, Protocol):
    """A network in training: what the training loop moves, and an executor carries out with ``harness.execute``."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer, with its state."""

    @property
    def batches(self) -> Batches:
        """The batches of the train split."""

    @property
    def clock(self) -> AbstractContextManager[None]:
        """A context that counts the seconds of training."""

    @property
    def turn(self) -> Turn:
        """What of the process is this run's while it works."""

    def resume(self, state: State | None, epochs: int) -> Iterator[int]:
        """Yield the epochs still to train after ``state``, with everything set for training in each."""

    def step(self, inputs: torch.Tensor, targets: Any) -> torch.Tensor:
        """Take one step of optimizer and schedule on a batch; return the loss ``[]`` before it."""

    def steps(self, epoch: int) -> Iterator[Any]:
        """Take the steps of an epoch; yield where the device is busy with them, and other runs can have their turn."""

    def record(self, epoch: int) -> Iterator[Any]:
        """Yield until the numbers of an epoch are there, then its Epoch; raises Diverged where they are not finite."""

    def release(self) -> None:
        """Let go of what the device keeps for the training alone."""

    def done(self) -> Done:
        """Return the result of the run: its metrics, weights and predictions."""
