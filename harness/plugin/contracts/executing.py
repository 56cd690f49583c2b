"""The contract of an executor, which carries out runs and measurements, and of the workbench that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from harness.plugin.contracts.parts import TrainingParts
from harness.plugin.contracts.spaces import Space
from harness.plugin.runs import Event, Job, Measured, Measurement, Run, State

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Staffing:
    """What a benchmark says on workers, for executors that have some.

    >>> Staffing(workers=2).max_seconds
    0.0
    """

    workers: int = 0  # processes; 0 for as many as raise the throughput
    crew: int = 0  # runs that a worker carries out side by side on a GPU; 0 for as many as raise the throughput
    max_seconds: float = 0.0  # that one run may take; 0 for no limit
    max_memory: float = 0.0  # 10^9 bytes that the process of one run may use; 0 for no limit
    device: str = "cpu"  # as torch names it
    threads: int = 1  # of a run on a CPU
    gpus: int = 0  # that may be used
    gpu_memory: float = 0.0  # 10^9 bytes that the smallest of them has
    memory: float = 0.0  # 10^9 bytes of this machine that its processes may use
    steps: float = 0.0  # of optimizers that the benchmark asks for, about; 0 where that is not known

    def over(self, seconds: float = 0.0, memory: float = 0.0) -> str:
        """Return in words which limit a run is over that takes so many seconds and bytes; "" where it is within both.

        >>> Staffing(max_seconds=60).over(seconds=61)
        'over its limit of 60 s (train.max_seconds)'
        """
        if self.max_seconds and seconds > self.max_seconds:
            return f"over its limit of {self.max_seconds:g} s (train.max_seconds)"
        if self.max_memory and memory > self.max_memory * 1e9:
            return f"over its limit of {self.max_memory:g} GB (train.max_memory)"
        return ""


class Opening(Protocol):
    """All that another process needs to open a workbench of its own: plain values that can be pickled.

    An executor takes it from ``workbench.opening()``, sends it to its workers once, and gives it to ``harness.Worker``.

    >>> class Elsewhere:  # of a workbench without arrays
    ...     sys_path = ()
    ...     def with_arrays(self, change): return self
    ...     def open(self, state, solution): return "a workbench of this process"
    """

    @property
    def sys_path(self) -> Sequence[str]:
        """Where the process finds modules. It must be set before this value is unpickled there."""

    def with_arrays(self, change: Callable[[Any], Any]) -> Opening:
        """Return the opening with every array of the data replaced, by a place where it is stored or back again."""

    def open(
        self, state: Callable[[str], State | None], solution: Callable[[str], Mapping[str, torch.Tensor]]
    ) -> Workbench:
        """Open the benchmark in this process; its workbench takes states and weights, by run_id, from these functions."""


class Workbench(Protocol):
    """What an executor is given: how to put a run's parts together, where it was left, and how to measure networks.

    An executor in one process passes it on to ``harness.execute``. An executor with workers sends its ``opening`` to them.

    >>> class Restarted:
    ...     def __init__(self, workbench): self.parts, self.measure = workbench.parts, workbench.measure
    ...     def state(self, run_id): return None  # every run begins anew
    """

    def parts(self, run: Run) -> TrainingParts:
        """Return the run's model, optimizer, schedule and batches, on the device."""

    def state(self, run_id: str) -> State | None:
        """Return the state the run was saved in, or None if it has not begun."""

    @property
    def staffing(self) -> Staffing:
        """What the benchmark says on workers."""

    def measure(self, measurement: Measurement) -> Measured:
        """Return what a probe measures on trained networks; raises HarnessError, naming the probe, where it fails."""

    def opening(self) -> Opening:
        """Return plain values from which another process opens the same benchmark."""

    def solution(self, run_id: str) -> Mapping[str, torch.Tensor]:
        """Return the weights that a run ended with; raises RunFolderError where they are missing."""

    def solution_file(self, run_id: str) -> str:
        """Return the path of the file with the weights that a run ended with, for processes that see the run folder."""


class RunningExecutor(Protocol):
    """Where jobs, runs and measurements, are carried out: pure jobs in, events out.

    Five more members are optional. ``isolated`` is true where jobs are carried out in other processes, so that a death
    of this one is not theirs; without it, it is false. ``close()`` ends the workers; it is called once, at the end.
    ``line`` says in one line for people how many workers there are, and why. ``at_once`` says how many jobs are carried out
    at the same time; without it, as many as there is room for. ``workers`` says how many processes measure at the same time;
    without it, one.

    >>> from harness import Done
    >>> class Nothing:
    ...     room = 1
    ...     def submit(self, jobs): self.jobs = list(jobs)
    ...     def events(self): yield from ((job.id, Done(stopped=True)) for job in self.jobs)
    ...     def stop(self, run_id): pass
    """

    @property
    def room(self) -> int:
        """How many jobs it can hold at a time."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take these jobs; they need not start at once, nor in this order."""

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield ``(job.id, event)`` as they come, until nothing is left; more may be submitted.

        The events of a run are Epochs and then Done or Failed, those of a measurement Measured or Failed. Interrupted
        says that a process died in a job, which is begun again.
        """

    def stop(self, run_id: str) -> None:
        """End this run early: it yields ``Done(stopped=True)`` with the metrics of its last epoch that was yielded."""


@dataclass(frozen=True)
class Executor:
    """A way to carry out runs and measurements: ``build(workbench, **options)`` returns a ``RunningExecutor``, ready for work.

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
    threads: int = 0  # of a run, where ``train.threads`` is 0; 0 for all cores that the process may use
    options: Mapping[str, Any] = field(default_factory=dict)  # its keywords, with their defaults
    limits: Space = field(default_factory=dict)  # what ``[train] executor_options`` may set an option to
    reference: str = ""  # a paper or an address, for the report
