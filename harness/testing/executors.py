"""What an executor must do: carry out runs and measurements as one by one, name those that fail, and stop some."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from harness.errors import PluginError
from harness.plugin.contracts import Executor, Opening, RunningExecutor, Staffing
from harness.plugin.runs import Done, Epoch, Event, Failed, Interrupted, Job, Measured, Measurement, Run, State
from harness.testing import problems
from harness.testing.driving import CPU, FALLING, SGD, ingredients, run_of, torch_check
from harness.testing.outcomes import NotApplicable, require
from harness.training.loop import execute
from harness.training.parts import Parts, assemble

BROKEN = 99  # the seed of a run that cannot be put together
ENDER = 98  # the seed of a run that ends its process, unless that is the driver's
TRIES = 2  # times that it may
UNABLE = "unable"  # the probe that cannot measure


class Desk:
    """A workbench without a run folder; it can travel to another process."""

    def __init__(self, driver: int | None = None) -> None:
        self.driver = driver or os.getpid()

    def parts(self, run: Run) -> Parts:
        """Return the run's parts, or fail for the seed that is to fail."""
        if run.init_seed == BROKEN:
            raise RuntimeError("this run is to fail")
        if run.init_seed == ENDER and os.getpid() != self.driver:
            os._exit(1)
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
        return Drawer(tuple(sys.path), self.driver)

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
    driver: int  # the process that is not to end

    def with_arrays(self, change: Callable[[Any], Any]) -> Drawer:
        """Return the opening as it is: it has no arrays."""
        return self

    def open(self, state: Callable[[str], Any], solution: Callable[[str], Any]) -> Desk:
        """Return the workbench."""
        return Desk(self.driver)


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
def measures(offer: Executor) -> str:
    """Measurements end once each: with what the probe measures, or with Failed and the reason."""
    seeds = [(0,), (1, 2), (3, 4, 5)]
    jobs: list[Job] = [Measurement("seeds", "0", tuple(map(_run, of_networks))) for of_networks in seeds]
    unable = Measurement(UNABLE, "0", (_run(0),))
    events = _events(offer, [*jobs, unable, _run(6)])
    for job, of_networks in zip(jobs, seeds, strict=True):
        events_of_job = [event for job_id, event in events if job_id == job.id]
        require(
            len(events_of_job) == 1
            and isinstance(events_of_job[0], Measured)
            and events_of_job[0].numbers == {"seeds": float(sum(of_networks))},
            f"a measurement must end once, with Measured and its numbers, got {events_of_job}; use execute(job, workbench)",
        )
    ends = [event for job_id, event in events if job_id == unable.id]
    require(
        len(ends) == 1 and isinstance(ends[0], Failed) and "this measurement is to fail" in ends[0].reason,
        f"a measurement that fails must end once, with Failed and the reason, got {ends}",
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
    """A run that is stopped ends early, with Done(stopped=True) and the metrics of its last epoch."""
    long = replace(_run(0), epochs=100)
    seen: list[Event] = []
    with _running(offer) as executor:
        executor.submit([long])
        for _, event in executor.events():
            if not seen:
                executor.stop(long.id)
            seen.append(event)
    last = seen[-1]
    require(isinstance(last, Done) and last.stopped, f"a stopped run must end with Done(stopped=True), got {last}")
    require(len(seen) < 100, "a stopped run must end early, went on to its end")
    before = seen[-2] if len(seen) > 1 else None
    require(
        isinstance(last, Done) and isinstance(before, Epoch) and last.metrics == before.metrics,
        "a stopped run must end with the metrics of the last epoch that was yielded, got others",
    )
    return f"after {len(seen) - 1} of 100 epochs"


@torch_check
def survives(offer: Executor) -> str:
    """Where runs are carried out by other processes, one that ends its process is told by Interrupted, and tried again."""
    ender, bystander = _run(ENDER), _run(0)
    interrupted, ended = 0, set()
    with _running(offer) as executor:
        if not getattr(executor, "isolated", False):
            raise NotApplicable("it carries runs out in this process")
        executor.submit([ender, bystander])
        for job_id, event in executor.events():
            ended |= {job_id} if event.ends_run else set()
            interrupted += job_id == ender.id and isinstance(event, Interrupted)
            if interrupted == TRIES:
                executor.stop(ender.id)
    require(interrupted == TRIES, f"a run whose process ends must yield Interrupted each time, got {interrupted}")
    require(ended == {ender.id, bystander.id}, f"both runs must end, got {len(ended)}")
    return f"after {TRIES} processes"


def _run(seed: int) -> Run:
    return run_of(SGD, problems.BATCHES, FALLING, epochs=3, init_seed=seed)


@contextmanager
def _running(offer: Executor) -> Iterator[RunningExecutor]:
    """Give an executor at work, and end the processes that it has.

    Raises NotApplicable where the executor says that it cannot work here.
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


def _events(offer: Executor, jobs: Sequence[Job]) -> list[tuple[str, Event]]:
    """Return what happens when jobs are submitted as the driver does it, as many at a time as there is room for."""
    waiting, seen = list(jobs), []
    with _running(offer) as executor:
        room = executor.room
        require(isinstance(room, int) and room >= 1, f"room must be at least 1, got {room!r}")
        first, waiting = waiting[:room], waiting[room:]
        executor.submit(first)
        for job_id, event in executor.events():
            seen.append((job_id, event))
            if event.ends_run and waiting:
                executor.submit([waiting.pop(0)])
    return seen


QUICK: list[Any] = [carries_out, measures, names_failures, stops]
FULL: list[Any] = [survives]
