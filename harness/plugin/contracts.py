"""What a plugin offers: frozen values, one class per kind.

A contract is a value and a few functions, never a base class to inherit. Heavy libraries (torch, timm) are
imported inside the functions, so that discovering plugins stays cheap and reports never need them.

Axes are named at every boundary: B is the batch, N the examples of a split, C channels, H and W pixels,
K the outputs of the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.errors import printable
from harness.plugin.meta import sign_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution
    from pandas import DataFrame

    from harness.plugin.runs import Event, Run, State
    from harness.records import Records
    from harness.training.parts import Parts

Kind = Literal["dataset", "task", "backbone", "optimizer", "scheduler", "executor", "probe", "analysis", "report"]
KINDS: tuple[Kind, ...] = (
    "dataset",
    "task",
    "backbone",
    "optimizer",
    "scheduler",
    "executor",
    "probe",
    "analysis",
    "report",
)  # fmt: skip
Space = Mapping[str, "BaseDistribution"]


# --- data ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Split:
    """One of the three splits: ``inputs`` and ``targets`` row by row.

    Images are ``uint8 [N, H, W, 3]`` (usually memory-mapped), anything else is ``float32 [N, F]``. Targets are
    whatever the task understands: ``int64 [N]`` class numbers, ``float32 [N, K]`` values.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    names: tuple[str, ...]  # one per row, unique within the data: a file name, a row number

    def __len__(self) -> int:
        return len(self.targets)

    def read_only(self) -> Split:
        """Return the split with arrays that no plugin can write to by mistake; they are views of these."""
        inputs, targets = self.inputs.view(), self.targets.view()
        inputs.flags.writeable = targets.flags.writeable = False
        return Split(inputs, targets, self.names)


@dataclass(frozen=True)
class Data:
    """A dataset opened: three splits and what a reader of the report must know about them."""

    name: str
    train: Split
    tune: Split  # the search sees it
    test: Split  # touched once per final model, never by the search
    fingerprint: str  # of contents, labels and splits: equal fingerprints are equal data
    source: str  # where it came from, for a person
    classes: tuple[str, ...] = ()
    notice: str = ""  # said in plain sight on the console and in the report, e.g. that these are drawings
    left_out: tuple[str, ...] = ()  # unreadable examples that were skipped, each with its reason
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by split: names the benchmark leaves out
    skipped: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # by reason: files passed over, set by the harness

    @property
    def are_photos(self) -> bool:
        """Whether the examples are images of two or more classes."""
        return self.train.inputs.ndim == 4 and len(self.classes) >= 2 and self.train.targets.ndim == 1


@dataclass(frozen=True)
class DataRequest:
    """What a benchmark asks of a dataset."""

    root: Path | None  # --data, $HARNESS_DATA or an existing ./data; None where there is none
    required: bool  # the user named ``root``: it must be used, or refused with a DataError
    size: int  # pixels, images become [size, size]
    tune: float  # the part of train, in (0, 1), that becomes the tune split where the source has only two
    seed: int  # of every random choice the dataset makes
    on_bad_image: Literal["error", "skip"]
    options: Mapping[str, Any]  # the dataset's own, checked against ``Dataset.options``
    progress: Callable[[str, int, int], None] = lambda what, done, total: None
    interpolation: str = "lanczos"  # bilinear, bicubic or lanczos: how photos are resized
    crop: float = 1.0  # the part of a photo's short side, in (0, 1], that the central square keeps
    skipped: Callable[[Path, str], None] = lambda file, reason: None  # to be called with each file that is passed over


@dataclass(frozen=True)
class Photo:
    """A photo found: its name within the data, its class, how to get at its bytes, and its split.

    Name and label are made printable here, once, so that every table, page and file can take them.
    """

    name: str  # with "/", on every system
    label: str  # empty where nobody has said
    read: Callable[[], bytes]  # from any thread
    split: str = "train"  # train, tune or test

    def __post_init__(self) -> None:
        """Escape what is not UTF-8 in the names of file and folder."""
        object.__setattr__(self, "name", printable(self.name))
        object.__setattr__(self, "label", printable(self.label))


@dataclass(frozen=True)
class Download:
    """Where a dataset can be got from: an archive of folders with photos."""

    url: str
    files: Mapping[str, int]  # folder -> how many files it has once unpacked; below one folder of any name, or none
    sha256: str = ""  # of the archive; empty where nobody has published it
    size: int = 0  # bytes, about; 0 where unknown
    license: str = ""  # what a user must know before using it


