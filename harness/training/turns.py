"""Turns: what of the process is one run's while it works, where several runs are trained side by side in one process.

A turn has a stream of the GPU, so that a run waits for its own work alone, it has the global random generators, and it says
what the CPU makes of denormal numbers. So a run that is trained in turn with others draws the numbers that it would draw alone.
"""

from __future__ import annotations

import gc
import random as python_random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.random import mtrand

from harness.training.denormals import denormals_flushed
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


@dataclass
class _Place:
    """A stream of a GPU, and the memory of the graphs that are replayed on it; runs have it one after the other.

    Memory on a GPU belongs to the stream it was taken for, and to take it anew holds up all that is under way.
    """

    stream: Any
    pool: Any
    keeper: Any  # a graph without work; the allocator keeps a pool as long as it has a graph
    usable: bool = True


_places: dict[int, list[_Place]] = {}  # that no run has, by GPU


def _take_place(index: int) -> _Place:
    """Return a place that no other run has."""
    if free := _places.setdefault(index, []):
        return free.pop()
    stream, graph, pool = torch.cuda.Stream(index), torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        graph.capture_begin(pool=pool)
        torch.zeros(1, device=f"cuda:{index}")
        graph.capture_end()
    return _Place(stream, pool, graph)


def free_memory() -> None:
    """Give the memory of the GPUs back that no run has: what is garbage, and the places of runs that have ended.

    A place keeps all the memory that the graphs on it ever needed.
    """
    for idle in _places.values():
        idle.clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class _HostGenerators:
    """The generators of the CPU that a run draws from: of torch, NumPy and Python.

    Where turns are short (``in_short_turns``), the run has a generator of NumPy's as an object: to read and write its state
    would take ten times as long as all the rest. With the object NumPy forgets the second of the two normal numbers that it
    draws at a time. So it does there at the beginning of every turn, whether another run has worked or not, and a run draws
    the same numbers alone.
    """

    def __init__(self, in_short_turns: bool) -> None:
        self.in_short_turns = in_short_turns
        self._kept: tuple[Any, ...] = ()  # while another run works

    def keep(self) -> None:
        """Keep those in force as this run's."""
        if self.in_short_turns:
            self._kept = torch.get_rng_state(), mtrand.get_bit_generator(), python_random.getstate()
        else:
            self._kept = host_generators()

    def put(self) -> None:
        """Put this run's in force; a new run's are like those that are in force."""
        if self._kept and not self.in_short_turns:
            set_host_generators(self._kept)
        elif self._kept:
            torchs, numpys, pythons = self._kept
            torch.set_rng_state(torchs)
            mtrand.set_bit_generator(numpys)
            python_random.setstate(pythons)
        elif self.in_short_turns:
            mtrand.set_bit_generator(_copied(mtrand.get_bit_generator()))

    def begin_turn(self) -> None:
        """Have NumPy forget a second normal number, where it may have done so before."""
        if self.in_short_turns:
            mtrand.set_bit_generator(mtrand.get_bit_generator())


def _copied(numpys: Any) -> np.random.MT19937:
    """Return a new generator of NumPy's with the state of this one, if it is one that ``np.random.seed`` can seed."""
    copy = np.random.MT19937()
    if isinstance(numpys, np.random.MT19937):
        copy.state = numpys.state
    return copy


class Turn:
    """``with turn:`` the work inside is done on the stream of one run, and draws from its generators.

    Generators change hands only where another run has worked in the meantime.
    """

    _last: ClassVar[Turn | None] = None  # the run whose generators are in force

    def __init__(self, device: Device) -> None:
        self.device = device
        self.index = 0  # of the GPU
        self._place: _Place | None = None
        self._host = _HostGenerators(in_short_turns=device.type == "cuda")
        self._follows = True  # others have worked on this run's tensors, on another stream
        if device.type == "cuda":
            self.index = int(device.name.partition(":")[2])
            torch.cuda.init()  # type: ignore[no-untyped-call]
            self._generator = torch.Generator(device.name)

    @property
    def place(self) -> _Place:
        """The stream and the memory of graphs that the run has on its GPU, until its training ends."""
        if self._place is None:
            self._place, self._follows = _take_place(self.index), True
        return self._place

    def __enter__(self) -> None:
        self.take_generators()
        self._flushing = denormals_flushed()
        self._flushing.__enter__()
        if self.device.type == "cuda":
            stream = self.place.stream
            if self._follows:
                stream.wait_stream(torch.cuda.current_stream(self.index))
                self._follows = False
            self._context = torch.cuda.stream(stream)
            self._context.__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> None:
        if self.device.type == "cuda":
            self._context.__exit__(*error)
        self._flushing.__exit__(*error)

    def take_generators(self) -> None:
        """Put this run's generators in force, and keep those of the run that had its turn before."""
        if Turn._last is not self:
            if Turn._last is not None:
                Turn._last._host.keep()
            self._host.put()
            if self.device.type == "cuda":
                # a state of its own, not its numbers alone: graphs read seed and offset from tensors that the state has
                torch.cuda.default_generators[self.index].graphsafe_set_state(self._generator)
            Turn._last = self
        self._host.begin_turn()

    def after_failed_capture(self) -> None:
        """Give the run a generator with the same numbers: its own is stuck in the capture. Nobody gets its place after it."""
        numbers = self._generator.get_state()
        self._generator = torch.Generator(self.device.name)
        self._generator.set_state(numbers)
        torch.cuda.default_generators[self.index].graphsafe_set_state(self._generator)
        self.place.usable = False

    def of(self, items: Iterator[T]) -> Iterator[T]:
        """Yield what an iterator yields. The iterator works in this run's turn, and the caller works outside of it.

        When it has ended, or is closed before, nothing of its work is left under way.
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
            self._end()

    def _end(self) -> None:
        """Wait for what is under way, and let another run have the place."""
        if self._place is not None:
            self._place.stream.synchronize()
            if self._place.usable:
                _places[self.index].append(self._place)
            self._place = None
        if Turn._last is self:
            self._host.keep()
            Turn._last = None
