"""The plainest executor: one run after the other, in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from harness import Done, Epoch, Event, Executor, Job, Workbench, execute, hookimpl


class InProcess:
    """Carries out what is submitted in order; a run that is stopped ends after the epoch it is in."""

    room = 1

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._queue: deque[Job] = deque()
        self._stopped: set[str] = set()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue the jobs."""
        self._queue.extend(jobs)

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield the events of all jobs, until the queue is empty."""
        while self._queue:
            job = self._queue.popleft()
            for event in execute(job, self._workbench):
                yield job.id, event
                if job.id in self._stopped and isinstance(event, Epoch):
                    self._stopped.discard(job.id)
                    yield job.id, Done(event.metrics, stopped=True)
                    break

    def stop(self, run_id: str) -> None:
        """End a run after its current epoch."""
        self._stopped.add(run_id)


@hookimpl
def harness_executors() -> list[Executor]:
    """Offer inprocess."""
    return [Executor(name="inprocess", build=InProcess)]
