"""newcomer: one job after the other, the shortest first; a place to start from.

An executor decides where and when jobs are carried out (other processes, other machines), never what they do:
``execute`` yields the events of one job, a run or a measurement, whatever goes wrong in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import Done, Epoch, Event, Executor, Job, Measurement, Workbench, execute, hookimpl


class Newcomer:
    """Carries out the shortest of the jobs it holds; a run that is stopped ends after the epoch it is in."""

    room = 4  # jobs held at a time

    def __init__(self, workbench: Workbench) -> None:
        """Take the workbench, which knows how to put a run's parts together and where a run was left."""
        self._workbench = workbench
        self._waiting: list[Job] = []
        self._stopped: set[str] = set()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take these jobs."""
        self._waiting.extend(jobs)

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield what happens, until nothing is left; more may be submitted in between."""
        while self._waiting:
            job = min(self._waiting, key=_epochs)
            self._waiting.remove(job)
            for event in execute(job, self._workbench):
                yield job.id, event
                if job.id in self._stopped and isinstance(event, Epoch):
                    self._stopped.discard(job.id)
                    yield job.id, Done(event.metrics, stopped=True)
                    break

    def stop(self, run_id: str) -> None:
        """End a run after its current epoch."""
        self._stopped.add(run_id)


def _epochs(job: Job) -> int:
    """Return how long a job is in epochs; a measurement has none."""
    return 0 if isinstance(job, Measurement) else job.epochs


@hookimpl
def harness_executors() -> list[Executor]:
    """Offer newcomer."""
    return [Executor(name="newcomer", build=Newcomer)]