@dataclass(frozen=True)
class Dataset:
    """A source of data: ``open(request)`` returns it, decoded once and kept on disk.

    One of photos has ``photos(request)``, a context manager that gives (where they are, all of them), readable until
    it is left, with labels and splits as in ``open``; it decodes nothing, and raises DataError where there are none.
    """

    name: str
    open: Callable[[DataRequest], Data]
    options: Mapping[str, Any] = field(default_factory=dict)  # the keys of [data.options], with their defaults
    limits: Space = field(default_factory=dict)  # what a benchmark may set an option to, as far as that has ends
    photos: Callable[[DataRequest], AbstractContextManager[tuple[Path, Sequence[Photo]]]] | None = None
    download: Download | None = None
    reference: str = ""


# --- what is learned -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """A number computed from predictions; ``compute(predictions [N, ...], targets [N, ...])`` returns a float.

    One that is a mean over examples (accuracy, log loss, squared error) has ``each``, of the same arguments, which
    returns the N scores it is the mean of. From them a report can say how much of a lead is the luck of these very
    test examples; where there is no ``each`` (r2, F1) it says that it cannot.
    """

    compute: Callable[[NDArray[np.float32], NDArray[Any]], float]
    goal: Literal["min", "max"]
    unit: str = ""  # "%" is shown times 100
    each: Callable[[NDArray[np.float32], NDArray[Any]], NDArray[Any]] | None = None  # per-example scores [N]
    bounds: tuple[float, float] = (-math.inf, math.inf)  # the least and the greatest value it can have

    @property
    def sign(self) -> int:
        """What a value is multiplied by so that more is better: 1 or -1."""
        return sign_of(self.goal)

    def __post_init__(self) -> None:
        """Have both functions called with copies: one that sorts its arguments would falsify every metric after it."""
        object.__setattr__(self, "compute", _on_copies(self.compute))
        object.__setattr__(self, "each", self.each and _on_copies(self.each))


class _OnCopies:
    """A function of arrays that cannot change those of its caller."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = self.__wrapped__ = function  # the second is where `inspect` finds its signature

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        return self.function(*map(_copy, arrays), **{name: _copy(array) for name, array in named.items()})


def _on_copies(function: Callable[..., Any]) -> Callable[..., Any]:
    return function if isinstance(function, _OnCopies) or not callable(function) else _OnCopies(function)


def _copy(array: Any) -> Any:
    import numpy as np

    return np.array(array) if isinstance(array, np.ndarray) else array


@dataclass(frozen=True)
class Task:
    """What is to be learned: a loss, what a prediction is, and how predictions are scored."""

    name: str
    outputs: Callable[[Data], int]  # K, the size of the network's last layer
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (outputs [B, K], targets [B, ...]) -> mean over B
    predict: Callable[[torch.Tensor], torch.Tensor]  # outputs [B, K] -> predictions [B, ...], float32
    metrics: Mapping[str, Metric]  # the first one decides the search unless the benchmark names another
    reference: str = ""


@dataclass(frozen=True)
class Weights:
    """Pretrained weights on disk, and how the network that has them wants its images."""

    file: Path
    sha256: str  # of the file
    mean: tuple[float, ...]  # of pixels in [0, 1], one per channel
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    crop: float = 1.0  # the part of the short side that the central square keeps


@dataclass(frozen=True)
class Backbone:
    """A network: ``build(input_shape, outputs)`` returns a torch module for inputs ``[B, *input_shape]``.

    One that can start from pretrained weights has ``weights(file)``, which looks at a file, or, for None, gets the
    library's own, and raises DataError within seconds where they cannot be had. Then ``build(input_shape, outputs,
    weights)`` returns the network with them; for no outputs it returns pooled features ``[B, F]``. All tensors of that
    network but those of a new head come from the file (``read_weights`` reads it); a run that gets fewer is refused.

    One that can be fine-tuned in stages, or with a learning rate for each part of it, has ``groups(network)``, which
    returns every trainable parameter once, in layer groups from the input to the outputs; the last one is the head.

    ``convex`` says that its outputs are linear in its parameters, so that a convex loss of them has no minimum but one.

    One that a library or torch itself can build has ``plain(input_shape, outputs)``, which returns that call as Python text
    (``timm.create_model("resnet18", num_classes=2)``), without the harness and with equal names in its ``state_dict``. Model
    cards show it.
    """

    name: str
    build: Callable[..., torch.nn.Module]
    weights: Callable[[Path | None], Weights] | None = None
    groups: Callable[[torch.nn.Module], Sequence[Sequence[torch.nn.Parameter]]] | None = None
    convex: bool = False
    plain: Callable[[tuple[int, ...], int], str] | None = None
    reference: str = ""


