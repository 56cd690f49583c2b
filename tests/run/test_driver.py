"""The driver: made without a side effect, opened where the folder was left, its phases one after the other."""

from __future__ import annotations

import pytest

from harness.console.progress import Reporter
from harness.plugin.runs import Done, Epoch, State
from harness.records import Store
from harness.run.driver import Driver
from harness.run.event_loop import EventLoop
from harness.run.prepare import Request, prepare
from harness.run.reuse import EarlierRuns


@pytest.fixture
def said(monkeypatch):
    """Return a list that fills with the lines of the console."""
    lines: list[str] = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="": lines.append(text))
    return lines


@pytest.fixture
def opened(benchmark_file, tmp_path, said):
    """Return a driver that is not open yet, and its store."""
    setting = prepare(Request(benchmark_file(("trials = 3", "trials = 1"), ("seeds = 2", "seeds = 1"))), Reporter())
    said.clear()
    with Store(tmp_path / "run") as store:
        store.note("arms", [competitor.name for competitor in setting.plan.competitors])
        before = store.db.total_changes
        driver = Driver(setting, store, Reporter())
        assert store.db.total_changes == before  # nothing is written before it is open
        assert said == []
        yield driver.open(), store


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
    assert (driver.retrain.next(), driver.restart.next()) == (None, None)
    assert driver.left() == 2 + 4 + 2  # a trial of each arm, a seed and its untuned control, a restart
    assert (driver.retrain.entered, driver.comparison) == (False, [])
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
    again = Driver(driver.setting, store, Reporter()).open()
    assert again.tune.finished
    assert again.retrain.entered  # all searches had ended
    assert again.left() == 4
    only_search = Driver(driver.setting, store, Reporter(), only_search=True).open()
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
    assert left[0] == searched + 6 * 2  # restarts count as whole runs, as long as they are not entered
    assert left[-1] == 0
    assert left == sorted(left, reverse=True)
