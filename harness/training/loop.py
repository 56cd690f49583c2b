"""The training loop, and how an executor carries out a whole run with it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.contracts import Workbench
from harness.errors import Diverged, PluginError, one_line
from harness.process_settings import kept_apart
from harness.runs import Epoch, Event, Failed, Run, State

if TYPE_CHECKING:
    from harness.training.parts import Parts


def train(run: Run, parts: Parts, state: State | None = None) -> Iterator[Epoch]:
    """Train one model; yield a record and, on demand, a resumable state per epoch.

    From a ``state`` it goes on bit-equal to never having stopped: all that is random in an epoch is drawn from
    generators seeded with the epoch's number. Raises Diverged when the loss leaves the finite numbers.
    """
    for epoch in parts.resume(state, run.epochs):
        with parts.clock:  # evaluation is not timed
            for inputs, targets in parts.batches.of(epoch):  # [B, 3, H, W] or [B, F], and [B, ...]
                parts.step(inputs, targets)
        yield parts.record(epoch)


def execute(run: Run, workbench: Workbench) -> Iterator[Event]:
    """Carry out a run from where it was left: its epochs, then Done; whatever goes wrong becomes Failed.

    A setting of the process that the run's plugins change is theirs alone: it is put back whenever the run is left, and
    the event names it.
    """
    who = f"arm {run.arm.name} (or its task, {run.task})"
    for event, changed in kept_apart(_carried_out(run, workbench), who):
        yield replace(event, changed=tuple(changed)) if changed else event


def _carried_out(run: Run, workbench: Workbench) -> Iterator[Event]:
    try:
        parts = workbench.parts(run)
        for trained, epoch in enumerate(train(run, parts, workbench.state(run.id))):
            if trained == 0:
                epoch.state()  # so that an optimizer whose state cannot be saved fails here, and not when a save is due
            yield epoch
        yield parts.done()
    except Diverged as error:
        yield Failed("diverged", str(error))
    except PluginError as error:
        yield Failed("error", str(error), traceback.format_exc())
    except Exception as error:  # a plugin may raise anything; it ends this run and no other
        yield Failed("error", one_line(error), traceback.format_exc())
