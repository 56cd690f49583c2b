"""What moves messages between a pool and its workers: processes of this machine, or of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.running.workers.messages import FromWorker, ToWorker


class Transport(Protocol):
    """Starts workers and moves messages to and from them. Workers have numbers, and no number is used twice."""

    def start(self, worker: int) -> None:
        """Start a worker, without waiting for it. It says ``Ready`` when it takes jobs."""

    def send(self, worker: int, message: ToWorker) -> None:
        """Send a message to a worker. A worker that has ended gives ``Left`` by ``receive``, not an error here."""

    def receive(self, timeout: float) -> Sequence[tuple[int, FromWorker]]:
        """Return the next messages of any workers, in the order in which each sent them; none after so many seconds.

        ``Left`` is the last one of a worker.
        """

    def memory(self, worker: int) -> int:
        """Return the bytes of memory that a worker's process uses now; 0 where that is not known."""

    def kill(self, worker: int) -> None:
        """End a worker at once; ``receive`` gives its ``Left``."""

    def close(self) -> None:
        """End all workers."""
