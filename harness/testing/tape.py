"""Graphs without a GPU: a tape of torch's operations, which are done again to the very same tensors, as a CUDA graph does.

A replay runs no Python of the work, so whatever the work reads from Python is frozen. A step that forgets to read its batch,
its rates or its counters from tensors gives other numbers on the tape too. To read a number from a tensor is an error
while it is recorded, as it is in a capture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

FORBIDDEN = ("aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::is_nonzero")


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """``with tape:`` the operations that are done inside, with their arguments and results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._done: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation._schema.name in FORBIDDEN:
            raise RuntimeError("operation not permitted when stream is capturing")
        result = operation(*args, **(kwargs or {}))
        if not _is_view(operation):  # a view is of memory that is written elsewhere
            self._done.append((operation, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        """Do all operations again, and put their results where those of the first time are."""
        for operation, args, kwargs, result in self._done:
            repeated = operation(*args, **kwargs)
            for place, value in zip(_tensors(result), _tensors(repeated), strict=True):
                if place is not value:
                    place.copy_(value)


def _is_view(operation: Any) -> bool:
    return any(value.alias_info and not value.alias_info.is_write for value in operation._schema.returns)


def _tensors(result: Any) -> Iterator[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, Sequence):
        for part in result:
            yield from _tensors(part)


class TapeRecorder:
    """Records work on a tape."""

    static = True

    def __init__(self) -> None:
        self.recorded = 0  # tapes that were made

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return the replay of a tape of the work."""
        self.recorded += 1
        tape = Tape()
        with tape:
            work()
        return tape.replay


class NoRecorder:
    """Can record nothing, so that all steps are eager, as they are where a graph is not possible."""

    static = True

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Raise RuntimeError."""
        raise RuntimeError("there are no graphs here")
