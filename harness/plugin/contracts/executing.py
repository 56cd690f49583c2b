"""The contract of an executor, which carries out runs, and of the workbench that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.plugin.contracts.parts import TrainingParts
from harness.plugin.contracts.spaces import Space
from harness.plugin.runs import Event, Run, State


class Workbench(Protocol):
    """What an executor is given: how to put a run's parts together, and where it was left.

    An executor passes it on to ``harness.execute``, which trains with it.

    >>> class Restarted:
    ...     def __init__(self, workbench): self.parts = workbench.parts
    ...     def state(self, run_id): return None  # every run begins anew
    """

    def parts(self, run: Run) -> TrainingParts:
        """Return the run's model, optimizer, schedule and batches, on the device."""

    def state(self, run_id: str) -> State | None:
        """Return the state the run was saved in, or None if it has not begun."""


class RunningExecutor(Protocol):
    """Where runs are carried out: pure jobs in, events out.

    >>> from harness import Done
    >>> class Nothing:
    ...     room = 1
    ...     def submit(self, runs): self.runs = list(runs)
    ...     def events(self): yield from ((run.id, Done(stopped=True)) for run in self.runs)
    ...     def stop(self, run_id): pass
    """

    room: int  # how many runs it can hold at a time

    def submit(self, runs: Sequence[Run]) -> None:
        """Take these runs; they need not start at once, nor in this order."""

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield ``(run_id, Epoch | Done | Failed)`` as they come, until nothing is left; more may be submitted."""

    def stop(self, run_id: str) -> None:
        """End this run early: it yields a ``Done(stopped=True)``."""


@dataclass(frozen=True)
class Executor:
    """A way to carry out runs: ``build(workbench, **options)`` returns a ``RunningExecutor``, ready for work.

    An executor that needs something of the machine, a library or an address for example, may bring a ``check``. It is called
    with the options before the data is opened, and raises a PluginError with one line where the executor cannot work.

    >>> Executor("inprocess", build=lambda workbench: None).name
    'inprocess'
    >>> Executor("remote", build=lambda workbench, address: None, options={"address": ""}).options
    {'address': ''}
    """

    name: str  # by which a benchmark asks for it
    build: Callable[..., RunningExecutor]
    check: Callable[..., object] | None = None  # None: it works wherever the harness does
    options: Mapping[str, Any] = field(default_factory=dict)  # its keywords, with their defaults
    limits: Space = field(default_factory=dict)  # what ``[train] executor_options`` may set an option to
    reference: str = ""  # a paper or an address, for the report
