"""What an event costs the driver does not grow with the trials, nor with the workers: counted in calls and statements, never in time."""

from __future__ import annotations

import sys
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.benchmark.loading import load
from harness.benchmark.plan import Setting, resolve
from harness.console.progress import Reporter
from harness.plugin import process_settings
from harness.plugin.contracts import Data, Executor, Split
from harness.plugin.process_settings import comparing
from harness.plugin.runs import Done, Epoch, Run, digest
from harness.records import Store
from harness.running.driver import Driver
from harness.running.search import samplers
from harness.running.search import trials as searching
from harness.running.session import Session
from harness.training.device import Device

OURS = str(Path(harness.__file__).parent)


class Simulated:
    """An executor whose workers return an epoch at once, all in turn."""

    isolated = True

    def __init__(self, workbench, room):
        self.room = room
        self._under_way = deque()

    def submit(self, runs):
        self._under_way.extend((run, 1) for run in runs)

    def events(self):
        while self._under_way:
            run, number = self._under_way.popleft()
            metrics = {"tune_loss": int(digest([run.id, number])[:6], 16) / 0xFFFFFF}
            yield run.id, Epoch(number, number, float(number), 0.1, metrics)
            if number == run.epochs:
                yield run.id, Done(metrics)
            else:
                self._under_way.append((run, number + 1))

    def stop(self, run_id):
        """End a run now."""


class Costs(Counter):
    """The calls of the harness's functions, the statements of SQL and the events of a search."""

    def each(self, what):
        return self[what] / self["events"]

    def note_call(self, frame, what, argument):
        if what == "call" and frame.f_code.co_filename.startswith(OURS):
            self["calls"] += 1


@pytest.fixture
def costs(benchmark_file, registry, tmp_path, monkeypatch):
    """Return a function that carries out searches with simulated workers and returns what they cost.

    Optuna's tables are not written: that is done once, when a search is over.
    """
    monkeypatch.setattr(searching, "write_study", lambda *arguments: None)
    empty = Split(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1]), ("a", "b"))
    data = Data("none", empty, empty, empty, "0" * 64, "nowhere", ("a", "b"))
    folders = iter(range(100))

    def search(trials, workers, *replacements):
        together = f'trials = {trials}\nsampler = "random"\ntogether = {workers // 2}'
        replacements = (("trials = 3", together), ("sampler_options = { n_startup_trials = 2 }\n", ""), *replacements)
        benchmark, source = load(benchmark_file(*replacements))
        plan = resolve(benchmark, source, registry)
        plan = replace(plan, executor=Executor("simulated", build=Simulated, options={"room": workers}))
        costs = Costs()
        with Store(tmp_path / str(next(folders))) as store:
            setting = Setting(plan, data, Device("cpu", "fp32", 1))
            driver = Driver(setting, Session.alone(setting, store, Reporter(quiet=True)), only_search=True).go_on_to(1)
            store.db.set_trace_callback(lambda statement: costs.update(["statements"]))
            sys.setprofile(costs.note_call)
            try:
                driver.drive()
            finally:
                sys.setprofile(None)
                store.db.set_trace_callback(None)
            (costs["events"],) = store.db.execute(
                "SELECT (SELECT count(*) FROM epochs) + count(*) FROM runs"
            ).fetchone()
        return costs

    return search


def test_an_event_costs_the_same_however_many_trials_there_were(costs):
    few, many = costs(10, 4), costs(50, 4)
    assert many["events"] > 4 * few["events"]
    assert many.each("statements") < few.each("statements") * 1.1
    assert many.each("calls") < few.each("calls") * 1.1


def test_an_event_costs_the_same_however_many_workers_there_are(costs):
    few, many = costs(32, 4), costs(32, 32)
    assert many.each("statements") < few.each("statements") * 1.1
    assert many.each("calls") < few.each("calls") * 1.1


def test_which_combinations_were_tried_is_noted_once_for_each_trial(costs, monkeypatch):
    noted = []
    note = samplers.Tried.note
    monkeypatch.setattr(samplers.Tried, "note", lambda tried, params: noted.append(params) or note(tried, params))
    rates = "lr = { choices = [0.001, 0.01, 0.1, 1.0] }"
    space = f"space = {{ sgd = {{ {rates}, momentum = 0.9, nesterov = false }}, adam = {{ {rates}, beta1 = 0.9 }} }}"
    costs(20, 4, ('sampler = "random"', f'sampler = "grid"\n{space}'))
    assert len(noted) == 2 * 4 * 2  # arms, rates, epochs


def test_the_id_of_a_run_is_made_a_few_times_and_not_at_every_event(costs, monkeypatch):
    made = []
    recipe = Run.recipe
    monkeypatch.setattr(Run, "recipe", lambda run: made.append(run) or recipe(run))
    trials = 2 * 12
    costs(12, 8, ("epochs = [1, 2]", "epochs = [12]"))
    assert len(made) <= 3 * trials


def test_settings_are_read_twice_an_event_where_nothing_has_changed(monkeypatch):
    read = []
    values = comparing._values
    monkeypatch.setattr(comparing, "_values", lambda settings: read.append(len(settings)) or values(settings))
    items = list(process_settings.kept_apart(iter(range(10)), "a plugin"))
    assert [item for item, _ in items] == [*range(10)]
    assert len(read) == 2 * 11  # before and after each item, and the end
