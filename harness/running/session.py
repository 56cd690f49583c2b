"""What one call of ``harness run`` works with: the records, the console, the executor, and the time that it has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from harness.benchmark.plan import Setting
from harness.console.progress import Reporter
from harness.plugin.contracts import Opening
from harness.plugin.registry import Registry
from harness.records import Store
from harness.running.executor import GuardedExecutor
from harness.running.reuse import EarlierRuns
from harness.running.time_limit import TimeLimit
from harness.running.workbench import Bench
from harness.running.workers.opening import opening_of


@dataclass(frozen=True)
class Session:
    """One call's surroundings. They stay the same while the benchmark goes on, look by look."""

    store: Store
    reporter: Reporter
    earlier: EarlierRuns  # which runs other run folders have
    executor: Callable[[], GuardedExecutor]  # opens it; whoever has made the session closes it
    limit: TimeLimit

    @classmethod
    def alone(cls, setting: Setting, store: Store, reporter: Reporter) -> Session:
        """Return one without a time limit, without other run folders, and without workers."""
        return cls(store, reporter, EarlierRuns(), partial(open_executor, setting, store), TimeLimit(None, store))


def open_executor(setting: Setting, store: Store, registry: Registry | None = None) -> GuardedExecutor:
    """Return the executor of a benchmark, ready for work; it has workers only where the plugins are given."""

    def opening() -> Opening:
        assert registry is not None
        return opening_of(setting, registry, bench.staffing, sys.path)

    bench = Bench(setting, store.state, store.solution, store.folder, None if registry is None else opening)
    return GuardedExecutor(setting.plan.executor, bench, store.attempts)
