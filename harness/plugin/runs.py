"""A run and what happens to it: the values that travel between the driver and an executor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from harness.errors import arguments

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


def digest(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON.

    Args:
        value: A value that JSON has: texts, numbers, flags, None, lists and dicts of them.

    Returns:
        64 hex digits. Equal values have equal digests, whatever the order of their keys.

    Raises:
        TypeError: JSON does not have such a value.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise TypeError(f"value: must be plain values, as JSON has them, got {arguments.describe(value)}") from None
    return hashlib.sha256(text.encode()).hexdigest()


class ArmName(NamedTuple):
    """The parts of an arm's name."""

    network: str  # "backbone", or "backbone+head"
    optimizer: str  # or the alias under which the benchmark has it
    scheduler: str


def split_arm_name(arm: str) -> ArmName:
    """Return the parts of ``Arm.name``."""
    return ArmName(*arm.rsplit("/", 2))


def short_arm_names(arms: Iterable[str]) -> dict[str, str]:
    """Return the names of arms without the parts that all of them share; the optimizer always stays.

    >>> short_arm_names(["mlp/sgd/cosine", "mlp/adam/cosine", "mlp/adam/linear"])
    {'mlp/sgd/cosine': 'sgd/cosine', 'mlp/adam/cosine': 'adam/cosine', 'mlp/adam/linear': 'adam/linear'}
    """
    parts = {arm: split_arm_name(arm) for arm in arms}
    columns = list(zip(*parts.values(), strict=True))
    positions = [position for position, column in enumerate(columns) if position == 1 or len(set(column)) > 1]
    return {arm: "/".join(names[position] for position in positions) for arm, names in parts.items()}


def full_arm_name(name: str, arms: Sequence[str]) -> str:
    """Return the arm of a name that may be short, as it is printed; the name itself where there is no such arm.

    >>> full_arm_name("adam", ["mlp/sgd/cosine", "mlp/adam/cosine"])
    'mlp/adam/cosine'
    """
    by_short_name = {short: arm for arm, short in short_arm_names(arms).items()}
    return name if name in arms else by_short_name.get(name, name)


def named_arms(name: str, arms: Sequence[str]) -> list[str]:
    """Return the arm of a name as ``full_arm_name`` does, or the arms of several networks that an optimizer's name is of, one in each.

    There are none where no arm has the name, and where several arms of one network have it.

    >>> named_arms("adam", ["mlp/sgd/cosine", "mlp/adam/cosine", "cnn/sgd/cosine", "cnn/adam/cosine"])
    ['mlp/adam/cosine', 'cnn/adam/cosine']
    """
    full = full_arm_name(name, arms)
    if full in arms:
        return [full]
    parts = {arm: split_arm_name(arm) for arm in arms}
    matching = [arm for arm, part in parts.items() if name in (part.optimizer, f"{part.optimizer}/{part.scheduler}")]
    networks = {parts[arm].network for arm in matching}
    return matching if len(networks) == len(matching) else []


@dataclass(frozen=True)
class Arm:
    """One competitor: a backbone trained by an optimizer under a schedule.

    >>> Arm("resnet18", "adam", "cosine", head="mlp").name
    'resnet18+mlp/adam/cosine'
    """

    backbone: str
    optimizer: str
    scheduler: str
    head: str = ""  # what is trained on the frozen backbone's features; empty where the backbone itself is trained
    alias: str = ""  # the optimizer's name in this benchmark, where that is not its own

    @property
    def network(self) -> str:
        """``backbone``, or ``backbone+head``."""
        return f"{self.backbone}+{self.head}" if self.head else self.backbone

    @property
    def name(self) -> str:
        """``backbone/optimizer/scheduler``, unique within a benchmark. An alias takes the optimizer's place."""
        return f"{self.network}/{self.alias or self.optimizer}/{self.scheduler}"


