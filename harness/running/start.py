"""A whole benchmark: prepare, tune, compare, measure and report; the same call again goes on where it was left."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from harness.benchmark.lines import refusal
from harness.benchmark.sections import as_plain
from harness.console.columns import folded
from harness.console.numbers import duration, measure
from harness.console.progress import Reporter, Watch
from harness.models.choice import model_line
from harness.plugin.contracts import Results
from harness.plugin.process_settings import take_notes
from harness.plugin.registry import Registry
from harness.plugin.runs import full_arm_name
from harness.records import Store
from harness.records.files import check_out_folder
from harness.results.reports import Written, write_reports
from harness.running.after.collect import collect
from harness.running.after.refit import refit
from harness.running.baseline import bring_in
from harness.running.campaign import Campaign
from harness.running.description import describe_run
from harness.running.disk_space import naming_need
from harness.running.executor import GuardedExecutor
from harness.running.forecast.ending import Ending
from harness.running.listening.audience import Audience
from harness.running.listening.last_words import last_occurrences
from harness.running.prepare import Prepared, Request, prepare
from harness.running.reuse import earlier_runs, not_taken_over, reusable_folders, unusable
from harness.running.search.centring import centre
from harness.running.search.extension import ROUNDS, extend, extended
from harness.running.session import Session, open_executor
from harness.running.time_limit import TimeLimit, limit_of

OPENING = 5.0  # seconds that an executor may take to open without a word
WIDTH = 80  # columns of the lines that a run ends with


def run(
    request: Request,
    reporter: Reporter,
    command: Sequence[str] = (),
    closing: Callable[[Results, Registry], Sequence[str]] | None = None,
    opened: Callable[[str], object] = lambda folder_name: None,
) -> int:
    """Carry out a benchmark and write its reports; return 0, or 1 where a run, a measurement, an analysis or a report failed.

    ``closing`` makes the lines on what came out, from the results and the plugins. ``opened`` is called with the name of the
    run folder when nothing more can be wrong with the input.
    """
    began = request.began or time.monotonic()
    check_out_folder(request.out)
    if request.only_search and request.only_measure:
        raise refusal("--only-search", "not go with --only-measure", "both", "leave one out")
    reusable_folders(request.out, request.reuse, request.no_reuse)  # refuses a wrong --reuse before anything is opened
    setting = prepare(request, reporter, journal=True)
    with contextlib.closing(setting.attempts):
        opened(setting.folder_name)
        failures, written, audience, limit = _run_in_folder(setting, replace(request, began=began), reporter, command)
    failures += [*written.failures, *take_notes()]  # a report may have changed settings too
    announced = set(audience.left_out.values())
    failures = [line for line in failures if line not in announced]
    with reporter.during("summing up what came out"):
        lines = list(closing(written.results, setting.registry)) if closing else []
    for line in lines:
        reporter.say(line)
    if line := model_line(written.results.records) if closing else "":
        for part in folded(line, WIDTH):
            reporter.say(part)
    for line in failures:
        reporter.say(f"warning: {line}", style="yellow")
    folder = written.results.records.folder
    seconds = time.monotonic() - began
    in_all = f" ({duration(seconds + limit.before)} with earlier calls)" if limit.before > 1 else ""
    reporter.say(f"took {duration(seconds)}{in_all}; all details: {shlex.join(['harness', 'show', str(folder)])}")
    for path in written.files:
        reporter.say(f"report: {path}")
    return 1 if failures or audience.failures else 0


def _run_in_folder(
    setting: Prepared, request: Request, reporter: Reporter, command: Sequence[str]
) -> tuple[list[str], Written, Audience, TimeLimit]:
    """Carry the benchmark out in its run folder; return a line for whatever went wrong, the reports, the listeners and the limit."""
    folder = request.place / setting.folder_name
    plan = setting.plan
    with contextlib.ExitStack() as seats:
        audience = Audience(plan.listeners, folder, as_plain(plan.benchmark), setting.registry, reporter.say)
        seats.callback(audience.close)
        failures, limit = _train_in_folder(setting, request, reporter, command, audience)
        with reporter.during("making the tables and the reports"):
            formats = plan.benchmark.report.formats
            written = write_reports(folder, formats, setting.registry, attempts=setting.attempts)
        with reporter.during("telling the listeners"):
            audience.finish(list(last_occurrences(written)))
    if limit.is_set:
        with Store(folder, attempts=setting.attempts) as store:
            limit.run_ended(store)
    return failures, written, audience, limit


def _train_in_folder(
    setting: Prepared, request: Request, reporter: Reporter, command: Sequence[str], audience: Audience
) -> tuple[list[str], TimeLimit]:
    """Do all that is written into the records; return a line for whatever went wrong, and the time limit."""
    folder = request.place / setting.folder_name
    with reporter.during("looking into run folders for runs that are done"):
        places = reusable_folders(request.out, request.reuse, request.no_reuse)
        earlier = earlier_runs(setting, folder, places)
        passed_over = unusable(setting, folder, request.reuse)
        passed_over += not_taken_over(setting, folder, places, setting.plan.benchmark.compare.looks[-1])
    for line in passed_over:
        reporter.say(f"note: {line}")
    with (
        naming_need(setting, folder),
        Store(folder, lambda line: reporter.say(f"warning: {line}", style="yellow"), setting.attempts) as store,
        contextlib.ExitStack() as closing,
    ):
        audience.open()
        executor = _executor_of(setting, store, closing, reporter)
        seconds = None if request.only_measure else limit_of(setting.plan.benchmark)
        ending = Ending(store, len(setting.plan.competitors))
        limit = TimeLimit(seconds, store, request.began, share=request.share, ending=ending.expected)
        closing.callback(limit.write)
        session = Session(store, reporter, earlier, executor, limit)
        centred = centre(setting, store, reporter)
        for rounds_left in range(ROUNDS if request.extend else 0, -1, -1):
            setting = extended(centred, store)
            failures = _carry_out(setting, session, request, command)
            if not request.extend or not _extend(setting, store, rounds_left, reporter):
                break
        audience.catch_up()
        if audience.left_out or store.noted("listeners"):
            store.note("listeners", audience.left_out)
    return failures, limit


def _executor_of(
    setting: Prepared, store: Store, closing: contextlib.ExitStack, reporter: Reporter
) -> Callable[[], GuardedExecutor]:
    """Return the function that opens the executor, once for everything. It is open already where there is work for it."""

    @cache
    def opened() -> GuardedExecutor:
        opening = f"opening the executor '{setting.plan.executor.name}'"
        with (
            reporter.during(opening),
            Watch(reporter, first=OPENING) as watch,
        ):  # a cluster may need long to answer, or to refuse
            watch.happened(lambda: opening)
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


def _carry_out(setting: Prepared, session: Session, request: Request, command: Sequence[str]) -> list[str]:
    """Carry out what is left of the benchmark; return a line for whatever went wrong."""
    store, reporter = session.store, session.reporter
    with reporter.during("preparing the run"):
        store.restore()
        describe_run(store, setting)
        if line := _unequal_classes_line(store.noted("constant")):
            reporter.say(line, style="yellow")
        bring_in(setting.imported, store)
    campaign = Campaign(setting, session, request, command)
    failures = campaign.carry_out()
    session.limit.work_ends()
    for line in campaign.driver.undefined():
        reporter.say(f"note: {line}")
    with reporter.during("recording what the reports need"):
        failures += collect(setting, campaign.driver, store, setting.registry, reporter)
    for arm in _refitted(request, setting) if campaign.driver.compared and not request.only_measure else ():
        failure = refit(setting, campaign.driver, session, arm)
        failures += [failure] if failure else []
    store.note_changes(take_notes())
    return failures + store.changes()


def _refitted(request: Request, setting: Prepared) -> list[str | None]:
    """Return the arms that are trained once more on all data; None is the best one."""
    arms = [competitor.name for competitor in setting.plan.competitors]
    named = list(dict.fromkeys(full_arm_name(name, arms) for name in request.refit_arms))
    return [*([None] if request.refit else []), *named]


def _unequal_classes_line(constant: Mapping[str, Any]) -> str:
    """Return in a line what the largest class alone scores, where classes are unequal; else ""."""
    score = constant.get("scores", {}).get("test", {}).get("accuracy", {}).get("score")
    if not constant["unequal"] or score is None:
        return ""
    return (
        f"note: classes are unequal: always answering '{constant['answer']}' gives a test accuracy of {measure(score, '%')}; "
        'compare.metric = "balanced_accuracy" counts every class alike'
    )
