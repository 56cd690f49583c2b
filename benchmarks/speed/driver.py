"""Measure what an event costs the driver, with workers that are only simulated.

    python benchmarks/speed/driver.py [--trials 100 1000 10000] [--workers 500] [--sampler tpe] [--profile FILE]

The executor of this script has so many workers. They train nothing: each returns an epoch with made-up scores at once, all in
turn. Everything else is as in a search of five arms: the sampler asks, every event is written to ``run.db``, the progress
is counted, the trials are told. The script prints the processor's milliseconds for each event, for the whole search and
for its last tenth, and apart from them those inside Optuna. Optuna's cost grows with the number of trials, because its sampler
looks at all trials of a search whenever it is asked. 500 workers with an epoch a second keep one driver half busy where
an event takes 1 ms.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import resource
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import wraps
from pathlib import Path
from typing import Any

from harness import Done, Epoch, Event, Executor, Run, Workbench
from harness.console.progress import Reporter
from harness.plugin.runs import digest
from harness.records import Store
from harness.running import driver as drivers
from harness.running.description import describe_run
from harness.running.prepare import Prepared, Request, prepare
from harness.running.search import trials as searching
from harness.running.search.optuna_study import OptunaStudy
from harness.running.session import Session

EPOCHS = 8  # of every trial
ARMS = ("sgd", "adam", "rmsprop", "nadam", "adagrad")
FILE = f"""
name = "driver"
[data]
size = 16
options = {{ train = 64, tune = 32, test = 64 }}
[train]
optimizers = {list(ARMS)}
executor = "inprocess"
precision = "fp32"
threads = 1
[search]
epochs = [{EPOCHS}]
pruner = "none"
"""


class Simulated:
    """An executor whose workers return their epochs at once, all in turn."""

    isolated = True

    def __init__(self, workbench: Workbench, workers: int) -> None:
        self.room = workers
        self._under_way: deque[tuple[Run, int]] = deque()

    def submit(self, jobs: Sequence[Run]) -> None:
        """Take the runs."""
        self._under_way.extend((run, 1) for run in jobs)

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield an epoch of each run in turn."""
        while self._under_way:
            run, number = self._under_way.popleft()
            metrics = {
                "running_loss": 0.5,
                "tune_accuracy": _score(run, number),
                "tune_loss": 1 - _score(run, number),
                "tune_error": 0.1,
            }
            yield run.id, Epoch(number, 18 * number, 0.1 * number, 0.01, metrics)
            if number == run.epochs:
                yield run.id, Done(metrics)
            else:
                self._under_way.append((run, number + 1))

    def stop(self, run_id: str) -> None:
        """End a run now."""


def _score(run: Run, epoch: int) -> float:
    return int(digest([run.id, epoch])[:6], 16) / 0xFFFFFF


class Stopwatch:
    """The processor's time inside some functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, which is timed now."""

        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.process_time() - start

        return timed


def opened(folder: Path, trials: int, workers: int, sampler: str) -> Prepared:
    """Return a benchmark with the simulated executor, opened."""
    file = folder / "driver.toml"
    file.write_text(FILE)
    overrides = (
        f"search.trials={trials // len(ARMS)}", f"search.sampler='{sampler}'", f"search.together={workers // len(ARMS)}"
    )  # fmt: skip
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        setting = prepare(Request(file, out=folder, overrides=overrides, only_search=True), Reporter())
    executor = Executor("simulated", build=Simulated, options={"workers": workers})
    object.__setattr__(setting.plan, "executor", executor)
    return setting


def measure(folder: Path, trials: int, workers: int, sampler: str, profile: str) -> str:
    """Return a line on a search of so many trials."""
    optuna = Stopwatch()
    for owner, names in ((OptunaStudy, ("prepare", "ask", "end", "decide")), (searching, ("write_study",))):
        for name in names:
            setattr(owner, name, optuna.around(getattr(owner, name)))
    setting = opened(folder, trials, workers, sampler)
    marks: list[tuple[float, float]] = []  # of the processor after each event, in all and inside Optuna
    with Store(folder / "records") as store, Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        describe_run(store, setting)
        driver = drivers.Driver(setting, Session.alone(setting, store, Reporter()), only_search=True).go_on_to(1)
        append = store.append

        def marked(*arguments: Any) -> None:
            append(*arguments)
            marks.append((time.process_time(), optuna.seconds))

        store.append = marked  # type: ignore[method-assign]
        profiler = cProfile.Profile(time.process_time)
        optuna.seconds, start = 0.0, time.process_time()
        if profile:
            profiler.enable()
        driver.drive()
        profiler.disable()
        marks.append((time.process_time(), optuna.seconds))
    if profile:
        profiler.dump_stats(profile)
    events = len(marks) - 1
    last = events // 10
    whole = 1000 * (marks[-1][0] - start - marks[-1][1]) / events
    (from_, inside_from), (to, inside_to) = marks[-2 - last], marks[-2]
    at_end = 1000 * (to - from_ - (inside_to - inside_from)) / last
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{trials:7,} trials, {events:7,} events, {workers} workers: {whole:.3f} ms an event, {at_end:.3f} in the last tenth; "
        f"inside Optuna ({sampler}) {1000 * marks[-1][1] / trials:.1f} ms a trial; {memory:,.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--workers", type=int, default=500)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--profile", default="")
    arguments = parser.parse_args()
    for trials in arguments.trials:
        with tempfile.TemporaryDirectory() as folder:
            child = os.fork()  # so that the memory and the caches of one search are not those of the next
            if not child:
                line = measure(Path(folder), trials, arguments.workers, arguments.sampler, arguments.profile)
                print(line, flush=True)
                os._exit(0)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main()
