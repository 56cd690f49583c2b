"""The training loop, and how an executor carries out a whole run with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import DiskError, Diverged, HarnessError, arguments, traceback_of
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Workbench
from harness.plugin.process_settings import kept_apart
from harness.plugin.runs import Epoch, Event, Failed, Run, State

if TYPE_CHECKING:
    from harness.plugin.contracts import TrainingParts


def advance(run: Run, parts: TrainingParts, state: State | None = None) -> Iterator[Epoch | None]:
    """Train one model in steps that others can come between: yield None where its device is busy without it, and records.

    From a ``state`` it goes on bit-equal to never having stopped: all that is random in an epoch is drawn from
    generators seeded with the epoch's number. So it does however others take their turns in between. Raises Diverged when
    the loss leaves the finite numbers.
    """
    return parts.turn.of(_advance(run, parts, state))


def _advance(run: Run, parts: TrainingParts, state: State | None) -> Iterator[Epoch | None]:
    for epoch in parts.resume(state, run.epochs):
        yield from parts.steps(epoch)
        yield from parts.record(epoch)


def train(run: Run, parts: TrainingParts, state: State | None = None) -> Iterator[Epoch]:
    """Train one model; yield a record and, on demand, a resumable state per epoch. It is ``advance`` for a run alone."""
    for epoch in advance(run, parts, state):
        if epoch is not None:
            yield epoch


def execute(run: Run, workbench: Workbench) -> Iterator[Event]:
    """Carry out a run from where it was left, and yield what happens.

    A setting of the process that the run's plugins change is theirs alone. It is put back whenever the run is left, and the
    event names it.

    Args:
        run: What to train.
        workbench: What the executor was given.

    Yields:
        An Epoch at the end of each, then Done. Failed, as the last one, for whatever goes wrong.

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
    arguments.having("run", run, "a Run", "id", "epochs", "arm", "task")
    arguments.having("workbench", workbench, "a Workbench, which an executor is given", "parts", "state")
    who = f"arm {run.arm.name} (or its task, {run.task})"
    for event, changed in kept_apart(_carried_out(run, workbench), who):
        yield replace(event, changed=tuple(changed)) if changed else event


def _carried_out(run: Run, workbench: Workbench) -> Iterator[Event]:
    events = _events(run, workbench)
    while (event := _next(events)) is not None:
        yield event


def _next(events: Iterator[Event]) -> Event | None:
    """Return the next event, None where there is no more; a plugin may raise anything, and ends this run and no other."""
    try:
        with Boundary():
            return next(events, None)
    except DiskError:
        raise
    except Diverged as error:
        return Failed("diverged", str(error))
    except HarnessError as error:
        return Failed("error", str(error), traceback_of(error))


def _events(run: Run, workbench: Workbench) -> Iterator[Event]:
    parts = workbench.parts(run)
    for trained, epoch in enumerate(train(run, parts, workbench.state(run.id))):
        if trained == 0:
            epoch.state()  # so that an optimizer whose state cannot be saved fails here, and not when a save is due
        yield epoch
    yield parts.done()
