"""The contracts of what a run trains with: task, network, optimizer and schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.plugin.contracts.data import Data
from harness.plugin.contracts.spaces import Space
from harness.plugin.meta import sign_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


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

    def settings(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords for ``build``: the defaults, with what was chosen in their place."""
        return {**self.defaults, **chosen}


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

    def settings(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords for ``build`` and ``cycle_ends``: the defaults, with what was chosen in their place."""
        return {**self.defaults, **chosen}
