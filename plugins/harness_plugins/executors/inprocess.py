"""One run after the other in this process.

The plainest executor: one run after the other, in this process.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence

from harness import Done, Epoch, Event, Executor, Failed, Job, Workbench, execute, hookimpl


class InProcess:
    """Carries out what is submitted in order; a run that is stopped or over its limit ends after the epoch it is in."""

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
            job, began = self._queue.popleft(), time.monotonic()
            for event in execute(job, self._workbench):
                yield job.id, event
                if not isinstance(event, Epoch):
                    continue
                if job.id in self._stopped:
                    self._stopped.discard(job.id)
                    yield job.id, Done(event.metrics, stopped=True)
                    break
                if over := self._workbench.staffing.over(seconds=time.monotonic() - began):
                    yield job.id, Failed("error", over)
                    break

    def stop(self, run_id: str) -> None:
        """End a run after its current epoch."""
        self._stopped.add(run_id)


@hookimpl
def harness_executors() -> list[Executor]:
    """Offer inprocess."""
    return [Executor(name="inprocess", build=InProcess)]
