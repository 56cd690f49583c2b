"""A whole benchmark: prepare, tune, compare, measure and report; the same call again goes on where it was left."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from harness.console.numbers import counted, measure
from harness.console.progress import Reporter
from harness.console.safe_text import impersonal
from harness.errors import printable
from harness.plugin.contracts import Results
from harness.plugin.process_settings import take_notes
from harness.plugin.registry import Registry
from harness.records import Store
from harness.records.files import check_out_folder
from harness.results.reports import Written, write_reports
from harness.run.after.collect import collect
from harness.run.after.imported import imported_runs
from harness.run.after.late_probes import expect_measurements
from harness.run.after.probe_costs import foretell, planned_cells
from harness.run.baseline import bring_in
from harness.run.description import describe_run
from harness.run.disk_space import naming_need, room_for, warning
from harness.run.driver import Driver, open_executor
from harness.run.executor import GuardedExecutor
from harness.run.forecast.timing import SECONDS_OF_REPORT
from harness.run.prepare import Prepared, Request, prepare
from harness.run.reuse import EarlierRuns, earlier_runs, reusable_folders
from harness.run.search.centring import centre
from harness.run.search.extension import ROUNDS, extend, extended
from harness.training import device


def run(
    request: Request,
    reporter: Reporter,
    command: Sequence[str] = (),
    closing: Callable[[Results, Registry, float], Sequence[str]] | None = None,
    opened: Callable[[str], object] = lambda folder_name: None,
) -> int:
    """Carry out a benchmark and write its reports; return 0, or 1 where a run, a measurement, an analysis or a report failed.

    ``closing`` makes the last lines from the results, the plugins and the seconds it all took. ``opened`` is called with the
    name of the run folder when nothing more can be wrong with the input.
    """
    began = time.monotonic()
    check_out_folder(request.out)
    reusable_folders(request.out, request.reuse, request.no_reuse)  # refuses a wrong --reuse before anything is opened
    setting = prepare(request, reporter, journal=True)
    with contextlib.closing(setting.attempts):
        opened(setting.folder_name)
        failures, written = _run_in_folder(setting, request, reporter, command)
    failures += [*written.failures, *take_notes()]  # a report may have changed settings too
    for line in failures:
        reporter.say(f"warning: {line}", style="yellow")
    for line in closing(written.results, setting.registry, time.monotonic() - began) if closing else ():
        reporter.say(line)
    for path in written.files:
        reporter.say(f"report: {path}")
    return 1 if failures else 0


def _run_in_folder(
    setting: Prepared, request: Request, reporter: Reporter, command: Sequence[str]
) -> tuple[list[str], Written]:
    """Carry the benchmark out in its run folder; return a line for whatever went wrong, and the reports."""
    folder = request.place / setting.folder_name
    earlier = earlier_runs(setting, folder, reusable_folders(request.out, request.reuse, request.no_reuse))
    with (
        naming_need(setting, folder),
        Store(folder, lambda line: reporter.say(f"warning: {line}", style="yellow"), setting.attempts) as store,
        contextlib.ExitStack() as closing,
    ):
        executor = _executor_of(setting, store, closing)
        centred = centre(setting, store, reporter)
        for rounds_left in range(ROUNDS if request.extend else 0, -1, -1):
            setting = extended(centred, store)
            failures = _carry_out(setting, request, store, reporter, command, earlier, executor)
            if not request.extend or not _extend(setting, store, rounds_left, reporter):
                break
    return failures, write_reports(
        folder, setting.plan.benchmark.report.formats, setting.registry, attempts=setting.attempts
    )


def _executor_of(setting: Prepared, store: Store, closing: contextlib.ExitStack) -> Callable[[], GuardedExecutor]:
    """Return the function that opens the executor, once for everything. It is open already where there is work for it."""

    @cache
    def opened() -> GuardedExecutor:
        return closing.enter_context(contextlib.closing(open_executor(setting, store, setting.registry)))

    if store.has_work():
        opened()  # its workers open the benchmark while this process prepares the search
    return opened


def _extend(setting: Prepared, store: Store, rounds_left: int, reporter: Reporter) -> bool:
    """Extend the searches that raised an alarm; return whether there is more to do."""
    more, lines = extend(setting, store, rounds_left)
    for line in lines:
        reporter.say(line, style="bold")
    return more


def _carry_out(
    setting: Prepared, request: Request, store: Store, reporter: Reporter, command: Sequence[str], earlier: EarlierRuns,
    executor: Callable[[], GuardedExecutor],
) -> list[str]:  # fmt: skip
    """Carry out what is left of the benchmark; return a line for whatever went wrong."""
    store.restore()
    describe_run(store, setting)
    if line := _unequal_classes_line(store.noted("constant")):
        reporter.say(line, style="yellow")
    bring_in(setting.imported, store)
    driver = Driver(setting, store, reporter, request.only_search, earlier, executor).open()
    measurements = _expect(setting, driver, store, reporter)
    if driver.left():
        _announce(setting, driver, store, reporter, command)
        driver.drive()
    elif measurements:
        reporter.say(f"{counted(measurements, 'measurement')} to make, into {store.folder}")
    else:
        reason = "its search is finished" if request.only_search else "it is finished"
        reporter.say(f"nothing left to do in {store.folder}: {reason}")
    for line in driver.undefined():
        reporter.say(f"note: {line}")
    failures = driver.failures() + collect(setting, driver, store, setting.registry, reporter)
    store.note_changes(take_notes())
    return failures + store.changes()


def _expect(setting: Prepared, driver: Driver, store: Store, reporter: Reporter) -> int:
    """Note what comes after the trainings; return how many measurements are left."""
    if "html" in setting.plan.benchmark.report.formats:
        reporter.ahead.expect("report", 1, SECONDS_OF_REPORT)
    if driver.only_search:
        return 0
    runs = driver.comparison if driver.compared else planned_cells(setting)
    return expect_measurements(setting, [*runs, *imported_runs(setting, store)], store, reporter, driver.compared)


def _announce(setting: Prepared, driver: Driver, store: Store, reporter: Reporter, command: Sequence[str]) -> None:
    """Write down where and how the work is done, and say how much of it there is and what may be in its way."""
    environment = device.environment(setting.device)
    store.work_begins(environment, [impersonal(printable(word)) for word in command])
    precision = setting.precision_of(setting.plan.competitors[0].arm)  # all arms of a benchmark have a head, or none
    machine = f"{environment['hardware']['device']} ({precision}, {counted(setting.device.threads, 'thread')})"
    reporter.say(f"{counted(driver.left(), 'run')} to do on {machine}, into {store.folder}")
    if busy := device.contention(setting.device):
        reporter.say(f"warning: {busy}", style="yellow")
    if little_room := warning(room_for(setting), store.folder):
        reporter.say(f"warning: {little_room}", style="yellow")
    if not driver.only_search and not driver.compared:
        for line in foretell(setting, command):
            reporter.say(line)


def _unequal_classes_line(constant: Mapping[str, Any]) -> str:
    """Return in a line what the largest class alone scores, where classes are unequal; else ""."""
    score = constant.get("scores", {}).get("test", {}).get("accuracy", {}).get("score")
    if not constant["unequal"] or score is None:
        return ""
    return (
        f"note: classes are unequal: always answering '{constant['answer']}' gives a test accuracy of {measure(score, '%')}; "
        'compare.metric = "balanced_accuracy" counts every class alike'
    )
