"""A rehearsal of an optimizer and a schedule on a few small tensors, before anything is trained.

Three questions are answered here, because the answers decide whether a comparison is fair: does the optimizer pull its
weights towards zero by itself, which hyperparameters does the schedule move, and do two optimizers take the same steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Optimizer, Scheduler
from harness.plugin.validate import is_penalty
from harness.training import group_entries
from harness.training.stages import build_optimizer

SHAPES = ((8, 6), (24,), (3, 2, 3, 3))  # a matrix, a vector and a kernel: some optimizers treat them differently
STEPS = 20  # that two optimizers are compared over: some do something else for their first five, or every tenth
SCALES = (1.0, 30.0, 0.1)  # of the loss, in turn, so that a threshold on the gradient is passed and is not
Loss = Callable[[Sequence[torch.Tensor]], torch.Tensor]


@dataclass
class Rehearsal:
    """An optimizer at work on small tensors; the loss is given with each step."""

    offer: Optimizer
    settings: Mapping[str, Any]  # beside its defaults
    weights: list[torch.nn.Parameter] = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        random = torch.Generator().manual_seed(12345)  # not what an optimizer draws
        self.weights = [torch.nn.Parameter(torch.randn(shape, generator=random)) for shape in SHAPES]
        settings = self.offer.settings(self.settings)
        with Boundary("optimizer", self.offer.name, "build"):
            self.optimizer = build_optimizer(self.offer, settings, [self.weights], layer_factor=1)

    def step(self, loss: Loss) -> list[torch.Tensor]:
        """Take one step as the training loop does; return copies of the weights that would be evaluated."""

        def evaluate() -> torch.Tensor:
            self.optimizer.zero_grad()
            with torch.enable_grad():
                value = loss(self.weights)
                gradients = torch.autograd.grad(value, self.weights, create_graph=self.offer.second_order)
            for weight, gradient in zip(self.weights, gradients, strict=True):
                weight.grad = gradient
            return value.detach()

        with Boundary("optimizer", self.offer.name, "step"):
            if self.offer.switches:
                self.optimizer.train()  # type: ignore[attr-defined]
            if self.offer.closure:
                self.optimizer.step(evaluate)  # type: ignore[arg-type]
            else:
                evaluate()
                self.optimizer.step()
            if self.offer.switches:
                self.optimizer.eval()  # type: ignore[attr-defined]
        return [weight.detach().clone() for weight in self.weights]


def no_loss(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return a loss that is 0 everywhere, and so are its first and second derivatives."""
    return torch.stack([(0.0 * weight**3).sum() for weight in weights]).sum()


# --- a weight decay of the optimizer's own -------------------------------------------------------------------


