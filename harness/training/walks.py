"""Walking an optimizer over a landscape, at the learning rate that serves it best there.

Rates differ by powers of ten between landscapes and networks, so one for all would compare rates, not optimizers.
Each gets the best of a grid over its declared range and a power of ten beyond either end: the one with the smallest
mean of log10(value) along the walk, where a value below ``TARGET`` counts as ``TARGET``. That asks for a walk that is
quick *and* arrives; the value at the end would not tell a slow walk from a quick one, and would reward digits that no
picture shows. What else there is to choose stays as given, and the rate is constant: no schedule.

Every walk has the same number of gradients to spend, which is what costs time in a network: SAM takes two a step,
LBFGS as many as it likes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Optimizer
from harness.plugin.process_settings import kept
from harness.training.landscapes import LANDSCAPES, Landscape

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from pandas import DataFrame

BUDGET = 200  # gradients
TARGET = 1e-4  # a value at which the eye sees no distance to the minimum
PATIENCE = 20.0  # seconds of processor time for one optimizer; adam takes one, LBFGS five
COLUMNS = ("arm", "landscape", "step", "gradients", "x", "y", "value", "lr", "problem")


@dataclass(frozen=True)
class Walk:
    """Where an optimizer went."""

    xy: NDArray[np.float64]  # [steps + 1, 2], the start first
    gradients: NDArray[np.int64]  # [steps + 1], taken so far
    value: NDArray[np.float64]  # [steps + 1]
    lost: bool  # it went so far out of the window that it was ended

    @property
    def score(self) -> float:
        """The mean of log10(value), per gradient, none below that of ``TARGET``; infinite for a walk that was lost."""
        import numpy as np

        if self.lost:
            return math.inf
        spent = np.diff(self.gradients)
        return float(np.average(np.log10(np.maximum(self.value[1:], TARGET)), weights=spent))


def walk(optimizer: Optimizer, landscape: Landscape, hyperparameters: Mapping[str, Any], budget: int = BUDGET) -> Walk:
    """Return the walk of an optimizer from the landscape's start, until ``budget`` gradients are spent or it is lost.

    The optimizer is used as training uses it: closures, switches and second derivatives by its contract, in float32.
    Its two parameters are one vector ``[2]``, so one that treats matrices in a way of its own (Muon) shows how it
    treats vectors. The points are those it would be evaluated at. What it raises is raised.
    """
    import numpy as np
    import torch

    from harness.training.stages import build_optimizer

    points, values, spent = [landscape.start], [float(landscape.value(*landscape.start))], [0]
    with torch.random.fork_rng(devices=[]):  # of an optimizer that draws numbers; training's are not touched
        torch.default_generator.manual_seed(0)
        point = torch.nn.Parameter(torch.tensor(landscape.start))
        at_work = build_optimizer(optimizer, optimizer.settings(hyperparameters), [[point]])
        objective = _Objective(landscape, point, at_work, optimizer.second_order)
        lost = False
        while objective.gradients < budget and not lost:
            _step(optimizer, at_work, objective)
            if objective.gradients == spent[-1]:
                raise ValueError("step() must take the closure's gradient, got none taken")
            x, y = (float(number) for number in point.tolist())
            value = float(landscape.value(x, y))
            lost = landscape.is_far(x, y)
            if math.isfinite(value):
                points.append((x, y))
                values.append(value)
                spent.append(objective.gradients)
    return Walk(np.array(points), np.array(spent), np.array(values), lost)


def _step(optimizer: Optimizer, at_work: Any, objective: _Objective) -> None:
    """Move by one step, as the training loop does, and leave the weights that are evaluated."""
    if optimizer.switches:
        at_work.train()
    if optimizer.closure:
        at_work.step(objective)
    else:
        objective()
        at_work.step()
    if optimizer.switches:
        at_work.eval()


@dataclass
class _Objective:
    """Sets the gradient anew whenever it is called, returns the value, and counts."""

    landscape: Landscape
    point: torch.nn.Parameter
    optimizer: torch.optim.Optimizer
    second_order: bool
    gradients: int = 0

    def __call__(self) -> torch.Tensor:
        import torch

        self.optimizer.zero_grad()
        self.gradients += 1
        if self.second_order:  # the gradient has a graph of its own
            with torch.enable_grad():
                value: torch.Tensor = self.landscape.value(*self.point.unbind())
                (self.point.grad,) = torch.autograd.grad(value, [self.point], create_graph=True)
            return value.detach()
        x, y = (float(number) for number in self.point.tolist())
        self.point.grad = torch.tensor(self.landscape.gradient(x, y))  # three times as quick as autograd
        return torch.tensor(self.landscape.value(x, y))


# --- the best learning rate


def rate_grid(optimizer: Optimizer) -> list[float]:
    """Return the grid of learning rates, ascending: 1 and 3 of every power of ten; empty where none is declared."""
    space: Any = optimizer.space.get("lr")
    if space is None:
        return []
    if hasattr(space, "choices"):
        return sorted(float(choice) for choice in space.choices if isinstance(choice, int | float))
    low, high = float(space.low), float(space.high)
    low = low if low > 0 else high / 1000
    ends = math.log10(low) - 1 - 1e-9, math.log10(high) + 1 + 1e-9
    grid: list[float] = []
    for power in range(math.floor(ends[0]), math.ceil(ends[1]) + 1):
        grid += [float(f"1e{power}"), float(f"3e{power}")]
    return [rate for rate in grid if ends[0] <= math.log10(rate) <= ends[1]]


def neighbour_rates(rate: float) -> list[float]:
    """Return the rates half way to the neighbours on the grid: 0.5 and 2 for 1, 2 and 5 for 3."""
    first, power = f"{rate:e}".split("e")
    return [float(f"{m}e{power}") for m in ((0.5, 2) if float(first) == 1 else (2, 5))]


def best_walk(
    optimizer: Optimizer, landscape: Landscape, hyperparameters: Mapping[str, Any], deadline: float = math.inf
) -> tuple[float, Walk]:
    """Return the learning rate with the smallest score, and its walk; NaN for an optimizer that declares none.

    First the grid, then the two rates half way to the neighbours of its best one. A rate at which the optimizer raises
    is left out; where all do, what the first one raised is raised. Raises TimeoutError when the time is ``deadline``.
    """
    grid = rate_grid(optimizer)
    if not grid:
        return math.nan, walk(optimizer, landscape, hyperparameters)
    walks: dict[float, Walk] = {}
    failures: list[PluginFailed] = []

    def try_all(candidates: Iterable[float]) -> None:
        for rate in candidates:
            if time.thread_time() > deadline:
                raise TimeoutError(f"it takes longer than {PATIENCE:g} s")
            try:
                with Boundary("optimizer", optimizer.name, "step", everything=True):
                    walks[rate] = walk(optimizer, landscape, {**hyperparameters, "lr": rate})
            except PluginFailed as error:  # a rate may be outside what it takes
                failures.append(error)

    def best() -> float:
        return min(sorted(walks), key=lambda rate: walks[rate].score)  # of equals the smallest

    try_all(grid)
    if not walks:
        raise failures[0]
    if not hasattr(optimizer.space["lr"], "choices"):
        try_all(neighbour_rates(best()))
    return best(), walks[best()]


def walk_all(arms: Mapping[str, tuple[Optimizer, Mapping[str, Any]]]) -> DataFrame:
    """Return the walk of every arm on every landscape at its best rate: a row a step, the start being step 0.

    ``arms`` has each arm's optimizer and the hyperparameters that are not at their defaults; a learning rate among them
    is ignored. The columns: arm, landscape, step, gradients (taken so far), x, y, value, lr (NaN where there is none to
    choose), problem: "", or why there is no walk or why it ends early.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for arm, (optimizer, hyperparameters) in arms.items():
        deadline = time.thread_time() + PATIENCE
        settings = {name: value for name, value in hyperparameters.items() if name != "lr" or not rate_grid(optimizer)}
        for landscape in LANDSCAPES.values():
            try:
                with (
                    Boundary("optimizer", optimizer.name, "step", everything=True),
                    kept(f"arm {arm}, whose path was recorded,"),
                ):
                    lr, walked = best_walk(optimizer, landscape, settings, deadline)
            except PluginFailed as error:  # the other arms have their picture
                start = (*landscape.start, float(landscape.value(*landscape.start)))
                rows.append((arm, landscape.name, 0, 0, *start, math.nan, f"failed: {error.why}"))
                continue
            steps = len(walked.value) - 1
            problem = f"lost after {steps} step{'' if steps == 1 else 's'}" if walked.lost else ""
            numbers = zip(walked.gradients, *walked.xy.T, walked.value, strict=True)
            rows += [
                (arm, landscape.name, step, int(gradients), float(x), float(y), float(value), lr, problem)
                for step, (gradients, x, y, value) in enumerate(numbers)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
