"""The contracts of what a run trains with: task, network, optimizer and schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.plugin.contracts.data import Data
from harness.plugin.contracts.spaces import Space, When
from harness.plugin.meta import sign_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Metric:
    """A number computed from predictions: ``compute(predictions [N, ...], targets [N, ...])`` returns a float.

    A metric that is a mean over examples (accuracy, log loss, squared error) has ``each`` too. It takes the same arguments,
    and returns the N scores whose mean the metric is. From them a report can say how much of a lead is the luck of these
    very test examples. Without ``each`` (r2, F1) it says that it cannot.

    With ``on_device`` a GPU computes the metric at the end of every epoch. It takes tensors, and must work without waiting
    for the GPU (no ``.item()``, no ``.tolist()``, no choice by a number). Without it the predictions are fetched, and ``compute``
    scores them. On a CPU, and for the test split, ``compute`` always does.

    >>> import numpy as np
    >>> accuracy = Metric(
    ...     compute=lambda predictions, targets: float((predictions.argmax(1) == targets).mean()), goal="max", unit="%"
    ... )
    >>> accuracy.compute(np.array([[0.9, 0.1], [0.8, 0.2]], np.float32), np.array([0, 1]))
    0.5
    """

    compute: Callable[[NDArray[np.float32], NDArray[Any]], float]
    goal: Literal["min", "max"]
    unit: str = ""  # "%" is shown times 100
    each: Callable[[NDArray[np.float32], NDArray[Any]], NDArray[Any]] | None = None  # per-example scores [N]
    bounds: tuple[float, float] = (-math.inf, math.inf)  # the least and the greatest value it can have
    on_device: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None  # the same of tensors on a GPU, []

    @property
    def sign(self) -> int:
        """What a value is multiplied by so that more is better: 1 or -1."""
        return sign_of(self.goal)

    def __post_init__(self) -> None:
        """Have both functions called with copies, because one that sorts its arguments would falsify every metric after it."""
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
    """What is to be learned: a loss, what a prediction is, and how predictions are scored.

    The first metric ranks the arms, unless the benchmark names another. A task with a ``weighted_loss`` can be trained with
    a weight for each class (``train.class_weights``). With weights of 1 it is the loss.

    >>> import torch
    >>> task = Task(
    ...     name="regression",
    ...     outputs=lambda data: 1,
    ...     loss=lambda outputs, targets: (outputs.squeeze(1) - targets).square().mean(),
    ...     predict=lambda outputs: outputs.squeeze(1),
    ...     metrics={"error": Metric(lambda predictions, targets: abs(predictions - targets).mean(), goal="min")},
    ... )
    >>> float(task.loss(torch.tensor([[3.0]]), torch.tensor([1.0])))
    4.0
    """

    name: str  # by which a benchmark asks for it
    outputs: Callable[[Data], int]  # returns K, the size of the network's last layer
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (outputs [B, K], targets [B, ...]) -> mean over B
    predict: Callable[[torch.Tensor], torch.Tensor]  # outputs [B, K] -> predictions [B, ...], float32
    metrics: Mapping[str, Metric]  # by name, one at least
    weighted_loss: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor] | None = (
        None  # (outputs [B, K], targets [B], weights [K]) -> mean over B of each loss times the weight of its class
    )
    reference: str = ""  # a paper or an address, for the report


@dataclass(frozen=True)
class Weights:
    """Pretrained weights on disk, and how the network that has them wants its images.

    >>> from pathlib import Path
    >>> Weights(Path("resnet18.safetensors"), sha256="0", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)).crop
    1.0
    """

    file: Path
    sha256: str  # of the file
    mean: tuple[float, ...]  # of pixels in [0, 1], one per channel: what is taken off
    std: tuple[float, ...]  # of the same: what is divided by
    interpolation: str = "bicubic"  # bilinear, bicubic or lanczos: how photos are resized
    crop: float = 1.0  # the part of the short side, in (0, 1], that the central square keeps


@dataclass(frozen=True)
class Backbone:
    """A network: ``build(input_shape, outputs)`` returns a torch module for inputs ``[B, *input_shape]``.

    Optional functions make more of it:

    - ``weights(file)`` says that it can start from pretrained weights. It looks at a file, or, for None, gets the library's
      own, and raises DataError within seconds where they cannot be had. ``build(input_shape, outputs, weights)`` then
      returns the network with them; for no outputs it returns pooled features ``[B, F]``. All tensors of that network but
      those of a new head come from the file (``read_weights`` reads it). A run that gets fewer is refused.
    - ``groups(network)`` says that it can be fine-tuned in stages, or with a learning rate for each part of it. It returns
      every trainable parameter once, in layer groups from the input to the outputs. The last one is the head.
    - ``plain(input_shape, outputs)`` returns the call by which torch or a library builds it without the harness, as Python
      text (``timm.create_model("resnet18", num_classes=2)``), with equal names in its ``state_dict``. Model cards show it.

    >>> import torch
    >>> linear = Backbone("linear", lambda shape, outputs: torch.nn.Linear(shape[0], outputs), convex=True)
    >>> linear.build((4,), 2)(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    name: str  # by which a benchmark asks for it
    build: Callable[..., torch.nn.Module]
    weights: Callable[[Path | None], Weights] | None = None  # None: it cannot start from pretrained weights
    groups: Callable[[torch.nn.Module], Sequence[Sequence[torch.nn.Parameter]]] | None = None  # None: one group
    convex: bool = False  # its outputs are linear in its parameters, so a convex loss has no minimum but one
    plain: Callable[[tuple[int, ...], int], str] | None = None
    reference: str = ""  # a paper or an address, for the report


NEEDS = ("network", "total_steps", "examples")  # what of a run an optimizer can ask for


@dataclass(frozen=True)
class Optimizer:
    """A training algorithm: ``build(parameters, **hyperparameters)`` returns a ``torch.optim.Optimizer``.

    ``parameters`` is a list of parameters or of groups (``{"params": [...], "lr": ...}``). The search chooses from
    ``space``; ``defaults`` are passed beside it. A value of another type than in ``limits``, else in ``space`` or
    ``defaults``, is refused, and so is one outside of the limits. The training loop asks nothing else of an optimizer,
    except what its flags declare.

    ``when`` says that a hyperparameter is in force only where others have some values (one, or a tuple of them): elsewhere it
    is neither searched nor passed to ``build``. ``constraints`` are texts that compare hyperparameters: no search tries a
    setting that breaks one.

    ``needs`` names what of the run ``build`` gets too, as keywords of these names (``NEEDS``): ``network``, the whole
    network, in which the parameters that are not trained have ``requires_grad`` False; ``total_steps``, how many steps it
    will take; ``examples``, how many training examples there are.

    >>> import torch
    >>> sgd = Optimizer("sgd", torch.optim.SGD, space={}, defaults={"lr": 0.1, "momentum": 0.0})
    >>> weight = torch.nn.Parameter(torch.tensor(1.0))
    >>> sgd.build([weight], **sgd.settings({"momentum": 0.9})).defaults["momentum"]
    0.9
    """

    name: str  # by which a benchmark asks for it
    build: Callable[..., torch.optim.Optimizer]
    space: Space  # what the search chooses, and from where
    defaults: Mapping[str, Any] = field(default_factory=dict)  # what is passed where nothing was chosen
    limits: Space = field(default_factory=dict)  # what a benchmark may set: ``Float(0.0, 0.9999)`` for a momentum
    when: When = field(default_factory=dict)  # what is in force only beside others: ``{"x": {"amsgrad": True}}``
    constraints: Sequence[str] = ()  # what holds between hyperparameters: ``("beta2 > beta1",)``
    closure: bool = False  # ``step(closure)`` evaluates the objective itself, as often as it likes (LBFGS, SAM)
    switches: bool = False  # it has ``train()`` and ``eval()``, for it evaluates other weights than it trains
    second_order: bool = False  # it differentiates the gradients, which come with a graph of their own (AdaHessian)
    scheduled: bool = True  # False: it needs no schedule, so it is one arm, under ``constant`` (Schedule-Free)
    around: Callable[[Optimizer], Optimizer] | None = None  # ``around(inner)`` returns ``outer(inner)``: ``sam(adam)``
    captured: Mapping[str, Any] | None = None  # keywords for ``build`` with which a step can be part of a CUDA graph
    needs: Sequence[str] = ()  # what of the run ``build`` gets, by argument name: some of ``NEEDS``
    resumes: bool = True  # False: its state cannot be saved, so a run that was killed begins again
    known_failures: Mapping[str, str] = field(default_factory=dict)  # checks that it fails, each with the reason
    reference: str = ""  # a paper or an address, for the report

    def settings(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords for ``build``: the defaults, with what was chosen in their place.

        Args:
            chosen: Hyperparameters of a run (``run.optimizer``), by name.
        """
        return {**self.defaults, **chosen}


class Schedule(Protocol):
    """A learning-rate schedule at work. Every ``torch.optim.lr_scheduler`` is one.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> schedule: Schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> optimizer.param_groups[0]["lr"]
    0.5
    """

    @property
    def step(self) -> Callable[..., None]:
        """``step()`` moves on by one optimizer step. Where ``per_epoch``, ``step(loss)`` moves on by one epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Return plain values from which ``load_state_dict`` continues."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from plain values that ``state_dict`` returned."""


@dataclass(frozen=True)
class Scheduler:
    """A schedule: ``build(optimizer, total_steps, **hyperparameters)`` returns one that steps per batch.

    A schedule that restarts has ``cycle_ends(total_steps, **hyperparameters)``. It returns the numbers of the steps that end
    a cycle, rising; 1 is the first step and the last number is ``total_steps``.

    >>> import torch
    >>> def build(optimizer, total_steps): return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total_steps)
    >>> Scheduler("cosine", build).per_epoch
    False
    """

    name: str  # by which a benchmark asks for it
    build: Callable[..., Schedule]
    space: Space = field(default_factory=dict)  # what the search chooses, and from where
    defaults: Mapping[str, Any] = field(default_factory=dict)  # what is passed where nothing was chosen
    limits: Space = field(default_factory=dict)  # what a benchmark may set
    when: When = field(default_factory=dict)  # what is in force only beside others: ``{"power": {"shape": "poly"}}``
    constraints: Sequence[str] = ()  # what holds between hyperparameters: ``("floor < peak",)``
    per_epoch: bool = False  # it is stepped once an epoch, with the epoch's running loss, instead of once a batch
    cycle_ends: Callable[..., Sequence[int]] | None = None  # None: it does not restart
    known_failures: Mapping[str, str] = field(default_factory=dict)  # checks that it fails, each with the reason
    reference: str = ""  # a paper or an address, for the report

    def settings(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords for ``build`` and ``cycle_ends``: the defaults, with what was chosen in their place.

        Args:
            chosen: Hyperparameters of a run (``run.scheduler``), by name.
        """
        return {**self.defaults, **chosen}
