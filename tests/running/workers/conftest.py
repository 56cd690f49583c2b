import sys

import pytest

from harness.plugin.contracts import Executor
from harness.running.executor import GuardedExecutor


@pytest.fixture(scope="session")
def rig():
    """The module of the rig, under the name by which workers import it."""
    from pathlib import Path

    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    try:
        import rig
    finally:
        sys.path.remove(folder)
    return rig


@pytest.fixture(scope="session")
def guarded():
    """Return the guard around a running executor."""

    def make(running, attempts=None):
        return GuardedExecutor(Executor("pool", build=lambda workbench: running), None, attempts)

    return make


@pytest.fixture(scope="session")
def carried_out():
    """Return what carries jobs out as the driver does, and gives all events by the id of their job."""

    def carry_out(executor, jobs, states=None, on_event=lambda job_id, event: None):
        waiting, events = list(jobs), {job.id: [] for job in jobs}
        under_way = set()

        def fill():
            while waiting and len(under_way) < executor.room:
                under_way.add(waiting[0].id)
                executor.submit([waiting.pop(0)])

        fill()
        for job_id, event in executor.events():
            if job_id not in under_way:
                continue
            events[job_id].append(event)
            if states is not None and getattr(event, "state", None) is not None:
                states[job_id] = event.state()
            on_event(job_id, event)
            if event.ends_run:
                under_way.discard(job_id)
                fill()
        return events

    return carry_out