@dataclass(frozen=True)
class Optimizer:
    """A training algorithm: ``build(parameters, **hyperparameters)`` returns a ``torch.optim.Optimizer``.

    ``parameters`` is a list, of parameters or of groups (``{"params": [...], "lr": ...}``). ``space`` says what the
    search may choose and from where, ``defaults`` what is passed beside it, and ``limits`` what a benchmark may set a
    hyperparameter to: ``Float(0.0, 0.9999)`` for a momentum. A value of another type than in ``limits``, else in ``space``
    or ``defaults``, is refused, and so is one outside the limits. The loop asks nothing else of an optimizer, except what
    is declared here:

    - ``closure``: ``step(closure)`` evaluates the objective itself, as often as it likes (LBFGS, SAM);
    - ``switches``: it has ``train()`` and ``eval()``, because it evaluates other weights than it trains
      (Schedule-Free, averages of weights);
    - ``second_order``: it differentiates the gradients, which therefore come with a graph of their own (AdaHessian);
    - ``scheduled=False``: it needs no schedule, so it is one arm, under ``constant``, whatever the benchmark's
      schedules are (Schedule-Free);
    - ``around``: it goes around another optimizer; ``around(inner)`` returns ``outer(inner)``, by which name a
      benchmark asks for it (``sam(adam)``), with the inner one's space beside its own.

    ``known_failures`` names checks of ``harness check`` that it is known to fail, each with the reason.
    """

    name: str
    build: Callable[..., torch.optim.Optimizer]
    space: Space
    defaults: Mapping[str, Any] = field(default_factory=dict)
    limits: Space = field(default_factory=dict)
    closure: bool = False
    switches: bool = False
    second_order: bool = False
    scheduled: bool = True
    around: Callable[[Optimizer], Optimizer] | None = None
    known_failures: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""


class Schedule(Protocol):
    """A learning-rate schedule at work; every ``torch.optim.lr_scheduler`` is one."""

    @property
    def step(self) -> Callable[..., None]:
        """``step()`` moves on by one optimizer step; where ``per_epoch``, ``step(loss)`` by one epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Return plain values from which ``load_state_dict`` continues."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from there."""


@dataclass(frozen=True)
class Scheduler:
    """A schedule: ``build(optimizer, total_steps, **hyperparameters)`` returns one that steps per batch.

    With ``per_epoch`` it is stepped once an epoch, with the epoch's running loss, instead of once a batch.

    One that restarts has ``cycle_ends(total_steps, **hyperparameters)``, which returns the numbers of the steps that
    end a cycle, rising, 1 is the first step and the last one is ``total_steps``. ``limits`` and ``known_failures`` are as
    an optimizer's.
    """

    name: str
    build: Callable[..., Schedule]
    space: Space = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    limits: Space = field(default_factory=dict)
    per_epoch: bool = False
    cycle_ends: Callable[..., Sequence[int]] | None = None
    known_failures: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""


# --- how it is carried out -----------------------------------------------------------------------------------


class Workbench(Protocol):
    """What an executor is given: how to put a run's parts together, and where it was left."""

    def parts(self, run: Run) -> Parts:
        """Return the run's model, optimizer, schedule and batches, on the device."""

    def state(self, run_id: str) -> State | None:
        """Return the state the run was saved in, or None if it has not begun."""


