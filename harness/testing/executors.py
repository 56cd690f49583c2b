"""What an executor must do: carry out runs as they would be one by one, name those that fail, and stop some."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from harness.errors import PluginError
from harness.plugin.contracts import Executor, Opening, RunningExecutor, Staffing
from harness.plugin.runs import Done, Epoch, Event, Failed, Measured, Measurement, Run, State
from harness.testing import problems
from harness.testing.driving import CPU, FALLING, SGD, ingredients, run_of, torch_check
from harness.testing.outcomes import NotApplicable, require
from harness.training.loop import execute
from harness.training.parts import Parts, assemble

BROKEN = 99  # the seed of a run that cannot be put together
UNABLE = "unable"  # the probe that cannot measure


class Desk:
    """A workbench without a run folder; it can travel to another process."""

    def parts(self, run: Run) -> Parts:
        """Return the run's parts, or fail for the seed that is to fail."""
        if run.init_seed == BROKEN:
            raise RuntimeError("this run is to fail")
        return assemble(run, ingredients(SGD, problems.BATCHES, FALLING), CPU)

    def state(self, run_id: str) -> State | None:
        """Return None: every run begins."""
        return None

    @property
    def staffing(self) -> Staffing:
        """Ask for two workers."""
        return Staffing(workers=2)

    def measure(self, measurement: Measurement) -> Measured:
        """Return a number that the networks decide, or fail for the probe that is to fail."""
        if measurement.probe == UNABLE:
            raise PluginError(f"probe '{UNABLE}': this measurement is to fail")
        return Measured({"seeds": float(sum(run.init_seed for run in measurement.runs))})

    def opening(self) -> Opening:
        """Return what opens such a workbench in another process."""
        return Drawer(tuple(sys.path))

    def solution(self, run_id: str) -> Mapping[str, torch.Tensor]:
        """Return no weights: none of its runs is gone on from."""
        return {}

    def solution_file(self, run_id: str) -> str:
        """Return no path: none of its runs is gone on from."""
        return ""


@dataclass(frozen=True)
class Drawer:
    """An opening of a ``Desk``."""

    sys_path: tuple[str, ...]

    def with_arrays(self, change: Callable[[Any], Any]) -> Drawer:
        """Return the opening as it is: it has no arrays."""
        return self

    def open(self, state: Callable[[str], Any], solution: Callable[[str], Any]) -> Desk:
        """Return the workbench."""
        return Desk()


@torch_check
def carries_out(offer: Executor) -> str:
    """Runs end once each, with the same metrics as one by one in this process."""
    runs = [_run(seed) for seed in range(3)]
    all_events = _events(offer, runs)
    for run in runs:
        events = [event for run_id, event in all_events if run_id == run.id]
        ends = [event for event in events if event.ends_run]
        require(
            len(ends) == 1 and events[-1] is ends[0],
            f"a run must end once, at last, got {len(ends)} ends of {len(events)}",
        )
        expected = list(execute(run, Desk()))
        require(isinstance(ends[0], Done), f"a run must end with Done, got {ends[0]}")
        numbers = [event.number for event in events if isinstance(event, Epoch)]
        require(numbers == [1, 2, 3], f"a run must yield its epochs in their order, got {numbers}")
        equal_metrics = [e.metrics for e in events if isinstance(e, Epoch | Done)] == [
            e.metrics for e in expected if isinstance(e, Epoch | Done)
        ]
        require(
            equal_metrics, "a run must have the metrics it has by itself, got others; seed, and set one thread a run"
        )
    return ""


@torch_check
def names_failures(offer: Executor) -> str:
    """A run that cannot be carried out ends with Failed and the reason, and the others go on."""
    runs = [_run(0), _run(BROKEN), _run(1)]
    ends = {run_id: event for run_id, event in _events(offer, runs) if event.ends_run}
    require(set(ends) == {run.id for run in runs}, f"every run must end, got {len(ends)} ends of {len(runs)} runs")
    failed = ends[runs[1].id]
    require(
        isinstance(failed, Failed) and "this run is to fail" in failed.reason,
        f"a run that raises must end with Failed and the reason, got {failed}; use execute(run, workbench)",
    )
    neighbours = [type(ends[run.id]).__name__ for run in (runs[0], runs[2])]
    require(neighbours == ["Done", "Done"], f"the runs beside one that fails must end with Done, got {neighbours}")
    return ""


@torch_check
def stops(offer: Executor) -> str:
    """A run that is stopped ends early, with Done(stopped=True)."""
    long = replace(_run(0), epochs=100)
    seen: list[Event] = []
    with _built(offer) as executor:
        executor.submit([long])
        for _, event in executor.events():
            if not seen:
                executor.stop(long.id)
            seen.append(event)
    last = seen[-1]
    require(isinstance(last, Done) and last.stopped, f"a stopped run must end with Done(stopped=True), got {last}")
    require(len(seen) < 100, "a stopped run must end early, went on to its end")
    return f"after {len(seen) - 1} of 100 epochs"


def _run(seed: int) -> Run:
    return run_of(SGD, problems.BATCHES, FALLING, epochs=3, init_seed=seed)


def _events(offer: Executor, runs: Sequence[Run]) -> list[tuple[str, Event]]:
    """Return what happens when the runs are submitted as the driver does it, as many at a time as there is room for."""
    seen: list[tuple[str, Event]] = []
    with _built(offer) as executor:
        room = executor.room
        require(isinstance(room, int) and room >= 1, f"room must be at least 1, got {room!r}")
        waiting = list(runs[room:])
        executor.submit(runs[:room])
        for run_id, event in executor.events():
            seen.append((run_id, event))
            if event.ends_run and waiting:
                executor.submit([waiting.pop(0)])
    return seen


@contextmanager
def _built(offer: Executor) -> Iterator[RunningExecutor]:
    """Give the executor with its default options; what it has started ends with it.

    Raises NotApplicable where it says that it cannot work here.
    """
    if offer.check is not None:
        try:
            offer.check(**offer.options)
        except PluginError as error:
            raise NotApplicable(str(error)) from error
    executor = offer.build(Desk(), **offer.options)
    try:
        yield executor
    finally:
        getattr(executor, "close", lambda: None)()


QUICK: list[Any] = [carries_out, names_failures, stops]
FULL: list[Any] = []