@dataclass(frozen=True)
class Run:
    """One training, completely described. Equal runs do equal work, so a run folder never does one twice.

    >>> run = Run(
    ...     phase="search", arm=Arm("mlp", "adam", "constant"), optimizer={"lr": 0.01}, scheduler={}, epochs=2, batch_size=32,
    ...     l2=0.0, augment=(), precision="fp32", task="classification", init_seed=1, order_seed=1, data="0", plugins={},
    ... )
    >>> len(run.id)
    16
    """

    phase: Literal["search", "compare"]
    arm: Arm
    optimizer: Mapping[str, Any]  # the optimizer's hyperparameters
    scheduler: Mapping[str, Any]  # the schedule's
    epochs: int
    batch_size: int
    l2: float  # the objective is loss + l2/2 * |penalised parameters|^2
    augment: tuple[str, ...]
    precision: Literal["fp32", "bf16"]
    task: str
    init_seed: int  # of the initial weights
    order_seed: int  # of batch order, augmentation and dropout
    data: str  # fingerprint
    plugins: Mapping[str, str]  # SHA-256 of the source file of every plugin that takes part
    l2_on: Literal["not_scale_free", "all"] = "not_scale_free"  # which parameters are penalised
    weights: str = ""  # SHA-256 of the pretrained weights; empty when trained from scratch
    head_epochs: int = 0  # so many first epochs train the head alone
    layer_factor: float = 1.0  # of the learning rate, from a layer group to the one before it
    batch_norm: Literal["train", "frozen"] = "train"  # frozen: the statistics it began with are kept and used
    tta: bool = False  # the mean of predictions for an image and its mirror image is scored too
    snapshots: bool = False  # keeps the weights at the ends of its schedule's cycles, with their test predictions
    class_weights: tuple[float, ...] = ()  # of each class in the loss; empty where all examples count alike
    label_noise: float = 0.0  # this part of the training targets is shuffled, always the same way
    follows: str = ""  # the run whose final weights it starts from

    def recipe(self) -> dict[str, Any]:
        """Return everything that decides the outcome, as plain values that JSON has."""
        return asdict(self)

    @cached_property
    def id(self) -> str:
        """The recipe hash: 16 hex digits."""
        return digest(self.recipe())[:16]


@dataclass(frozen=True)
class Measurement:
    """One measurement of a late probe, completely described: which probe looks at which trained networks.

    >>> run = Run(
    ...     phase="compare", arm=Arm("mlp", "adam", "constant"), optimizer={"lr": 0.01}, scheduler={}, epochs=2, batch_size=32,
    ...     l2=0.0, augment=(), precision="fp32", task="classification", init_seed=1, order_seed=1, data="0", plugins={},
    ... )
    >>> len(Measurement("sharpness", "0", (run,)).id)
    16
    """

    probe: str  # its name in the benchmark
    version: str  # hash of its source and options
    runs: tuple[Run, ...]  # that trained the networks, one to three

    @cached_property
    def id(self) -> str:
        """16 hex digits of probe, version and networks."""
        return digest([self.probe, self.version, [run.id for run in self.runs]])[:16]


Job = Run | Measurement


@dataclass(frozen=True)
class State:
    """The state of a training between two epochs: tensors and plain values, never a pickle.

    >>> import torch
    >>> State(tensors={"weight": torch.zeros(2)}, plain={"epoch": 3}).plain["epoch"]
    3
    """

    tensors: Mapping[str, torch.Tensor]  # of model, optimizer and schedule, by name
    plain: Mapping[str, Any]  # values that JSON has; "epoch" is the epoch that it follows


