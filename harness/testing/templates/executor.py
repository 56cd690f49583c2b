"""newcomer: one run after the other, the shortest first; a place to start from.

An executor decides where and when runs are carried out (other processes, other machines), never what they do:
``execute`` yields the events of one run, whatever goes wrong in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import Done, Epoch, Event, Executor, Run, Workbench, execute, hookimpl


class Newcomer:
    """Carries out the shortest of the runs it holds; a run that is stopped ends after the epoch it is in."""

    room = 4  # runs held at a time

    def __init__(self, workbench: Workbench) -> None:
        """Take the workbench, which knows how to put a run's parts together and where a run was left."""
        self._workbench = workbench
        self._waiting: list[Run] = []
        self._stopped: set[str] = set()

    def submit(self, runs: Sequence[Run]) -> None:
        """Take these runs."""
        self._waiting.extend(runs)

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield what happens, until nothing is left; more may be submitted in between."""
        while self._waiting:
            run = min(self._waiting, key=lambda run: run.epochs)
            self._waiting.remove(run)
            for event in execute(run, self._workbench):
                yield run.id, event
                if run.id in self._stopped and isinstance(event, Epoch):
                    self._stopped.discard(run.id)
                    yield run.id, Done(event.metrics, stopped=True)
                    break

    def stop(self, run_id: str) -> None:
        """End a run after its current epoch."""
        self._stopped.add(run_id)


@hookimpl
def harness_executors() -> list[Executor]:
    """Offer newcomer."""
    return [Executor(name="newcomer", build=Newcomer)]
