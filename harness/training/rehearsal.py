"""A rehearsal of an optimizer and a schedule on a few small tensors, before anything is trained.

Three questions are answered here, because the answers decide whether a comparison is fair: does the optimizer pull its
weights towards zero by itself, which hyperparameters does the schedule move, and do two optimizers take the same steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Optimizer, Scheduler
from harness.plugin.validate import is_penalty
from harness.training import group_entries
from harness.training.stages import build_optimizer

SHAPES = ((8, 6), (24,), (3, 2, 3, 3))  # a matrix, a vector and a kernel: some optimizers treat them differently
STEPS = 20  # that an optimizer is watched over: some do something else for their first five, or every tenth
ROUNDING = 5e-7  # of float32 after so many steps, as a part of the largest weight
NEARLY = 1e-5  # two steps that differ by less, as a part of the way so far, are equal but for rounding
TURNED = 1e-6  # a length that changes by less, as a part of itself, is kept
MOVED = 1e-3  # the least way, as a part of the largest weight, that is long enough for equality to mean something
SCALES = (1.0, 30.0, 0.1)  # of the loss, in turn, so that a threshold on the gradient is passed and is not
TURN = 4  # every so many steps only directions decide
FLAT = 1e-12  # added to a squared length, which may be 0
Loss = Callable[[Sequence[torch.Tensor]], torch.Tensor]


@dataclass
class Rehearsal:
    """An optimizer at work on small tensors; the loss is given with each step."""

    offer: Optimizer
    settings: Mapping[str, Any]  # beside its defaults
    dtype: torch.dtype = torch.float32
    weights: list[torch.nn.Parameter] = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        random = torch.Generator().manual_seed(12345)  # not what an optimizer draws
        self.weights = [torch.nn.Parameter(torch.randn(shape, generator=random).to(self.dtype)) for shape in SHAPES]
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


# --- a weight decay of the optimizer's own


def own_penalties(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the weight decays that are not 0 in the parameter groups of a built optimizer, by name.

    Groups may have options in options. Optimizers that it keeps inside itself are looked at too (Muon moves vectors by an
    AdamW of its own).
    """
    penalties: dict[str, Any] = {}
    for inner in _with_inner(optimizer):
        for group in inner.param_groups:
            penalties |= _penalties_in(group)
    return penalties


def _penalties_in(options: Mapping[Any, Any]) -> dict[str, Any]:
    penalties: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            penalties |= _penalties_in(value)
        elif is_penalty(str(name), value):
            penalties[str(name)] = value
    return penalties


def _with_inner(optimizer: torch.optim.Optimizer) -> Iterator[torch.optim.Optimizer]:
    """Yield an optimizer and those that are its attributes, or stand in its attributes' lists and dictionaries."""
    yield optimizer
    for value in vars(optimizer).values():
        values = value.values() if isinstance(value, Mapping) else value
        for inner in values if isinstance(value, list | tuple | Mapping) else (value,):
            if isinstance(inner, torch.optim.Optimizer) and inner is not optimizer:
                yield from _with_inner(inner)


def shrinks_weights(offer: Optimizer, settings: Mapping[str, Any]) -> bool:
    """Return whether the optimizer pulls weights towards zero by itself: a weight decay by whatever name.

    It is seen in either of two ways: weights shrink where the loss is flat, or two steps on opposite losses do not cancel and
    leave weights that have shrunk. The second one finds a decay that acts only on weights which are moved.
    """
    with torch.random.fork_rng(devices=[]):
        return _shrinks_on_flat_loss(offer, settings) or _shrinks_between_opposites(offer, settings)


def _shrinks_on_flat_loss(offer: Optimizer, settings: Mapping[str, Any]) -> bool:
    """Return whether all elements of a tensor come nearer to zero in some steps.

    The first step is not looked at, because some optimizers begin by scaling the weights once. So are weights that
    change in all directions: some of their elements move away from zero.
    """
    torch.default_generator.manual_seed(0)
    rehearsal = Rehearsal(offer, settings)
    before = after = rehearsal.step(no_loss)
    for _ in range(STEPS - 1):
        after = rehearsal.step(no_loss)
    return any(bool(((b - a) * a < 0).all()) for a, b in zip(before, after, strict=True))


def _shrinks_between_opposites(offer: Optimizer, settings: Mapping[str, Any]) -> bool:
    """Return whether the middle of two steps, on a linear loss and on its negative, is nearer to zero in all elements.

    Weights that are kept at one length are turned by a step, and the middle of two turns is nearer to zero for that alone.
    """
    ends, before = [], list[torch.Tensor]()
    for sign in (1.0, -1.0):
        torch.default_generator.manual_seed(0)
        rehearsal = Rehearsal(offer, settings)
        before = rehearsal.step(no_loss)
        ends.append(rehearsal.step(_make_slope(sign)))
    for start, first_end, second_end in zip(before, *ends, strict=True):
        drift = (first_end - start) + (second_end - start)
        rounding = ROUNDING * (start.abs() + first_end.abs() + second_end.abs())
        if bool(((drift * start < 0) & (drift.abs() > rounding)).all()) and not _are_turned(
            start, first_end, second_end
        ):
            return True
    return False


