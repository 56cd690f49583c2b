"""A worker: it opens the benchmark once, in a process of its own, and then carries out jobs.

One implementation serves all executors with workers. A process that has a connection calls ``serve``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import PluginError
from harness.plugin.contracts import Opening
from harness.plugin.runs import Done, Event, Failed, Job, Measurement, Run, State
from harness.records.checked import load_tensors
from harness.running.workbench import Bench
from harness.running.workers.choosing import rehearse
from harness.running.workers.crew import Crew
from harness.running.workers.messages import (
    Assignment,
    Cancel,
    FromWorker,
    Happened,
    Ready,
    Rehearse,
    Rehearsed,
    Retiring,
    ToWorker,
)
from harness.running.workers.traces import changes_since, process_now
from harness.training.device import environment
from harness.training.loop import turns
from harness.training.scale_free import learn

if TYPE_CHECKING:
    import torch


class Worker:
    """Carries out jobs in this process, of one benchmark.

    Args:
        opening: What ``workbench.opening()`` gave, with the arrays themselves in it.

    Raises:
        HarnessError: The benchmark cannot be opened here, because a plugin cannot be loaded for example.

    >>> class Opening:
    ...     def open(self, state, solution): return "a workbench"
    >>> Worker(Opening()).retiring
    ''
    """

    def __init__(self, opening: Opening) -> None:
        self.retiring = ""  # why this process takes no more jobs: what a plugin has changed in it
        self._states: dict[str, State] = {}  # by run_id
        self._solutions: dict[str, Any] = {}  # by run_id: weights, or the path of their file
        self.workbench = opening.open(self._states.get, self._solution)
        self._clean = process_now()

    def carry_out(self, job: Job, state: State | None, solutions: Mapping[str, Any]) -> Iterator[Event]:
        """Carry out a job and yield what happens.

        Args:
            job: A run or a measurement.
            state: Where a run was left; None for its beginning.
            solutions: By the id of a run its final weights: the path of their file, or the weights themselves.

        Yields:
            The events of ``harness.execute``. ``retiring`` says afterwards whether the process is as clean as before.
        """
        for event in self.turns(job, state, solutions):
            if event is not None:
                yield event

    def turns(self, job: Job, state: State | None, solutions: Mapping[str, Any]) -> Iterator[Event | None]:
        """Carry out a job as ``carry_out`` does, in turns between which other jobs can have theirs.

        Yields None at the end of a turn that brings no event.
        """
        if reason := self._refusal(job):
            yield Failed("error", reason)
            return
        self._solutions |= solutions
        if state is not None:
            self._states[job.id] = state
        try:
            for event in turns(job, self.workbench):
                self._states.pop(job.id, None)  # the run has it
                if event is not None:
                    self._look_at(event)
                yield event
        finally:
            for run_id in solutions:
                self._solutions.pop(run_id, None)

    @property
    def environment(self) -> Mapping[str, Any]:
        """Versions and hardware of this process, and their hash."""
        return environment(self.workbench.materials.device) if isinstance(self.workbench, Bench) else {}

    def _look_at(self, event: Event) -> None:
        """Note what a plugin has changed in this process, as an event says, and at the end of a job the process itself."""
        if event.changed:
            self.retiring = self.retiring or event.changed[0]
        if event.ends_run and (changes := changes_since(self._clean)):
            self.retiring = self.retiring or changes

    def _refusal(self, job: Job) -> str:
        """Return in a line why a job cannot be done here: a plugin's source is another one; "" where it can."""
        if not isinstance(self.workbench, Bench):
            return ""
        if isinstance(job, Measurement):
            version = self.workbench.materials.probe_versions.get(job.probe, "")
            return (
                "" if version.startswith(job.version) else _other_source(f"probe '{job.probe}'", job.version, version)
            )
        return self._refusal_of_run(job, self.workbench)

    def _refusal_of_run(self, run: Run, bench: Bench) -> str:
        try:
            hashes = bench.materials.plugins_of(run.arm).hashes
        except PluginError as error:
            return str(error)
        for part, sha256 in run.plugins.items():
            if hashes.get(part) != sha256:
                return _other_source(f"the {part} of {run.arm.name}", sha256, hashes.get(part, "none"))
        return ""

    def _solution(self, run_id: str) -> Mapping[str, torch.Tensor]:
        """Return the final weights of a run; raises RunFolderError where their file cannot be read."""
        place = self._solutions[run_id]
        if not isinstance(place, str):
            weights: Mapping[str, torch.Tensor] = place
            return weights
        return load_tensors(Path(place))[0]


def _other_source(plugin: str, of_driver: str, of_worker: str) -> str:
    return (
        f"{plugin}: must have the source that the driver has ({of_driver[:8]}), got {of_worker[:8]} in its worker; "
        "install the same release there"
    )


def serve(opening: Opening, receive: Callable[[bool], ToWorker | None], send: Callable[[FromWorker], object]) -> None:
    """Open a benchmark and carry out what is assigned, side by side, until ``receive`` raises EOFError.

    Args:
        opening: What the worker opens.
        receive: Returns the next message; where it may not wait for one (False), None if there is none yet.
        send: Takes the messages for the pool.
    """
    worker = Worker(opening)
    crew = Crew(lambda given: worker.turns(given.job, given.state, given.solutions))
    send(Ready(worker.environment))
    importlib.import_module("torch._dynamo")  # the first optimizer needs it: a second that passes while no job is there
    while len(crew) or not worker.retiring:
        message = receive(not len(crew))
        while message is not None:
            _take(message, worker, crew, send)
            message = receive(False)
        for outcome in crew.turn():
            if worker.retiring and isinstance(outcome, Happened) and outcome.event.ends_run:
                send(Retiring(worker.retiring))
            send(outcome)


def _take(message: ToWorker, worker: Worker, crew: Crew, send: Callable[[FromWorker], object]) -> None:
    """Begin a job, or leave one, or rehearse."""
    match message:
        case Assignment(job, scale_free=tested):
            if tested is not None:
                learn(job.runs[0] if isinstance(job, Measurement) else job, tested)
            crew.take(message)
        case Cancel(job_id) if crew.leave(job_id):
            send(Happened(job_id, Done(stopped=True)))
        case Rehearse(run, numbers, seconds, work):
            send(Rehearsed(rehearse(run, worker.workbench, numbers, seconds, work)))
        case _:
            pass
