"""The pool: it hands jobs to workers, takes their events, and begins anew what a worker's death has cost.

It knows nothing of processes and connections. A ``Transport`` starts workers and moves messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.plugin.contracts import Workbench
from harness.plugin.runs import Event, Job
from harness.run.workers.messages import FromWorker, ToWorker


class Transport(Protocol):
    """Starts workers and moves messages to and from them. Workers have numbers, and no number is used twice."""

    def start(self, worker: int) -> None:
        """Start a worker, without waiting for it. It says ``Ready`` when it takes jobs."""

    def send(self, worker: int, message: ToWorker) -> None:
        """Send a message to a worker. A worker that has ended gives ``Left`` by ``receive``, not an error here."""

    def receive(self, timeout: float) -> Sequence[tuple[int, FromWorker]]:
        """Return the next messages of any workers, in the order in which each sent them; none after so many seconds."""

    def memory(self, worker: int) -> int:
        """Return the bytes of memory that a worker's process has now; 0 where that is not known."""

    def kill(self, worker: int) -> None:
        """End a worker at once; ``receive`` gives its ``Left``."""

    def close(self) -> None:
        """End all workers."""


@dataclass(frozen=True)
class Limits:
    """What one run may take."""

    seconds: float = 0.0  # 0: no limit
    memory: float = 0.0  # bytes beyond what an idle worker has; 0: no limit


class WorkerPool:
    """An executor's jobs on workers. It is a ``RunningExecutor`` itself.

    Args:
        transport: Starts workers and moves messages.
        workbench: What the executor was given.
        workers: How many workers there are.
        places: How many jobs a worker carries out side by side: the size of a crew; 1 on a CPU.
        limits: What one run may take.
        line: How many workers there are and why, in a line for people.
    """

    isolated = True

    def __init__(
        self, transport: Transport, workbench: Workbench, workers: int, places: int = 1, limits: Limits | None = None,
        line: str = "",
    ) -> None:  # fmt: skip
        self.line = line
        self.room = workers * places

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take these jobs."""
        raise NotImplementedError

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield what happens, until nothing is left."""
        raise NotImplementedError

    def stop(self, run_id: str) -> None:
        """End a run with the metrics of the last epoch that was yielded; what its worker does later is dropped."""
        raise NotImplementedError

    def close(self) -> None:
        """End the workers."""
        raise NotImplementedError
