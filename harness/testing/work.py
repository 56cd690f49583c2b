"""What a step costs, counted and not timed, so that it is the same on every machine and under every load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

from harness.training.parts import Parts
from harness.training.work import OperationCounter


@dataclass(frozen=True)
class Work:
    """The mean work of a step."""

    gradients: float  # evaluations of objective and gradient
    operations: float  # of the optimizer's own, those of the gradients apart


def work_of(parts: Parts, steps: int) -> Work:
    """Return the mean work of so many steps of a training, each on its first batch."""
    rows = parts.ingredients.train
    inputs, targets = rows.inputs[: parts.run.batch_size], rows.targets[: parts.run.batch_size]
    counter, evaluations = OperationCounter(), 0

    def of_step(step: Callable[..., Any], *args: Any) -> Any:
        with counter:
            return step(*args)

    def of_gradient(differentiate: Callable[..., Any], *args: Any) -> Any:
        nonlocal evaluations
        evaluations += 1
        with counter.paused():
            return differentiate(*args)

    with _called_by(of_step, parts.optimizer, "step"), _called_by(of_gradient, parts.objective, "differentiate"):
        for _ in range(steps):
            parts.step(inputs, targets)
    return Work(evaluations / steps, counter.operations / steps)


@contextmanager
def _called_by(caller: Callable[..., Any], owner: Any, name: str) -> Iterator[None]:
    """Have a method of an object called by a function, which gets it and its arguments; schedules of torch do so too."""
    before, method = vars(owner).get(name), getattr(owner, name)
    wrapper = update_wrapper(lambda *args: caller(method, *args), method)  # it keeps torch's marks of a schedule
    setattr(owner, name, wrapper)
    try:
        yield
    finally:
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
