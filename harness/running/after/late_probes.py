"""Late probes: what is measured on the solutions once the comparison is over, one by one, in pairs or in threes.

Measurements are jobs for the executor, as runs are: several are made at a time where there are several workers. What is
measured does not depend on that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.console.progress import Reporter, Watch
from harness.errors import PluginError
from harness.plugin.runs import Event, Job
from harness.records import Store, schema
from harness.running.after.probe_work import work_of
from harness.running.after.probing import Probing
from harness.running.event_loop import EventLoop
from harness.running.executor import GuardedExecutor
from harness.running.reuse import EarlierRuns
from harness.running.time_limit import TimeLimit, limit_of


def measure_solutions(
    setting: Setting,
    comparison: Sequence[ComparisonRun],
    store: Store,
    reporter: Reporter,
    executor: Callable[[], GuardedExecutor],
    limit: TimeLimit | None = None,
) -> list[str]:
    """Carry out every probe; return a line for each that failed. What a time limit leaves out is no failure."""
    at_work = _probings(setting, _ended(comparison, store), store, reporter, limit)
    _expect(at_work)
    if any(probing.has_work for probing in at_work):
        with reporter.during("measuring the solutions"):
            _measure(at_work, store, reporter, executor())
    failures = [line for probing in at_work for line in probing.end()]
    notes = store.noted("probes") or {}
    store.note("probes", {probe.name: notes[probe.name] for probe in setting.plan.probes})
    return failures


def expect_measurements(
    setting: Setting, comparison: Sequence[ComparisonRun], store: Store, reporter: Reporter, ended: bool
) -> int:
    """Note how many measurements are left, for the console and for ``harness status``; return how many.

    Only runs of the comparison that ended well count once it is over; before that all that are planned.
    """
    runs = _ended(comparison, store) if ended else comparison
    return _expect(_probings(setting, runs, store, reporter))


def _expect(probings: Sequence[Probing]) -> int:
    for probing in probings:
        probing.expect()
    if probings:
        counts = {probing.probe.name: len(probing.work.wanted) for probing in probings}
        probings[0].store.note("measurements", counts)
    return sum(probing.left for probing in probings)


def _ended(comparison: Sequence[ComparisonRun], store: Store) -> list[ComparisonRun]:
    """Return the runs of the comparison that ended well."""
    return [planned for planned in comparison if (store.run(planned.run.id) or {}).get("state") == schema.DONE]


def _probings(
    setting: Setting, runs: Sequence[ComparisonRun], store: Store, reporter: Reporter, limit: TimeLimit | None = None
) -> list[Probing]:
    """Return the work of every probe."""
    limit = limit or TimeLimit(limit_of(setting.plan.benchmark), store)
    works = [(probe, work_of(probe, setting, runs)) for probe in setting.plan.probes]
    return [Probing(probe, setting, work, store, reporter, limit) for probe, work in works]


def _measure(at_work: Sequence[Probing], store: Store, reporter: Reporter, executor: GuardedExecutor) -> None:
    """Have the executor make the measurements of all probes; a probe with few of them comes before the others."""
    for probing in at_work:
        probing.begin(lambda: executor.workers)
    phases = sorted(at_work, key=lambda probing: len(probing.work.wanted))
    with Watch(reporter) as watch:

        def happened(job: Job | None, event: Event | None) -> None:
            watch.happened(loop.describe_under_way)

        loop = EventLoop(executor, phases, store, reporter, EarlierRuns(), after_event=happened)
        loop.carry_out()
    if left := sum(len(probing.handed_out) for probing in at_work):
        raise PluginError(
            f"executor '{executor.name}': must carry out every measurement that it is given, got {left} left over"
        )
