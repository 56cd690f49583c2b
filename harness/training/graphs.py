"""Recorders: work on a device that is recorded once and then replayed as a whole.

A step of a small network is a hundred small kernels, and to launch them one by one takes longer than they do. A CUDA graph
launches all of them at once. It does again what was done to the very same places of memory: so whatever changes from step
to step (the batch, the rates) is read from tensors on the device by a counter that is there too.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from harness.training.turns import Turn

Work = Callable[[], None]


class Recorder(Protocol):
    """Records work and gives it back as a function that does it again."""

    @property
    def static(self) -> bool:
        """Whether a replay does the same to the same places of memory, and runs no Python: what changes must be in tensors."""

    def record(self, work: Work) -> Work:
        """Return what does the work again, on the same tensors.

        The work may be called for it, so who records puts back what it changes. What it raises is raised.
        """


class PlainRecorder:
    """Does the work again by calling it: where there are no graphs, and for tests of all that surrounds them."""

    static = False

    def record(self, work: Work) -> Work:
        """Return the work itself."""
        return work


class CudaRecorder:
    """Records CUDA graphs on the stream of one member of a crew.

    ``torch.cuda.graph`` would wait for the whole device, collect garbage and empty the allocator's cache at every capture,
    and the other members of the crew would wait too. Nothing of that is needed: the graph has a pool of memory for itself.
    """

    static = True

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    def record(self, work: Work) -> Work:
        """Return the replay of a graph; raises what the work raises, or a RuntimeError where CUDA cannot capture it."""
        graph, place = torch.cuda.CUDAGraph(), self._turn.place
        collecting = gc.isenabled()
        gc.disable()  # to free another graph's memory while one is captured is an error
        try:
            with torch.cuda.stream(place.stream):
                graph.capture_begin(pool=place.pool)
                try:
                    work()
                except BaseException:
                    with suppress(Exception):
                        graph.capture_end()  # it says again what has gone wrong
                    raise
                graph.capture_end()
        except BaseException:
            self._abandon(graph, place.pool)
            raise
        finally:
            if collecting:
                gc.enable()
        replay: Work = graph.replay
        return replay

    def _abandon(self, graph: Any, pool: Any) -> None:
        """Clear up after a capture that failed: the allocator and the random generator take it to be still under way."""
        _abandoned.append(graph)
        with suppress(Exception):  # it has ended properly
            torch._C._cuda_endAllocateToPool(self._turn.index, pool)
        self._turn.after_failed_capture()


_abandoned: list[Any] = []  # graphs whose capture failed; the allocator may ask them for as long as the process lives


def recorder_for(turn: Turn) -> Recorder | None:
    """Return what records the steps of a run; None on a device without graphs, whose steps are plain."""
    return CudaRecorder(turn) if turn.device.type == "cuda" else None
