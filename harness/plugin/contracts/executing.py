"""The contract of an executor, which carries out runs, and of the workbench that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.plugin.contracts.parts import TrainingParts
from harness.plugin.runs import Event, Run, State


class Workbench(Protocol):
    """What an executor is given: how to put a run's parts together, and where it was left."""

    def parts(self, run: Run) -> TrainingParts:
        """Return the run's model, optimizer, schedule and batches, on the device."""

    def state(self, run_id: str) -> State | None:
        """Return the state the run was saved in, or None if it has not begun."""


class RunningExecutor(Protocol):
    """Where runs are carried out: pure jobs in, events out."""

    room: int  # how many runs it can hold at a time

    def submit(self, runs: Sequence[Run]) -> None:
        """Take these runs; they need not start at once, nor in this order."""

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield ``(run_id, Epoch | Done | Failed)`` as they come, until nothing is left; more may be submitted."""

    def stop(self, run_id: str) -> None:
        """End this run early: it yields a ``Done(stopped=True)``."""


@dataclass(frozen=True)
class Executor:
    """A way to carry out runs: ``build(workbench)`` returns it ready for work."""

    name: str
    build: Callable[[Workbench], RunningExecutor]
    reference: str = ""