class RunningExecutor(Protocol):
    """Where runs are carried out: pure jobs in, events out."""

    room: int  # how many runs it can hold at a time

    def submit(self, runs: Sequence[Run]) -> None:
        """Take these runs; they need not start at once, nor in this order."""

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield ``(run_id, Epoch | Done | Failed)`` as they come, until nothing is left; more may be submitted."""

    def stop(self, run_id: str) -> None:
        """End this run early: it yields a ``Done(stopped=True)``."""


@dataclass(frozen=True)
class Executor:
    """A way to carry out runs: ``build(workbench)`` returns it ready for work."""

    name: str
    build: Callable[[Workbench], RunningExecutor]
    reference: str = ""


# --- what is learned from it ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """A measurement on trained networks: ``measure(parts, **options)`` returns named numbers and arrays.

    One of a single network measures every comparison run at its end. With ``late`` it waits until the comparison is
    over and loads the networks the runs kept; so does one of two or three ``networks``, which is given as many:
    ``measure(one, other, **options)``. Late probes are what is costly: each measures as many networks, or pairs, as
    ``compare.probe_sizes`` asks for, or as fit into the seconds of ``compare.probe_budget`` where that is set, goes on
    after an interruption, and the report says what was left out. What it computes of one network and needs again for the next pair it may keep in ``parts.kept``.

    A network is in evaluation mode with its final weights, and is to be left as it was. Numbers stand in the records as
    ``PROBE.name`` (late ones in ``records.measured``); numpy arrays, of numbers and small, are what
    ``records.probed(run_id, PROBE)`` (late: ``records.probed_together(PROBE, *run_ids)``) returns. ``options`` are the
    keywords with their defaults, which ``[compare.probe_options.PROBE]`` may set, to what ``limits`` say.
    """

    name: str
    measure: Callable[..., Mapping[str, float | NDArray[Any]]]
    networks: int = 1  # how many it looks at together: 1, 2 or 3
    late: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Space = field(default_factory=dict)
    reference: str = ""


@dataclass(frozen=True)
class Analysis:
    """A pure function of the records: same input, same table; it may not import torch.

    One whose table names photos for a report to show, in columns ``split`` and ``row``, says ``thumbnails``: the run
    keeps small copies of them, which ``records.thumbnail(split, row)`` returns.
    """

    name: str
    compute: Callable[[Records], DataFrame]
    thumbnails: bool = False
    reference: str = ""


@dataclass(frozen=True)
class Results:
    """What a report is made from: the records, one table per analysis, and what went wrong."""

    records: Records
    tables: Mapping[str, DataFrame]
    problems: tuple[str, ...] = ()  # analyses that failed, each named with its reason


@dataclass(frozen=True)
class Several:
    """Several runs side by side; every later one is compared with the first.

    ``differs``  group, what, and a column a run, by its label: what is not the same in all of them, as text
    ``scores``   arm, run, n, planned, mean, low, high, sd, state, tuned: the deciding test metric with its 95 % interval
    ``changes``  arm, run, how, seeds, before, after, change, low, high, p, adjusted, margin, state: the later run less
                 the first. ``how`` is "paired by seed", "Welch" or why there is no difference to speak of; ``state`` is
                 regression, improvement, within the margin, not shown, identical, or not comparable
    ``verdicts`` run, network, regime, facet ("statement" first), label: what each run says; empty where none does
    """

    labels: tuple[str, ...]  # of the runs, unique
    records: tuple[Records, ...]
    metric: str  # of the test split
    goal: Literal["min", "max"]
    unit: str
    differs: DataFrame
    scores: DataFrame
    changes: DataFrame
    verdicts: DataFrame

    @property
    def regressions(self) -> DataFrame:
        """The changes that are for the worse."""
        return self.changes[self.changes["state"] == "regression"]


@dataclass(frozen=True)
class Report:
    """A report format: ``render(results)`` returns the text of ``report.EXTENSION``.

    One that is a format of tables too has ``table(table)``, which returns the text of one: beside ``tables/NAME.parquet``
    then lies ``tables/NAME.EXTENSION``. One that can lay several runs side by side has ``compare(several)``, which
    returns the text of what ``harness compare`` writes into a file of that extension. One that has a few lines for a
    terminal has ``headline(results)``: ``harness show`` and a notebook begin with those of the first such report.
    """

    name: str
    extension: str
    render: Callable[[Results], str]
    table: Callable[[DataFrame], str] | None = None
    compare: Callable[[Several], str] | None = None
    headline: Callable[[Results], str] | None = None
    reference: str = ""


# --- many at once --------------------------------------------------------------------------------------------

Offer = Dataset | Task | Backbone | Optimizer | Scheduler | Executor | Probe | Analysis | Report
OFFERS: Mapping[Kind, type] = {
    "dataset": Dataset,
    "task": Task,
    "backbone": Backbone,
    "optimizer": Optimizer,
    "scheduler": Scheduler,
    "executor": Executor,
    "probe": Probe,
    "analysis": Analysis,
    "report": Report,
}


@dataclass(frozen=True)
class Catalogue:
    """A library of ready-made plugins of one kind, found by name only when one is asked for (every timm model).

    Its plugins go by ``NAME:name`` and, unless ``qualified``, by the bare name too; ``find`` and ``names`` know the
    bare ones. For a name that is in the library but does not work here, ``find`` raises PluginError with the reason.
    """

    kind: Kind
    name: str
    find: Callable[[str], Offer | None]  # None where it has no such name
    names: Callable[[], Sequence[str]]  # may be slow: used for lists and for "did you mean"
    qualified: bool = False  # only by NAME:name, for a bare "RAdam" should not be one of several by accident
    reference: str = ""
