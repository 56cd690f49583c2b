"""The driver: made without a side effect, opened where the folder was left, its phases one after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.console.progress import Reporter
from harness.plugin.runs import Done, Epoch, Failed, State
from harness.records import Store
from harness.running.driver import Driver
from harness.running.event_loop import EventLoop
from harness.running.forecast.timing import SECONDS_OF_REPORT
from harness.running.prepare import Request, prepare
from harness.running.reuse import EarlierRuns
from harness.running.session import Session
from harness.running.time_limit import TimeLimit


@pytest.fixture
def said(monkeypatch):
    """Return a list that fills with the lines of the console."""
    lines: list[str] = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: lines.append(text))
    return lines


@pytest.fixture
def opened(benchmark_file, tmp_path, said):
    """Return a driver that is not open yet, and its store."""
    small = (("trials = 3", "trials = 1"), ("seeds = 2", "seeds = 1"), ("looks = [1]", "looks = [1, 2]"))
    setting = prepare(Request(benchmark_file(*small)), Reporter())
    said.clear()
    with Store(tmp_path / "run") as store:
        store.note("arms", [competitor.name for competitor in setting.plan.competitors])
        before = store.db.total_changes
        driver = Driver(setting, Session.alone(setting, store, Reporter()))
        assert store.db.total_changes == before  # nothing is written before it goes on
        assert said == []
        yield driver.go_on_to(1), store


class Made:
    """An executor that trains nothing: every run ends well after one epoch."""

    name = "made"
    room = 1
    line = ""

    def new_line(self):
        return ""

    def __init__(self):
        self.runs = []
        self.order = []

    def submit(self, runs):
        self.runs += runs

    def stop(self, run_id):
        raise AssertionError("nothing is stopped here")

    def events(self):
        while self.runs:
            run = self.runs.pop(0)
            self.order.append(run)
            metrics = {"tune_loss": 0.5, "tune_accuracy": 0.5, "test_accuracy": 0.5}
            yield run.id, Epoch(1, 1, 0.1, 0.1, metrics, lambda: State({}, {}))
            yield "unknown", Done(metrics)  # of no run that is under way: it is passed over
            yield run.id, Done(metrics)


def test_a_phase_has_no_run_before_the_one_before_it_has_ended(opened):
    driver, store = opened
    (retrain,) = driver.retrains
    assert (retrain.next(), driver.restart.next()) == (None, None)
    assert driver.left() == 2 + 4 + 2  # a trial of each arm, a seed and its untuned control, a restart
    assert (retrain.entered, driver.comparison) == (False, [])
    executor, events = Made(), []
    loop = EventLoop(
        executor, driver.phases, store, Reporter(), EarlierRuns(), after_event=lambda run, event: events.append(event)
    )
    loop.carry_out()
    kinds = ["restart" if run.follows else run.phase for run in executor.order]
    assert kinds == ["search"] * 2 + ["compare"] * 4 + ["restart"] * 2
    assert (driver.left(), driver.compared, loop.under_way, loop.taken) == (0, True, {}, 0)
    assert events[0] is None
    assert len(events) == 1 + 2 * len(kinds)  # an epoch and an end of each
    assert [entry.role for entry in driver.comparison] == ["fresh"] * 2 + ["untuned"] * 2 + ["restart"] * 2


def test_an_opened_driver_goes_on_where_the_folder_was_left(opened):
    driver, store = opened
    EventLoop(Made(), driver.phases[:1], store, Reporter(), EarlierRuns()).carry_out()
    again = Driver(driver.setting, Session.alone(driver.setting, store, Reporter())).go_on_to(1)
    assert again.tunes[0].finished
    assert again.retrains[0].entered  # all searches had ended
    assert again.left() == 4 + 2
    only_search = Driver(driver.setting, Session.alone(driver.setting, store, Reporter()), only_search=True).go_on_to(1)
    assert (only_search.left(), only_search.compared) == (0, False)


def test_epochs_that_are_left_count_each_run_once(opened):
    """Of two searches with one trial of one or two epochs each, then four runs of two epochs and two restarts."""
    driver, store = opened
    executor, left = Made(), []
    executor.room = 2
    loop = EventLoop(
        executor, driver.phases, store, Reporter(), EarlierRuns(),
        after_event=lambda run, event: left.append(driver._epochs_left(loop)),
    )  # fmt: skip
    loop.carry_out()
    searched = sum(run.epochs for run in executor.order if run.phase == "search")
    assert left[0] == searched + 4 * 2 + 2 * 1
    assert left[-1] == 0
    assert left == sorted(left, reverse=True)


def kinds_of(runs, setting):
    """Return what the runs are and of which replicate, in their order."""
    kinds = []
    for run in runs:
        if run.phase == "search":
            seeds = {
                setting.search_run(arm, {"epochs": 1}, r).init_seed: r
                for arm in setting.plan.competitors
                for r in range(3)
            }
            kinds.append(("search", seeds.get(run.init_seed)))  # a confirmation has a seed of its own
        else:
            kinds.append(("restart" if run.follows else "compare", setting.replicate_of(run.init_seed)))
    return kinds


def test_the_phases_of_a_replicate_come_before_those_of_the_next_one(opened):
    """Wherever it is stopped, all arms have equal replicates but for the one under way."""
    driver, store = opened
    executor = Made()
    driver.go_on_to(2)
    EventLoop(executor, driver.phases, store, Reporter(), EarlierRuns()).carry_out()
    kinds = kinds_of(executor.order, driver.setting)
    assert kinds == [
        *[("search", 0)] * 2, *[("compare", 0)] * 4, *[("search", 1)] * 2, *[("compare", 1)] * 2, *[("restart", 0)] * 2,
    ]  # fmt: skip


def test_a_later_replicate_keeps_workers_busy_where_an_earlier_one_has_nothing_for_them(opened):
    driver, store = opened
    executor = Made()
    executor.room = 8
    driver.go_on_to(2)
    EventLoop(executor, driver.phases, store, Reporter(), EarlierRuns()).carry_out()
    assert kinds_of(executor.order, driver.setting)[:4] == [*[("search", 0)] * 2, *[("search", 1)] * 2]


def test_what_was_entered_first_does_not_decide_the_order_of_the_comparison(opened):
    driver, store = opened
    driver.go_on_to(2)
    searches = list(reversed(driver.tunes))
    EventLoop(Made(), searches, store, Reporter(), EarlierRuns()).carry_out()
    for retrain in reversed(driver.retrains):
        retrain.enter()
    assert [entry.replicate for entry in driver.comparison] == [0] * 4 + [1] * 2
    assert [entry["replicate"] for entry in store.noted("comparison")] == [0] * 4 + [1] * 2


def test_replicates_are_appended_to_a_driver_and_restarts_are_made_once(opened):
    driver, store = opened
    first, second = Made(), Made()
    EventLoop(first, driver.phases, store, Reporter(), EarlierRuns()).carry_out()
    assert (driver.left(), driver.compared) == (0, True)
    driver.go_on_to(2)
    assert (driver.left(), driver.compared) == (2 + 2, False)
    EventLoop(second, driver.phases, store, Reporter(), EarlierRuns()).carry_out()
    assert kinds_of(second.order, driver.setting) == [*[("search", 1)] * 2, *[("compare", 1)] * 2]
    assert driver.compared
    assert [entry.role for entry in driver.comparison][-2:] == ["restart"] * 2


def limited(opened, seconds, replicates=2, executor=Made, **more):
    """Return a driver under a time limit, whose clock ticks once an epoch, and its runs in their order."""
    driver, store = opened
    limit = TimeLimit(seconds + SECONDS_OF_REPORT, store, 0.0, clock=lambda: float(store.epochs_trained()))
    session = Session.alone(driver.setting, store, Reporter())
    new = Driver(driver.setting, replace(session, limit=limit), **more).go_on_to(replicates)
    executor = executor()

    def happened(run, event):
        if isinstance(event, Epoch):
            limit.throughput.epoch_ended(run.id, event.number, 1)
        elif run is not None and event.ends_run:
            limit.throughput.run_ended(run.id)

    limit.work_begins()
    EventLoop(executor, new.phases, store, Reporter(), EarlierRuns(), after_event=happened).carry_out()
    limit.write()
    return new, kinds_of(executor.order, driver.setting)


def test_a_replicate_that_does_not_fit_is_put_off_and_leaves_nothing_to_do(opened):
    new, kinds = limited(opened, 12)
    assert {replicate for _, replicate in kinds} == {0}
    assert (new.left(), new.put_off, new.compared) == (0, 1, True)
    again, kinds = limited(opened, 12)
    assert (kinds, again.left(), again.put_off, again.compared) == ([], 0, 1, True)
    more, kinds = limited(opened, 1000)
    assert {replicate for kind, replicate in kinds if kind != "restart"} == {1}
    assert (more.left(), more.put_off, more.compared) == (0, 0, True)


def test_without_time_nothing_begins(opened):
    new, kinds = limited(opened, -SECONDS_OF_REPORT - 1)
    assert kinds == []
    assert (new.left(), new.put_off, new.compared) == (0, 2, False)


def test_what_a_measurement_takes_counts(opened):
    new, kinds = limited(opened, 60, measuring=lambda replicates: 40.0 * replicates)
    assert {replicate for _, replicate in kinds} == {0}
    assert new.put_off == 1


class Whole(Made):
    """An executor whose runs end well after all their epochs."""

    def events(self):
        while self.runs:
            run = self.runs.pop(0)
            self.order.append(run)
            metrics = {"tune_loss": 0.5, "tune_accuracy": 0.5, "test_accuracy": 0.5}
            for number in range(1, run.epochs + 1):
                yield run.id, Epoch(number, number, 0.1, 0.1, metrics, lambda: State({}, {}))
            yield run.id, Done(metrics)


@pytest.mark.parametrize(
    ("seconds", "trials", "compared", "left_out"),
    [
        (12, 2, 0, 0),  # the smallest comparison does not fit: two trials of 4 epochs, and then two runs of 8
        (18.5, 2, 2, 4 + 2),  # its training does, and the report is late
        (24, 2, 2, 4 + 2),  # it does, and neither the second seed nor the untuned defaults nor the restarts
        (40, 2, 4, 2 + 2),
        (60, 2, 6, 0),
        (105, 4, 6, 0),  # a second trial of both searches, and two confirmations of each
        (1000, 6, 6, 0),
    ],
)
def test_the_smallest_complete_run_comes_first_and_what_is_left_goes_into_more(
    benchmark_file, tmp_path, said, seconds, trials, compared, left_out
):
    """The clock ticks once an epoch."""
    sizes = ("epochs = [1, 2]", "epochs = [4]"), ("epochs = 2", "epochs = 8"), ("confirm = 0", "confirm = 2")
    file = benchmark_file(*sizes, ("seeds = 2", "seeds = 2\nuntuned = 1"))
    setting = prepare(Request(file), Reporter())
    with Store(tmp_path / "run") as store:
        store.note("arms", [competitor.name for competitor in setting.plan.competitors])
        said.clear()
        new, kinds = limited(
            (Driver(setting, Session.alone(setting, store, Reporter())), store), seconds, replicates=1, executor=Whole
        )
        kinds = [kind for kind, _ in kinds]
        confirmations = 4 if trials > 2 else 0
        assert (kinds.count("search"), kinds.count("compare"), new.left_out) == (
            trials + confirmations,
            compared,
            left_out,
        )
        assert kinds.count("restart") == (2 if compared and not left_out else 0)
        assert (new.left(), new.put_off, new.compared) == (0, 0 if compared else 1, bool(compared))
        assert store.epochs_trained() <= seconds + SECONDS_OF_REPORT
        warnings = [line for line in said if "too short" in line]
        assert len(warnings) == (0 if compared else 1), said
        again, kinds = limited(
            (new, store), 10_000, replicates=1, executor=Whole
        )  # more time goes on with what is missing
        assert (again.left_out, again.compared, store.epochs_trained()) == (0, True, 6 * 4 + 4 * 8 + 6 * 8 + 2 * 2)


class Failing(Made):
    """An executor whose comparison runs of seed 0 fail."""

    def events(self):
        while self.runs:
            run = self.runs.pop(0)
            self.order.append(run)
            metrics = {"tune_loss": 0.5, "tune_accuracy": 0.5, "test_accuracy": 0.5}
            fails = run.phase == "compare" and run.init_seed == 0
            yield run.id, Failed("error", "not today") if fails else Done(metrics)


def test_a_failed_run_is_tried_again_by_the_next_call_and_not_at_the_next_look(opened):
    """A look must not see other results of earlier replicates than the look before it has seen."""
    driver, store = opened
    EventLoop(Failing(), driver.phases, store, Reporter(), EarlierRuns()).carry_out()
    driver.go_on_to(2)
    second = Failing()
    EventLoop(second, driver.phases, store, Reporter(), EarlierRuns()).carry_out()
    assert {replicate for _, replicate in kinds_of(second.order, driver.setting)} == {1}
    again = Driver(driver.setting, Session.alone(driver.setting, store, Reporter())).go_on_to(2)
    third = Made()
    EventLoop(third, again.phases, store, Reporter(), EarlierRuns()).carry_out()
    assert kinds_of(third.order, driver.setting)[:4] == [("compare", 0)] * 4
