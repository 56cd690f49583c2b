"""What a step costs, counted and not timed, so that it is the same on every machine and under every load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
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


def work_of(parts: Parts, steps: int) -> Work:
    """Return the mean work of so many steps of a training, each on its first batch."""
    rows = parts.ingredients.train
    inputs, targets = rows.inputs[: parts.run.batch_size], rows.targets[: parts.run.batch_size]
    counting = _Counting()
    with _gradients_apart(parts, counting), counting:
        for _ in range(steps):
            parts.step(inputs, targets)
    counts = counting.counts
    names = ("gradients", "operations", "numbers", "products", "decompositions")
    return Work(**{name: counts[name] / steps for name in names})


@contextmanager
def _gradients_apart(parts: Parts, counting: _Counting) -> Iterator[None]:
    """Count the evaluations of the objective, and not what is done in them."""
    differentiate = parts.objective.differentiate

    def counted(inputs: torch.Tensor, targets: Any) -> Any:
        counting.counts["gradients"] += 1
        counting.differentiates = True
        try:
            return differentiate(inputs, targets)
        finally:
            counting.differentiates = False

    parts.objective.differentiate = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        del parts.objective.differentiate


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for element in value:
            yield from _tensors(element)
