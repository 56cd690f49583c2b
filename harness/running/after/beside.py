"""Runs beside the comparison: trained with the same executor, recorded like all runs, and never compared."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from harness.benchmark.plan import Setting
from harness.console.numbers import counted
from harness.console.progress import Reporter
from harness.plugin.runs import Run
from harness.records import Store, schema
from harness.running.event_loop import EventLoop, Unpruned
from harness.running.executor import GuardedExecutor
from harness.running.reuse import EarlierRuns
from harness.training.device import environment


class _Beside(Unpruned):
    """The phase that trains the runs which are not done yet."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._waiting = deque(runs)

    def next(self) -> Run | None:
        """Return the next run."""
        return self._waiting.popleft() if self._waiting else None

    def ended(self, run: Run) -> None:
        """Take no note: the records have it all."""


def train_beside(
    setting: Setting, runs: Sequence[Run], store: Store, reporter: Reporter, earlier: EarlierRuns,
    executor: Callable[[], GuardedExecutor], keep_weights: bool,
) -> None:  # fmt: skip
    """Carry out those of the runs that are not done yet, their weights kept or not."""
    store.add_runs(runs, str(environment(setting.device)["hash"]))
    store.restore([run.id for run in runs])
    waiting = [run for run in runs if not is_done(store, run.id)]
    for run in waiting:  # one that failed before is tried again
        store.reopen(run.id)
    with reporter.during(f"training {counted(len(waiting), 'network')} beside the comparison"):
        loop = EventLoop(executor(), [_Beside(waiting)], store, reporter, earlier, keep_weights=keep_weights)
        loop.carry_out()
    if loop.taken:
        reporter.say(f"{loop.taken} of {counted(len(runs), 'run')} were trained before, in another run folder")


def is_done(store: Store, run_id: str) -> bool:
    """Return whether a run has ended well and its predictions are there."""
    row = store.run(run_id)
    return row is not None and row["state"] == schema.DONE and schema.prediction(store.folder, run_id).is_file()