@dataclass(frozen=True)
class Epoch:
    """The event at the end of an epoch.

    ``state()`` is the state to go on from. The training loop copies it on demand, valid until the run goes on.
    ``harness.execute`` passes it on where it is to be saved, at most every ten seconds, and None elsewhere.

    >>> Epoch(number=1, steps=20, seconds=0.5, lr=0.01, metrics={"tune_accuracy": 0.8}).ends_run
    False
    """

    number: int  # 1 is the first
    steps: int  # optimizer steps so far
    seconds: float  # of training so far; evaluation is not timed
    lr: float  # of the epoch's first step; a schedule may move it with every step
    metrics: Mapping[str, float]  # by SPLIT_NAME: "tune_accuracy"
    state: Callable[[], State] | None = None
    snapshot: Callable[[], Mapping[str, torch.Tensor]] | None = None  # returns the weights, where they are kept
    environment: Mapping[str, Any] | None = None  # hash, versions and hardware of its worker; None: the driver's
    changed: tuple[str, ...] = ()  # settings of the process that the run changed since its last event, a line each
    way: str = ""  # how a GPU takes the steps, and why not in a faster way; a line, empty on a CPU
    unrepeatable: tuple[str, ...] = ()  # the operations of the run that have no deterministic form on its GPU
    scale_free: Mapping[str, Any] | None = None  # the scale-free tensors of its network; with the first epoch alone
    work: Mapping[str, Any] | None = None  # of a gradient evaluation of its arm; with the first epoch of seed 0 alone
    gradients: int = 0  # gradient evaluations so far: one a step, or as many as the optimizer asks for
    ends_run = False


@dataclass(frozen=True)
class Done:
    """The event of a run that is over. Comparison runs bring their weights and test predictions.

    >>> Done({"tune_accuracy": 0.9}, stopped=True).ends_run
    True
    """

    metrics: Mapping[str, float] = field(default_factory=dict)  # by SPLIT_NAME: "test_accuracy"
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)  # the network's ``state_dict``
    predictions: NDArray[np.float32] | None = None  # [N, ...] of the test split, in its order
    tune_predictions: NDArray[np.float32] | None = None  # of the tune split, on which nothing was trained either
    stopped: bool = False  # by a pruner
    problem: str = ""  # what is wrong with its test scores; the run itself ended well
    snapshots: NDArray[np.float32] | None = None  # [S, N, ...]: test predictions of what was kept before
    changed: tuple[str, ...] = ()  # settings of the process that the run changed since its last event, a line each
    ends_run = True


@dataclass(frozen=True)
class Failed:
    """The event of a run that ended without a result, and why.

    >>> Failed("diverged", "epoch 3: the training loss must be finite, got nan").kind
    'diverged'
    """

    kind: Literal["diverged", "error"]  # the loss left the finite numbers, or anything else
    reason: str  # one line
    traceback: str = ""  # empty where the reason says everything
    changed: tuple[str, ...] = ()  # settings of the process that the run changed since its last event, a line each
    ends_run = True


@dataclass(frozen=True)
class Measured:
    """The event of a measurement that is over: the probe's numbers, and the arrays that come with them.

    >>> Measured({"sharpness": 3.2}, seconds=0.8).ends_run
    True
    """

    numbers: Mapping[str, float] = field(default_factory=dict)  # by the probe's own names
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # of numbers, by name
    seconds: float = 0.0  # that the measurement took, with loading of the networks
    changed: tuple[str, ...] = ()  # settings of the process that the probe changed, a line each
    ends_run = True


@dataclass(frozen=True)
class Interrupted:
    """The event of a job whose process died. The executor begins it again from its last state, unless it is stopped.

    The harness counts these events. A job in which three processes died, one after the other and without any progress
    in between, ends as ``Failed``. One whose machine was lost is not counted.

    >>> Interrupted("signal 11").ends_run
    False
    """

    reason: str  # how the process ended: "signal 9", "exit code 3"
    alone: bool = True  # it was the only job of its process; otherwise it need not be this job's fault
    last_words: str = ""  # what the process wrote to its standard error at last
    changed: tuple[str, ...] = ()  # none; every event has them
    lost: bool = False  # its machine has gone, so that nothing is held against the job
    ends_run = False


Event = Epoch | Done | Failed | Measured | Interrupted


@dataclass(frozen=True)
class PrunerDecision:
    """What a pruner decided after an epoch, and what it must remember to decide the same when the search goes on elsewhere."""

    stop: bool
    notes: Mapping[int, Mapping[str, Any]]  # that the pruner has taken, by the number of the trial
