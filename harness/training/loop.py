"""The training loop, and how an executor carries out a job with it: a whole run, or a measurement."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import DiskError, Diverged, HarnessError, arguments, traceback_of
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Workbench
from harness.plugin.process_settings import kept_apart
from harness.plugin.runs import Epoch, Event, Failed, Job, Measurement, Run, State
from harness.training.pauses import Pause

if TYPE_CHECKING:
    from harness.plugin.contracts import TrainingParts

SAVE_EVERY = 10.0  # seconds of work that a kill may cost, where an epoch is shorter than that


def advance(run: Run, parts: TrainingParts, state: State | None = None) -> Iterator[Epoch | Pause]:
    """Train one model in steps that others can come between: yield a pause where its device is busy without it, and records.

    From a ``state`` it goes on as if it had never stopped, bit by bit, because all that is random in an epoch is drawn from
    generators that are seeded with the epoch's number. Turns of other runs in between change nothing. Raises Diverged when the
    loss leaves the finite numbers.
    """
    try:
        yield from parts.turn.of(_advance(run, parts, state))
    finally:
        parts.release()


def _advance(run: Run, parts: TrainingParts, state: State | None) -> Iterator[Epoch | Pause]:
    for epoch in parts.resume(state, run.epochs):
        yield from parts.steps(epoch)
        yield from parts.record(epoch)


def train(run: Run, parts: TrainingParts, state: State | None = None) -> Iterator[Epoch]:
    """Train one model; yield a record and, on demand, a resumable state per epoch. It is ``advance`` for a run alone."""
    for epoch in advance(run, parts, state):
        if isinstance(epoch, Epoch):
            yield epoch


def execute(job: Job, workbench: Workbench) -> Iterator[Event]:
    """Carry out a job, a run from where it was left or a measurement, and yield what happens.

    A setting of the process that the job's plugins change is theirs alone. It is put back whenever the job is left, and the
    event names it.

    Args:
        job: What to train, or what to measure.
        workbench: What the executor was given.

    Yields:
        Of a run an Epoch at the end of each, then Done; of a measurement one Measured. Failed, as the last one, for
        whatever goes wrong. An Epoch has a state where it is to be saved: at most every ten seconds.

    >>> from harness import Arm
    >>> run = Run(
    ...     phase="search", arm=Arm("mlp", "adam", "constant"), optimizer={"lr": 0.01}, scheduler={}, epochs=2, batch_size=32,
    ...     l2=0.0, augment=(), precision="fp32", task="classification", init_seed=1, order_seed=1, data="0", plugins={},
    ... )
    >>> class Broken:
    ...     def parts(self, run): raise HarnessError("data: must be there, got nothing")
    ...     def state(self, run_id): return None
    >>> [event.reason for event in execute(run, Broken())]
    ['data: must be there, got nothing']
    """
    for event in turns(job, workbench):
        if event is not None:
            yield event


def turns(job: Job, workbench: Workbench) -> Iterator[Event | None]:
    """Carry out a job as ``execute`` does, in turns between which other jobs can have theirs.

    Yields None at the end of a turn that brings no event.
    """
    if isinstance(job, Measurement):
        arguments.having("workbench", workbench, "a Workbench, which an executor is given", "measure")
        who, events = f"probe '{job.probe}'", _measured(job, workbench)
    else:
        arguments.having("job", job, "a Run or a Measurement", "id", "epochs", "arm", "task")
        arguments.having("workbench", workbench, "a Workbench, which an executor is given", "parts", "state")
        who, events = f"arm {job.arm.name} (or its task, {job.task})", _events(job, workbench)
    lines: list[str] = []  # that no event has taken along yet
    for event, changed in kept_apart(_carried_out(events), who):
        lines += changed
        if isinstance(event, Pause):
            yield None
            continue
        yield replace(event, changed=(*event.changed, *lines)) if lines else event
        lines = []


def _carried_out(events: Iterator[Event | Pause]) -> Iterator[Event | Pause]:
    while not isinstance(event := _next(events), _Over):
        yield event


class _Over:
    """There is no more event."""


def _next(events: Iterator[Event | Pause]) -> Event | Pause | _Over:
    """Return what comes next; a plugin may raise anything, and ends this job and no other."""
    try:
        with Boundary():
            return next(events, _Over())
    except DiskError:
        raise
    except Diverged as error:
        return Failed("diverged", str(error))
    except HarnessError as error:
        return Failed("error", str(error), traceback_of(error))


def _measured(measurement: Measurement, workbench: Workbench) -> Iterator[Event | Pause]:
    yield workbench.measure(measurement)


def _events(run: Run, workbench: Workbench) -> Iterator[Event | Pause]:
    parts = workbench.parts(run)
    saving = _Saving()
    for epoch in advance(run, parts, workbench.state(run.id)):
        yield saving.with_state_if_due(epoch) if isinstance(epoch, Epoch) else epoch
    yield parts.done()


class _Saving:
    """When the state of a run is due: whenever one more epoch would put more than ``SAVE_EVERY`` seconds at risk."""

    def __init__(self) -> None:
        self._safe: float | None = None  # when all that was trained was safe

    def with_state_if_due(self, epoch: Epoch) -> Epoch:
        """Return the epoch with a copy of its state where that is to be saved, and with none elsewhere.

        The state of the first epoch is always tried, so that an optimizer whose state cannot be saved fails early.
        """
        now, seconds = time.monotonic(), epoch.seconds / epoch.number
        is_first = self._safe is None
        safe = now - seconds if self._safe is None else self._safe
        is_due = now - safe + seconds > SAVE_EVERY
        self._safe = now if is_due else safe
        if not (is_first or is_due) or epoch.state is None:
            return replace(epoch, state=None)
        state = epoch.state()
        return replace(epoch, state=(lambda: state) if is_due else None)
