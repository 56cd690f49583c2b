"""Searches under way stand in Optuna's tables: a dashboard that is open follows the curves of their trials."""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import replace
from types import SimpleNamespace

import optuna
import pytest

from harness.console.progress import Reporter
from harness.plugin.contracts import Executor
from harness.plugin.runs import Done, Epoch
from harness.records import Store, database, schema
from harness.running.driver import Driver
from harness.running.search import showing
from harness.running.search.showing import Showing
from harness.running.session import Session

EPOCHS = 3


class InTurn:
    """An executor that trains a run after the other, an epoch an event."""

    isolated = True
    room = 1

    def __init__(self, workbench):
        self._waiting = deque()

    def submit(self, runs):
        self._waiting.extend(runs)

    def events(self):
        while self._waiting:
            run = self._waiting.popleft()
            for number in range(1, run.epochs + 1):
                yield run.id, Epoch(number, number, float(number), 0.1, {"tune_accuracy": number / 10})
            yield run.id, Done({"tune_accuracy": run.epochs / 10})

    def stop(self, run_id):
        """End a run now."""


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(showing, "EVERY", 0.0)
    monkeypatch.setattr(showing, "SHARE", float("inf"))


@pytest.mark.usefixtures("always")
def test_a_dashboard_sees_the_curve_of_a_trial_grow(setting, tmp_path, monkeypatch):
    opened = setting(("trials = 3", "trials = 2"), ("epochs = [1, 2]", f"epochs = [{EPOCHS}]"))
    opened = replace(opened, plan=replace(opened.plan, executor=Executor("in turn", build=InTurn)))
    seen, write = [], Showing.write

    def watched(self, searches):
        write(self, searches)
        study = optuna.load_study(study_name="lesson_cnn/sgd/cosine", storage=store.optuna)
        trials = [(trial.state.name, trial.intermediate_values) for trial in study.get_trials()]
        seen.append(([trial._trial_id for trial in study.get_trials()], trials))

    monkeypatch.setattr(Showing, "write", watched)
    with Store(tmp_path / "run") as store:
        Driver(opened, Session.alone(opened, store, Reporter(quiet=True)), only_search=True).go_on_to(1).drive()
        watched(Showing(), [])
    curve = {epoch: epoch / 10 for epoch in range(1, EPOCHS + 1)}
    first = [trials[0] for _, trials in seen]
    for epoch in range(1, EPOCHS + 1):
        assert ("RUNNING", {step: value for step, value in curve.items() if step <= epoch}) in first
    assert seen[-1][1] == [("COMPLETE", curve)] * 2
    assert all(ids == seen[-1][0][: len(ids)] for ids, _ in seen)  # nothing that a dashboard shows goes away


@pytest.mark.usefixtures("always")
def test_tables_that_another_program_has_are_left_for_the_next_time(setting, start, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    search, store = start(setting())
    (run,) = search.ask(1)
    showing_it = Showing()
    showing_it.write([search])
    store.append(run.id, Epoch(1, 1, 0.1, 0.1, {"tune_accuracy": 0.5}))
    other = sqlite3.connect(schema.database(store.folder), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    showing_it.write([search])
    other.close()
    study = optuna.load_study(study_name=search.study, storage=store.optuna)
    assert study.get_trials()[0].intermediate_values == {}
    showing_it.write([search])
    assert study.get_trials()[0].intermediate_values == {1: 0.5}


def test_it_is_written_no_more_often_than_the_share_of_time_allows(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(showing, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    class Slow:
        asked, finished = 1, False

        def write_for_optuna(self):
            clock[0] += 2.0

    followed = Showing()
    assert not followed.is_due
    clock[0] += showing.EVERY
    assert followed.is_due
    followed.write([Slow()])
    clock[0] += 2.0 / showing.SHARE - 0.1
    assert not followed.is_due
    clock[0] += 0.2
    assert followed.is_due
