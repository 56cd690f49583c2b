"""How fast the executor's workers take the steps of each arm while all of them are at work, and how soon they begin.

The workers are started and rehearse, as they do before the first run of a benchmark. An executor without workers, or
another one than the pool, is not timed here: its runs are timed in this process, one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import PluginError
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Executor
from harness.plugin.runs import Run
from harness.running.workbench import Bench
from harness.running.workers.choosing import SECONDS as SHORT
from harness.running.workers.choosing import Choice, numbers_up_to
from harness.running.workers.messages import Left, Rehearse, Rehearsed
from harness.running.workers.pool import WorkerPool
from harness.running.workers.transport import Transport

SECONDS = 1.0  # of steps, for each arm; less where there are many
IN_ALL = 30.0  # seconds of steps, for all arms
PATIENCE = 120.0  # seconds, for workers to begin or to answer
IN_THIS_PROCESS = "try --set train.executor=inprocess, which has no workers"
SHARED = 0.16  # what each worker adds that only measures, beside others on one GPU: eight were 2.1 times as fast as one


@dataclass(frozen=True)
class Pace:
    """How runs are carried out."""

    workers: int = 1
    places: int = 1  # of each worker
    measuring: int = 1  # workers, while late probes measure, each as fast as one alone
    opening: float = 0.0  # seconds until the workers take jobs
    steps: Mapping[str, float] = field(default_factory=dict)  # by arm, of one run: seconds, while all places are taken
    alone: Mapping[str, float] = field(default_factory=dict)  # of one of the arms, while the run is the only one

    @property
    def slowdown(self) -> float:
        """How many times as long anything takes while all workers are at work, at least 1."""
        return max([1.0, *(self.steps[arm] / seconds for arm, seconds in self.alone.items())])

    @property
    def slots(self) -> int:
        """How many runs are carried out at once."""
        return self.workers * self.places


def pace_of(executor: Executor, bench: Bench, runs: Mapping[str, Run]) -> Pace:
    """Return the pace of an executor with these runs, one of each arm; one at a time where it has no pool of workers."""
    began = time.monotonic()
    with Boundary("executor", executor.name, "build"):
        running = executor.build(bench, **executor.options)
    if not isinstance(running, WorkerPool):
        getattr(running, "close", lambda: None)()
        return Pace()
    try:
        transport, workers, places = running.staff
        only_measure = running.workers - workers  # workers that take no runs
        await_workers(transport, workers)
        opening = time.monotonic() - began
        timing = _Timing(transport, workers)
        first = next(iter(runs.values()))
        if bench.staffing.crew == 0 and places > 1:
            places = timing.choose_places(first, places)
        elif bench.staffing.workers == 0 and places == 1:
            workers = timing.choose_workers(first)
        seconds = max(SHORT, min(SECONDS, IN_ALL / len(runs)))
        together = {arm: timing.rate(run, workers, places, seconds) for arm, run in runs.items()}
        sound = [arm for arm, rate in together.items() if rate][:1]
        alone = {arm: timing.rate(runs[arm], 1, 1, seconds) for arm in sound}
    finally:
        running.close()
    slots = workers * places
    return Pace(
        workers,
        places,
        workers + round(SHARED * only_measure),
        opening,
        {arm: slots / rate for arm, rate in together.items() if rate},
        {arm: 1 / rate for arm, rate in alone.items() if rate},
    )


def await_workers(transport: Transport, workers: int) -> None:
    """Wait until all workers take jobs; raises PluginError where one ends before."""
    ready: set[int] = set()
    until = time.monotonic() + PATIENCE
    while len(ready) < workers:
        for worker, message in transport.receive(1.0):
            if isinstance(message, Left):
                last = (message.last_words.strip().splitlines() or ["it said nothing"])[-1]
                raise PluginError(
                    f"train.executor: must start its workers, got {message.reason}: {last}; {IN_THIS_PROCESS}"
                )
            ready.add(worker)
        if time.monotonic() > until:
            raise PluginError(
                f"train.executor: must start its workers, got none ready within {PATIENCE:.0f} s; {IN_THIS_PROCESS}"
            )


@dataclass
class _Timing:
    """Workers that are ready, and rehearse."""

    transport: Transport
    workers: int

    def choose_workers(self, run: Run) -> int:
        """Return how many workers raise the throughput, as the pool chooses them."""
        choice = Choice(self.workers)
        while (number := choice.next) is not None:
            choice.take(number, self.rate(run, number, 1, SHORT))
        return choice.chosen

    def choose_places(self, run: Run, most: int) -> int:
        """Return how many runs side by side raise the throughput of a worker, as the pool chooses them."""
        (rates,) = self._ask(run, 1, numbers_up_to(most), SHORT)
        choice = Choice(most)
        for number, rate in rates.items():
            choice.take(number, rate)
        return choice.chosen if rates else 1

    def rate(self, run: Run, workers: int, places: int, seconds: float) -> float:
        """Return the steps a second of so many workers together; 0 where the run fails."""
        return sum(rates.get(places, 0.0) for rates in self._ask(run, workers, [places], seconds))

    def _ask(self, run: Run, workers: int, numbers: Sequence[int], seconds: float) -> list[Mapping[int, float]]:
        """Have so many workers rehearse at the same time; return the rates of each, none of one that ends."""
        for worker in range(workers):
            self.transport.send(worker, Rehearse(run, numbers, seconds))
        rates: dict[int, Mapping[int, float]] = {}
        until = time.monotonic() + PATIENCE
        while len(rates) < workers and time.monotonic() < until:
            for worker, message in self.transport.receive(1.0):
                if isinstance(message, Rehearsed | Left):
                    rates[worker] = message.rates if isinstance(message, Rehearsed) else {}
        return [rates.get(worker, {}) for worker in range(workers)]
