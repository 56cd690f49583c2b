"""The one event loop: phases hand out jobs, an executor carries them out, and every event is written down.

The loop never waits for one job before it asks for the next. Whenever a job ends, it fills the executor's room again
from the first phase that has a job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from harness.console import interruption
from harness.console.numbers import first_of
from harness.console.progress import Reporter
from harness.errors import RunFolderError
from harness.plugin.meta import penalty_line
from harness.plugin.process_settings import kept_apart
from harness.plugin.runs import (
    Done,
    Epoch,
    Event,
    Failed,
    Interrupted,
    Job,
    Measured,
    Measurement,
    PrunerDecision,
    Run,
)
from harness.records import Store, schema
from harness.records.attempts import of_job, of_run
from harness.records.earlier import EarlierRun
from harness.running.executor import GuardedExecutor, label_of
from harness.running.fairness import rehearsal
from harness.running.reuse import EarlierRuns
from harness.running.search import GO_ON

SHOWN = 8  # runs under way that a line names


class Phase(Protocol):
    """A part of a benchmark: it hands out runs, one at a time, and takes note of how they ended."""

    def next(self) -> Run | None:
        """Return the next run to carry out; None where there is none yet, or no more."""

    def ask_pruner(self, run: Run, event: Event) -> PrunerDecision:
        """Return what is decided on a run under way, from its records and this event."""

    def accept(self, earlier: EarlierRun) -> EarlierRun | None:
        """Return a run of another run folder as it is to be taken over; None where it must be trained."""

    def ended(self, run: Run) -> None:
        """Take note that a run has ended, as its records say."""


class MeasuringPhase(Protocol):
    """A part of a benchmark that hands out measurements of late probes, one at a time, and writes down what they give."""

    def next(self) -> Measurement | None:
        """Return the next measurement to make; None where there is none yet, or no more."""

    def enter(self, measurement: Measurement, event: Measured | Failed) -> None:
        """Write down what a measurement gave, or why it gave nothing."""


class Unpruned:
    """What phases have in common whose runs all go on to their ends."""

    def ask_pruner(self, run: Run, event: Event) -> PrunerDecision:
        """Let a run go on."""
        return GO_ON

    def accept(self, earlier: EarlierRun) -> EarlierRun | None:
        """Take a run over as it is."""
        return earlier


@dataclass
class UnderWay:
    """A run that the executor has."""

    run: Run
    phase: Phase
    epochs: int = 0  # trained so far

    def __str__(self) -> str:
        """Return the run and how far it is in words."""
        return f"{label_of(self.run)}, {self.epochs} epochs"


@dataclass
class MeasurementUnderWay:
    """A measurement that the executor has."""

    measurement: Measurement
    phase: MeasuringPhase

    def __str__(self) -> str:
        """Return what is measured in words."""
        return label_of(self.measurement)


class EventLoop:
    """Carries the jobs of some phases out on an executor. A run that is among the ``earlier`` ones is not trained again.

    ``after_event`` is called once at the beginning, with nothing, and then with every job and its event. With
    ``keep_weights`` off, the final weights of the runs are not written. A line on how arms are trained, or on a changed
    setting, is printed once; ``said`` has the lines that were printed before, and gets the new ones.
    """

    def __init__(
        self, executor: GuardedExecutor, phases: Sequence[Phase | MeasuringPhase], store: Store, reporter: Reporter,
        earlier: EarlierRuns, after_event: Callable[[Job | None, Event | None], object] = lambda job, event: None,
        keep_weights: bool = True, said: set[str] | None = None,
    ) -> None:  # fmt: skip
        self.under_way: dict[str, UnderWay] = {}  # runs, by run_id
        self.measuring: dict[str, MeasurementUnderWay] = {}  # by the id of the measurement
        self.taken = 0  # runs that were taken from other run folders
        self._earlier = earlier
        self._executor = executor
        self._phases = phases
        self._store = store
        self._reporter = reporter
        self._after_event = after_event
        self._keep_weights = keep_weights
        self._said = set() if said is None else said  # lines, each of which is said once

    def carry_out(self) -> None:
        """Carry out every job that the phases have, until they have no more."""
        self._fill()
        self._after_event(None, None)
        for job_id, event in self._events():
            if isinstance(event, Interrupted):
                continue  # the journal has said it; the executor begins the job again
            job = self._follow(job_id, event) if job_id in self.under_way else self._enter(job_id, event)
            if event.ends_run:
                self._fill()
            self._after_event(job, event)

    def _follow(self, run_id: str, event: Event) -> Run:
        """Write the event of a run down, and do what follows from it; return the run."""
        work = self.under_way[run_id]
        decision = work.phase.ask_pruner(work.run, event)  # it sees records, nothing else
        self._write(work, event, decision)  # one transaction: a decision is never lost or made twice
        if decision.stop and not event.ends_run:
            self._executor.stop(run_id)
        if event.ends_run:
            del self.under_way[run_id]
            work.phase.ended(work.run)
        return work.run

    def _enter(self, job_id: str, event: Event) -> Measurement:
        """Have what a measurement gave written down; return the measurement."""
        work = self.measuring.pop(job_id)
        if not isinstance(event, Measured | Failed):
            event = Failed("error", f"executor '{self._executor.name}' gave no measurement", changed=event.changed)
        work.phase.enter(work.measurement, event)
        return work.measurement

    def describe_under_way(self) -> str:
        """Return what the executor has, in words; another thread may ask."""
        works = [str(work) for work in [*list(self.under_way.values()), *list(self.measuring.values())]]
        return first_of(works, SHOWN, "; ") or "the search"

    def _events(self) -> Iterator[tuple[str, Event]]:
        """Yield the events of the jobs under way; note which settings of the process have changed in the meantime."""
        executor = f"executor '{self._executor.name}'"
        for (job_id, event), changed in kept_apart(self._executor.events(), executor):
            interruption.check()
            self._store.note_changes(changed)
            self._say_changes([*changed, *event.changed])
            self._say_way(job_id, event)
            self._say_staff()
            if job_id in self.under_way or job_id in self.measuring:  # else it was given up, and is ended now
                yield job_id, event

    def _say_staff(self) -> None:
        """Say how the executor carries jobs out, when it knows, and again when that changes."""
        if line := self._executor.new_line():
            self._reporter.say(line)

    def _fill(self) -> None:
        """Submit jobs until the executor's room is full or no phase has a job."""
        while len(self.under_way) + len(self.measuring) < self._executor.room and (work := self._next()) is not None:
            if isinstance(work, MeasurementUnderWay):
                self._hand_out(work)
                continue
            if work.run.id in self.under_way or has_ended(self._store, work.run):
                continue  # two trials of equal parameters are one run
            if self._take_over(work) or not self._take_off(work):
                work.phase.ended(work.run)

    def _next(self) -> UnderWay | MeasurementUnderWay | None:
        for phase in self._phases:
            job = phase.next()
            if isinstance(job, Measurement):
                return MeasurementUnderWay(job, cast(MeasuringPhase, phase))
            if job is not None:
                return UnderWay(job, cast(Phase, phase))
        return None

    def _hand_out(self, work: MeasurementUnderWay) -> None:
        """Hand a measurement to the executor; one in which processes have died again and again has failed."""
        if reason := self._store.attempts.given_up(of_job(work.measurement)):
            work.phase.enter(work.measurement, Failed("error", reason))
            return
        self.measuring[work.measurement.id] = work
        self._executor.submit([work.measurement])

    def _take_over(self, work: UnderWay) -> bool:
        """Take a run over from another run folder, where it was trained before; return whether that could be done."""
        interruption.check()
        earlier = self._earlier.find(work.run)
        accepted = work.phase.accept(earlier) if earlier else None
        if accepted is None:
            return False
        try:
            self._store.take_over(accepted)
        except RunFolderError:  # a file was changed since it was verified
            return False
        self._store.attempts.end(of_run(work.run.id))
        self.taken += 1
        return True

    def _take_off(self, work: UnderWay) -> bool:
        """Hand a run to the executor; return False for one that the process has died in again and again: it has failed."""
        run, attempts = work.run, self._store.attempts
        if reason := attempts.given_up(of_run(run.id)) or attempts.given_up(rehearsal(run.arm)):
            self._store.append(run.id, Failed("error", reason))
            return False
        self.under_way[run.id] = work
        self._executor.submit([run])
        return True

    def _write(self, work: UnderWay, event: Event, decision: PrunerDecision) -> None:
        """Write an event down, with the decision on it."""
        if isinstance(event, Done) and not self._keep_weights:
            event = replace(event, weights={})
        self._store.append(work.run.id, event, decision)
        if isinstance(event, Epoch):
            work.epochs = event.number

    def _say_way(self, run_id: str, event: Event) -> None:
        """Say once how a GPU takes an arm's steps, which of them cannot be repeated, and what its penalty leaves out."""
        if not isinstance(event, Epoch) or run_id not in self.under_way:
            return
        run = self.under_way[run_id].run
        if event.way:
            self._say_once(f"{run.arm.name}: {event.way}")
        for name in event.unrepeatable:
            self._say_once(f"{run.arm.name}: {name} has no deterministic form on this GPU")
        if event.scale_free and (line := penalty_line(run.arm.network, {**event.scale_free, **run.recipe()})):
            self._say_once(f"note: {line}")

    def _say_changes(self, lines: list[str]) -> None:
        """Say which settings of the process a plugin has changed, each once; the records have them too."""
        for line in lines:
            self._say_once(f"warning: {line}", "yellow")

    def _say_once(self, line: str, style: str = "") -> None:
        """Say a line that has not been said before."""
        if line not in self._said:
            self._said.add(line)
            self._reporter.say(line, style=style)


def has_ended(store: Store, run: Run) -> bool:
    """Return whether a run has ended, well or not."""
    row = store.run(run.id)
    return row is not None and row["state"] in schema.ENDED
