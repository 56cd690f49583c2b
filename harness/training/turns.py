"""Turns: what of the process is one run's while it works, where several runs are trained side by side in one process.

That is a stream of the GPU, on which its work waits for its own and for nobody else's, and the global random generators.
A run that is trained in turn with others draws the numbers that it would draw alone.
"""

from __future__ import annotations

import random as python_random
from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch

from harness.training.device import Device
from harness.training.pauses import Pause

T = TypeVar("T")


def host_generators() -> tuple[Any, ...]:
    """Return the states of the generators of torch, numpy and Python on the CPU."""
    return torch.get_rng_state(), np.random.get_state(), python_random.getstate()


def set_host_generators(states: tuple[Any, ...]) -> None:
    """Put the generators on the CPU back to these states."""
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    python_random.setstate(states[2])


class Turn:
    """``with turn:`` the work inside is done on the stream of one run, and draws from its generators.

    Generators change hands only where another run has worked in the meantime, so a run alone pays nothing.
    """

    _last: ClassVar[Turn | None] = None  # the run whose generators are in force

    def __init__(self, device: Device) -> None:
        self.index = 0  # of the GPU
        self.stream: torch.cuda.Stream | None = None
        self._generators: tuple[Any, ...] = ()  # of the CPU, while another run works
        self._follows = True  # others have worked on this run's tensors, on another stream
        if device.type == "cuda":
            self.index = int(device.name.partition(":")[2])
            torch.cuda.init()  # type: ignore[no-untyped-call]
            self.stream = torch.cuda.Stream(self.index)  # type: ignore[no-untyped-call]
            self._generator = torch.Generator(f"cuda:{self.index}")

    def __enter__(self) -> None:
        self.take_generators()
        if self.stream is not None:
            if self._follows:
                self.stream.wait_stream(torch.cuda.current_stream(self.index))
                self._follows = False
            self._context = torch.cuda.stream(self.stream)
            self._context.__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> None:
        if self.stream is not None:
            self._context.__exit__(*error)

    def take_generators(self) -> None:
        """Put this run's generators in force, and keep those of the run that had its turn before."""
        if Turn._last is self:
            return
        if Turn._last is not None:
            Turn._last._generators = host_generators()
        if self._generators:
            set_host_generators(self._generators)
        if self.stream is not None:
            # a state of its own, not its numbers alone: graphs read seed and offset from tensors that the state has
            torch.cuda.default_generators[self.index].graphsafe_set_state(self._generator)
        Turn._last = self

    def renew_generator(self) -> None:
        """Give the run a new state of the GPU's generator with the same numbers: the old one is stuck in a capture."""
        numbers = self._generator.get_state()
        self._generator = torch.Generator(f"cuda:{self.index}")
        self._generator.set_state(numbers)
        torch.cuda.default_generators[self.index].graphsafe_set_state(self._generator)

    def of(self, items: Iterator[T]) -> Iterator[T]:
        """Yield what an iterator yields; it works in this run's turn, and whoever takes an item in nobody's.

        At its end, also where it is closed before, nothing of its work is left under way.
        """
        try:
            while True:
                with self:
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                self._follows = not isinstance(item, Pause)  # an event's state and weights are read by others
                yield item
        finally:
            if self.stream is not None:
                self.stream.synchronize()
            if Turn._last is self:
                Turn._last = None