def _are_turned(start: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two steps have kept the length of a tensor."""
    length = float(start.norm())
    return all(abs(float(end.norm()) - length) <= TURNED * length for end in (one, other))


def _make_slope(sign: float) -> Loss:
    """Return a loss that is linear in all weights; its gradient still has a graph, for second derivatives."""
    random = torch.Generator().manual_seed(98765)
    slopes = [sign * (0.1 + torch.rand(shape, generator=random)) for shape in SHAPES]
    flips = [torch.randint(0, 2, shape, generator=random) * 2 - 1 for shape in SHAPES]

    def loss(weights: Sequence[torch.Tensor]) -> torch.Tensor:
        triples = zip(weights, slopes, flips, strict=True)
        return torch.stack([(w * s * f).sum() for w, s, f in triples]).sum() + no_loss(weights)

    return loss


# --- what a schedule moves beside the learning rate


@dataclass(frozen=True)
class Moved:
    """An entry of the parameter groups that a schedule moves: its value before, and its lowest and highest after."""

    before: float
    low: float
    high: float

    def joined_with(self, other: Moved) -> Moved:
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


# --- two optimizers that are one


Sameness = Literal["exactly", "but for rounding", "not"]


def compare_steps(
    one: Optimizer, settings: Mapping[str, Any], other: Optimizer, others: Mapping[str, Any], steps: int = STEPS
) -> Sameness:
    """Return whether two optimizers, each at its settings, take the same steps.

    They do so exactly where all weights are equal to the last bit after every step. Two programs of one method may add
    their numbers in another order, and are then equal but for rounding.
    """
    sameness: Sameness = "exactly"
    with torch.random.fork_rng(devices=[]):
        pair = (Rehearsal(one, settings), Rehearsal(other, others))
        start = [weight.detach().clone() for weight in pair[0].weights]
        moved = [0.0] * len(start)
        for number in range(steps):
            loss = loss_of_step(number)
            torch.default_generator.manual_seed(number)
            weights = pair[0].step(loss)
            torch.default_generator.manual_seed(number)
            others_weights = pair[1].step(loss)
            moved = [float((w - s).abs().max()) for w, s in zip(weights, start, strict=True)]
            if all(map(torch.equal, weights, others_weights)):
                continue
            sameness = "but for rounding"
            if not all(map(_are_near, weights, others_weights, moved)):
                return "not"
    moved_enough = all(way > MOVED * float(s.abs().max()) for way, s in zip(moved, start, strict=True))
    return sameness if sameness == "exactly" or moved_enough else "not"


def _are_near(one: torch.Tensor, other: torch.Tensor, moved: float) -> bool:
    """Return whether weights that have moved so far differ by rounding alone."""
    return bool((one - other).abs().max() <= NEARLY * moved + ROUNDING * one.abs().max())


def loss_of_step(number: int) -> Loss:
    """Return the loss of a step: valleys of several scales in turn, and in every fourth step one that only directions decide.

    Some methods do something else where a gradient passes a threshold, or is at right angles to its weights (SGDP, AdamP).
    """
    return turning if number % TURN == TURN - 1 else make_valleys(SCALES[number % len(SCALES)])


def turning(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return a loss that does not change with the lengths of a tensor's rows: ``sum(c * row / |row|)``."""
    random = torch.Generator().manual_seed(98765)
    losses = []
    for weight in weights:
        rows = weight.reshape(len(weight) if weight.ndim > 1 else 1, -1)
        unit = rows / (rows.square().sum(1, keepdim=True) + FLAT).sqrt()
        losses.append((torch.randn(rows.shape, generator=random) * unit).sum())
    return torch.stack(losses).sum()


def make_valleys(scale: float) -> Loss:
    """Return a loss whose gradient is bounded, so that no optimizer diverges: ``scale * sum(sqrt(1 + (h (w - m))^2))``."""
    random = torch.Generator().manual_seed(54321)
    minima = [torch.randn(shape, generator=random) for shape in SHAPES]
    slopes = [10 ** (2 * torch.rand(shape, generator=random) - 1) for shape in SHAPES]

    def loss(weights: Sequence[torch.Tensor]) -> torch.Tensor:
        triples = zip(weights, minima, slopes, strict=True)
        return scale * torch.stack([(1 + (h * (w - m)).square()).sqrt().sum() for w, m, h in triples]).sum()

    return loss
