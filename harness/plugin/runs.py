"""A run and what happens to it: the values that travel between the driver and an executor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import arguments

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


def digest(value: object) -> str:
    """Return the SHA-256 (hex) of a value's canonical JSON; raises TypeError for a value that JSON does not have."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise TypeError(f"value: must be plain values, as JSON has them, got {arguments.describe(value)}") from None
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Arm:
    """One competitor: a backbone trained by an optimizer under a schedule."""

    backbone: str
    optimizer: str
    scheduler: str
    head: str = ""  # what is trained on the frozen backbone's features; empty where the backbone itself is trained
    alias: str = ""  # what the optimizer goes by in this benchmark, where that is not its own name

    @property
    def network(self) -> str:
        """``backbone``, or ``backbone+head``."""
        return f"{self.backbone}+{self.head}" if self.head else self.backbone

    @property
    def name(self) -> str:
        """``backbone/optimizer/scheduler``, unique within a benchmark; with an alias, that instead of the optimizer."""
        return f"{self.network}/{self.alias or self.optimizer}/{self.scheduler}"


@dataclass(frozen=True)
class Run:
    """One training, fully said: equal runs do equal work, so in a run folder what is done is never done again."""

    phase: Literal["search", "compare"]
    arm: Arm
    optimizer: Mapping[str, Any]  # the optimizer's hyperparameters
    scheduler: Mapping[str, Any]  # the schedule's
    epochs: int
    batch_size: int
    l2: float  # the objective is loss + l2/2 * |parameters|^2
    augment: tuple[str, ...]
    precision: Literal["fp32", "bf16"]
    task: str
    init_seed: int  # of the initial weights
    order_seed: int  # of batch order, augmentation and dropout
    data: str  # fingerprint
    plugins: Mapping[str, str]  # SHA-256 of the source file of every plugin that takes part
    weights: str = ""  # SHA-256 of the pretrained weights; empty when trained from scratch
    head_epochs: int = 0  # so many first epochs train the head alone
    layer_factor: float = 1.0  # of the learning rate, from a layer group to the one before it
    batch_norm: Literal["train", "frozen"] = "train"  # frozen: the statistics it began with are kept and used
    tta: bool = False  # the mean of predictions for an image and its mirror image is scored too
    snapshots: bool = False  # keeps the weights at the ends of its schedule's cycles, with their test predictions
    label_noise: float = 0.0  # this part of the training targets is shuffled, always the same way
    follows: str = ""  # the run whose final weights it starts from

    def recipe(self) -> dict[str, Any]:
        """Return everything that decides the outcome, as plain JSON."""
        return asdict(self)

    @cached_property
    def id(self) -> str:
        """The recipe hash: 16 hex digits."""
        return digest(self.recipe())[:16]


@dataclass(frozen=True)
class State:
    """Where a training stands between two epochs: tensors and plain JSON, never a pickle."""

    tensors: Mapping[str, torch.Tensor]
    plain: Mapping[str, Any]


@dataclass(frozen=True)
class Epoch:
    """One epoch is over.

    ``state()`` copies the state on demand, because most epochs are never saved; it is valid until the run goes on.
    """

    number: int  # 1 is the first
    steps: int  # optimizer steps so far
    seconds: float  # of training so far; evaluation is not timed
    lr: float  # of the step to come: the schedule has moved on
    metrics: Mapping[str, float]
    state: Callable[[], State]
    snapshot: Callable[[], Mapping[str, torch.Tensor]] | None = None  # the weights, if they are kept
    changed: tuple[str, ...] = ()  # as in Done
    ends_run = False


@dataclass(frozen=True)
class Done:
    """The run is over; comparison runs bring their weights and test predictions."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)
    predictions: NDArray[np.float32] | None = None  # [N, ...] of the test split, in its order
    tune_predictions: NDArray[np.float32] | None = None  # of the tune split, on which nothing was trained either
    stopped: bool = False  # by a pruner
    problem: str = ""  # what is wrong with its test scores; the run itself ended well
    snapshots: NDArray[np.float32] | None = None  # [S, N, ...]: test predictions of what was kept before
    changed: tuple[str, ...] = ()  # settings of the process that the run changed since its last event, a line each
    ends_run = True


@dataclass(frozen=True)
class Failed:
    """The run ended without a result, and this is why."""

    kind: Literal["diverged", "error"]
    reason: str  # one line
    traceback: str = ""
    changed: tuple[str, ...] = ()  # as in Done
    ends_run = True


Event = Epoch | Done | Failed


@dataclass(frozen=True)
class PrunerDecision:
    """What a pruner says of an epoch, and what it must remember to say the same when the search goes on elsewhere."""

    stop: bool
    trial_attrs: Mapping[int, Mapping[str, Any]]  # Optuna's own, by the number of the trial
