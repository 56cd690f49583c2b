"""What a step costs, counted and not timed, so that it is the same on every machine and under every load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from harness.training.parts import Parts

DECOMPOSITIONS = tuple(f"linalg_{part}" for part in ("eig", "svd", "qr", "cholesky", "inv", "solve", "lu", "ldl"))


@dataclass(frozen=True)
class Work:
    """The mean work of a step: what the optimizer does itself, and how often it evaluates the gradient."""

    gradients: float  # evaluations of objective and gradient
    operations: float  # of torch, the gradient's apart
    numbers: float  # that these operations write
    products: float  # floating-point operations in products of matrices
    decompositions: float  # of matrices


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """``with counting:`` the operations that are done inside, unless they are a gradient's."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()
        self.differentiates = False

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        if not self.differentiates and not operation.is_view:
            self._add(operation, args, kwargs or {}, result)
        return result

    def _add(self, operation: Any, args: Any, kwargs: Any, result: Any) -> None:
        name = operation._schema.name.removeprefix("aten::")
        written = (
            result if result is not None else args[:1]
        )  # some of many tensors return nothing, and write into the first
        self.counts["operations"] += 1
        self.counts["numbers"] += sum(tensor.numel() for tensor in _tensors(written))
        self.counts["decompositions"] += any(part in name for part in DECOMPOSITIONS)
        formula = flop_registry.get(operation._overloadpacket)
        if formula is not None:
            self.counts["products"] += int(formula(*args, **kwargs, out_val=result))

    def of_step(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return an optimizer's step, counted; what the training loop does around it is not."""

        def counted(*args: Any) -> Any:
            with self:
                return step(*args)

        return counted

    def of_gradient(self, differentiate: Callable[..., Any]) -> Callable[..., Any]:
        """Return the evaluation of a gradient, which is counted as one, whatever is done in it."""

        def counted(*args: Any) -> Any:
            self.counts["gradients"] += 1
            self.differentiates = True
            try:
                return differentiate(*args)
            finally:
                self.differentiates = False

        return counted


def work_of(parts: Parts, steps: int) -> Work:
    """Return the mean work of so many steps of a training, each on its first batch."""
    rows = parts.ingredients.train
    inputs, targets = rows.inputs[: parts.run.batch_size], rows.targets[: parts.run.batch_size]
    counting = _Counting()
    with (
        _replaced(parts.optimizer, "step", counting.of_step),
        _replaced(parts.objective, "differentiate", counting.of_gradient),
    ):
        for _ in range(steps):
            parts.step(inputs, targets)
    names = ("gradients", "operations", "numbers", "products", "decompositions")
    return Work(**{name: counting.counts[name] / steps for name in names})


@contextmanager
def _replaced(owner: Any, name: str, around: Callable[..., Any]) -> Iterator[None]:
    """Have an object another method of a name; schedules of torch put one into an optimizer too."""
    before = vars(owner).get(name)
    setattr(owner, name, around(getattr(owner, name)))
    try:
        yield
    finally:
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for element in value:
            yield from _tensors(element)