def own_penalties(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the weight decays that are not 0 in the parameter groups of a built optimizer, by name.

    Optimizers that it keeps inside itself are looked at too (Muon moves vectors by an AdamW of its own).
    """
    penalties: dict[str, Any] = {}
    for inner in _with_inner(optimizer):
        for group in inner.param_groups:
            penalties |= {name: value for name, value in group.items() if is_penalty(name, value)}
    return penalties


def _with_inner(optimizer: torch.optim.Optimizer) -> Iterator[torch.optim.Optimizer]:
    """Yield an optimizer and those that are its attributes, or stand in its attributes' lists."""
    yield optimizer
    for value in vars(optimizer).values():
        for inner in value if isinstance(value, list | tuple) else (value,):
            if isinstance(inner, torch.optim.Optimizer) and inner is not optimizer:
                yield from _with_inner(inner)


def shrinks_weights(offer: Optimizer, settings: Mapping[str, Any]) -> bool:
    """Return whether the optimizer pulls weights towards zero where the loss is flat: a weight decay by whatever name.

    The first step is not looked at, because some optimizers begin by scaling the weights once. So are weights that
    change in all directions: some of their elements move away from zero.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        rehearsal = Rehearsal(offer, settings)
        before = rehearsal.step(no_loss)
        towards_zero = [True] * len(before)
        for _ in range(2):
            after = rehearsal.step(no_loss)
            pairs = zip(towards_zero, before, after, strict=True)
            towards_zero = [so_far and bool(((b - a) * a < 0).all()) for so_far, a, b in pairs]
            before = after
    return any(towards_zero)


# --- what a schedule moves beside the learning rate ----------------------------------------------------------


@dataclass(frozen=True)
class Moved:
    """An entry of the parameter groups that a schedule moves: its value before, and its lowest and highest after."""

    before: float
    low: float
    high: float

    def with_(self, other: Moved) -> Moved:
        """Return the range of both."""
        return Moved(self.before, min(self.low, other.low), max(self.high, other.high))


def moved_entries(
    offer: Optimizer, settings: Mapping[str, Any], scheduler: Scheduler, timing: Mapping[str, Any], total: int = STEPS
) -> dict[str, Moved]:
    """Return the entries, ``momentum`` or ``betas[0]``, that a schedule moves in a run of so many steps."""
    rehearsal = Rehearsal(offer, settings)
    groups = rehearsal.optimizer.param_groups
    built = group_entries.copy_groups(rehearsal.optimizer)
    values: dict[str, list[float]] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*optimizer.step.*")  # the weights need not move for this
        before, stepping = built, Boundary("scheduler", scheduler.name, "step")
        with Boundary("scheduler", scheduler.name, "build"):
            schedule = scheduler.build(rehearsal.optimizer, total, **scheduler.settings(timing))
        for _ in range(total):
            for entry in group_entries.changed_entries(before, groups):
                values.setdefault(entry, []).append(group_entries.value_of(groups, entry))
            before = group_entries.copy_groups(rehearsal.optimizer)
            with stepping:
                schedule.step(*([1.0] if scheduler.per_epoch else []))
    return {
        entry: Moved(group_entries.value_of(built, entry), min(numbers), max(numbers))
        for entry, numbers in values.items()
    }


def entries_of(offer: Optimizer, low: Mapping[str, Any], high: Mapping[str, Any]) -> list[str]:
    """Return the entries of the groups that differ between two settings of an optimizer."""
    with torch.random.fork_rng(devices=[]):
        low_rehearsal, high_rehearsal = Rehearsal(offer, low), Rehearsal(offer, high)
    return group_entries.changed_entries(
        group_entries.copy_groups(low_rehearsal.optimizer), high_rehearsal.optimizer.param_groups
    )


# --- two optimizers that are one -----------------------------------------------------------------------------


def take_same_steps(
    one: Optimizer, settings: Mapping[str, Any], other: Optimizer, others: Mapping[str, Any], steps: int = STEPS
) -> bool:
    """Return whether two optimizers, each at its settings, have equal weights after every step, to the last bit."""
    with torch.random.fork_rng(devices=[]):
        pair = (Rehearsal(one, settings), Rehearsal(other, others))
        for number in range(steps):
            loss = _make_valleys(SCALES[number % len(SCALES)])
            torch.default_generator.manual_seed(number)
            weights = pair[0].step(loss)
            torch.default_generator.manual_seed(number)
            if not all(map(torch.equal, weights, pair[1].step(loss))):
                return False
    return True


def _make_valleys(scale: float) -> Loss:
    """Return a loss whose gradient is bounded, so that no optimizer diverges: ``scale * sum(sqrt(1 + (h (w - m))^2))``."""
    random = torch.Generator().manual_seed(54321)
    minima = [torch.randn(shape, generator=random) for shape in SHAPES]
    slopes = [10 ** (2 * torch.rand(shape, generator=random) - 1) for shape in SHAPES]

    def loss(weights: Sequence[torch.Tensor]) -> torch.Tensor:
        triples = zip(weights, minima, slopes, strict=True)
        return scale * torch.stack([(1 + (h * (w - m)).square()).sqrt().sum() for w, m, h in triples]).sum()

    return loss
