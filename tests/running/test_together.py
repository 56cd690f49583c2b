"""The same trials whatever is carried out at once: an executor that delivers the events of many runs in any order."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from harness.benchmark.loading import load
from harness.benchmark.plan import Setting, resolve
from harness.console.progress import Reporter
from harness.plugin.contracts import Data, Split
from harness.plugin.runs import Done, Epoch, Failed, digest
from harness.records import Store
from harness.running.event_loop import EventLoop
from harness.running.reuse import EarlierRuns
from harness.running.tuning import Tune
from harness.training.device import Device

TAIL = "sampler_options = { n_startup_trials = 2 }\n"
ORDERS = [(1, 0), (2, 1), (8, 2), (100, 3)]  # room of the executor, and the seed of the order in which events come


def noise(*parts):
    """Return a number from 0 to 1 that depends on nothing but these."""
    return int(digest(list(parts))[:8], 16) / 2**32


class Killed(BaseException):
    """The process ends here."""


class AnyOrder:
    """An executor that has ``room`` runs under way and goes on with any of them; it trains nothing.

    Of runs that are stopped the events that are delivered later have no effect, as of workers that were further already.
    """

    name = "any order"
    line = ""

    def new_line(self):
        return ""

    def __init__(self, room, seed, dies_after=math.inf):
        self.room = room
        self.most = 0  # runs that were under way at once
        self._random = random.Random(seed)
        self._left = dies_after
        self._under_way = {}
        self._last = {}
        self._stopped = set()

    def submit(self, runs):
        self._under_way |= {run.id: self._carry_out(run) for run in runs}
        self.most = max(self.most, len(self._under_way))

    def stop(self, run_id):
        self._stopped.add(run_id)

    def events(self):
        while self._under_way:
            run_id = self._random.choice(sorted(self._under_way))
            event = Done(self._last[run_id], stopped=True) if run_id in self._stopped else next(self._under_way[run_id])
            if event.ends_run:
                del self._under_way[run_id]
            if self._left <= 0:
                raise Killed
            self._left -= 1
            yield run_id, event

    def _carry_out(self, run):
        """Yield the events of a run, which depend on the run alone: one in nine fails, one in nine diverges."""
        luck = noise(run.optimizer, run.arm.name, "luck")
        for number in range(1, run.epochs + 1):
            if number == 2 and luck < 2 / 9:
                yield Failed("diverged" if luck < 1 / 9 else "error", "made up")
            best = 1 - abs(math.log10(run.optimizer["lr"]) + 1) / 4
            value = best * (1 - 0.5**number) + noise(run.id, number) / 20
            self._last[run.id] = {"tune_accuracy": value}
            yield Epoch(number, number, 0.1 + noise(run.id, "seconds"), 0.1, self._last[run.id], None)
        yield Done(self._last[run.id])


@pytest.fixture
def searched(benchmark_file, registry, tmp_path, monkeypatch):
    """Return a function that carries out the searches of a benchmark and returns all that the records say of them."""
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: None)
    empty = Split(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1]), ("a", "b"))
    data = Data("none", empty, empty, empty, "0" * 64, "nowhere", ("a", "b"))
    folders = iter(range(1000))

    def search(room, seed, *replacements, folder=None, dies_after=math.inf):
        by_accuracy = ("[compare]", 'metric = "accuracy"\n[compare]')
        benchmark, source = load(benchmark_file(by_accuracy, *replacements))
        setting = Setting(resolve(benchmark, source, registry), data, Device("cpu", "fp32", 1))
        executor = AnyOrder(room, seed, dies_after)
        with Store(tmp_path / (folder or str(next(folders)))) as store:
            replicates = range(benchmark.compare.looks[0])
            tunes = [Tune(setting, store, r, lambda *line: None, lambda *trial: None) for r in replicates]
            for tune in tunes:
                tune.open()
            EventLoop(executor, tunes, store, Reporter(quiet=True), EarlierRuns()).carry_out()
            assert all(tune.finished for tune in tunes)
            assert sum(tune.left for tune in tunes) == 0
            return records(store), executor.most

    return search


def records(store):
    """Return all rows on searches, trials and runs; of times only the seconds that runs took, which are made up here."""
    queries = {
        "asks": "SELECT * FROM asks ORDER BY study, number",
        "searches": "SELECT * FROM searches ORDER BY study",
        "runs": "SELECT run_id, arm, phase, seed, recipe, state, reason, metrics, seconds, stop_after FROM runs ORDER BY run_id",
        "epochs": "SELECT * FROM epochs ORDER BY run_id, epoch",
        "meta": "SELECT * FROM meta WHERE key IN ('counted', 'exhausted') ORDER BY key",
    }
    return {name: [dict(row) for row in store.db.execute(query)] for name, query in queries.items()}


def lines(text, trials=10, together=3):
    """Return the replacements that put these lines into the section of the search."""
    return ("trials = 3", f"trials = {trials}\ntogether = {together}\n{text}"), (TAIL, "")


GRID = (
    "[compare]",
    "[search.space.sgd]\nlr = { choices = [0.001, 0.01, 0.1] }\nmomentum = 0.9\nnesterov = false\n[compare]",
)
ONLY_SGD = ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]')
PRUNED = ("epochs = [1, 2]", "epochs = [6]")
SAMPLERS = {
    "tpe": lines("sampler_options = { n_startup_trials = 2 }"),
    "tpe, constant liar": lines("sampler_options = { n_startup_trials = 2, constant_liar = true }"),
    "random": lines('sampler = "random"'),
    "qmc": lines('sampler = "qmc"'),
    "gp": lines('sampler = "gp"\nsampler_options = { n_startup_trials = 3 }', trials=6),
    "cmaes": lines('sampler = "cmaes"\nsampler_options = { n_startup_trials = 2 }', trials=16),
    "nsgaii": lines('sampler = "nsgaii"\nsampler_options = { population_size = 4 }', trials=12),
    "nsgaiii": lines('sampler = "nsgaiii"\nsampler_options = { population_size = 4 }', trials=12),
    "grid": (*lines('sampler = "grid"'), GRID, ONLY_SGD),  # of six combinations, so that it runs out in a generation
    "bruteforce": (*lines('sampler = "bruteforce"', together=4), GRID, ONLY_SGD),
    "two objectives": lines('objectives = ["score", "seconds"]'),
}
PRUNERS = {
    "median": (*lines('pruner = "median"\npruner_options = { n_startup_trials = 2 }'), PRUNED),
    "percentile": (
        *lines('pruner = "percentile"\npruner_options = { percentile = 50.0, n_startup_trials = 1 }'), PRUNED,
    ),
    "successive halving": (
        *lines('pruner = "successivehalving"\npruner_options = { min_resource = 1, reduction_factor = 2 }'), PRUNED,
    ),
    "hyperband": (
        *lines('pruner = "hyperband"\npruner_options = { min_resource = 1, reduction_factor = 2 }', trials=14), PRUNED,
    ),
    "threshold": (*lines('pruner = "threshold"\npruner_options = { lower = 0.4, n_warmup_steps = 2 }'), PRUNED),
    "wilcoxon": lines('sampler = "random"\nseeds = 6\npruner = "wilcoxon"\npruner_options = { p_threshold = 0.3 }'),
}  # fmt: skip
BUDGETS = {
    "epochs": (("trials = 3", 'unit = "epochs"\nbudget = 13\ntogether = 3'), (TAIL, "")),
    "epochs, pruned": (
        ("trials = 3", 'unit = "epochs"\nbudget = 30\ntogether = 4\npruner = "median"'),
        (TAIL, "pruner_options = { n_startup_trials = 1 }\n"), PRUNED,
    ),
    "seconds": (("trials = 3", 'unit = "seconds"\nbudget = 9.5\ntogether = 3'), (TAIL, "")),
    "replicates": (("trials = 3", "trials = 5\ntogether = 2\nseeds = 2"), ("looks = [1]", "looks = [2]"), (TAIL, "")),
    "one at a time": (("trials = 3", "trials = 6"),),
    "confirmed": (("trials = 3", "trials = 6\ntogether = 3"), ("confirm = 0", "confirm = 3"), ("epochs = 2\n", "epochs = 3\n")),
}  # fmt: skip
CASES = {**SAMPLERS, **PRUNERS, **BUDGETS}


@pytest.mark.parametrize("case", CASES)
def test_the_same_trials_however_many_runs_are_carried_out_at_once_and_in_whatever_order_they_end(searched, case):
    (one, alone), *others = [searched(room, seed, *CASES[case]) for room, seed in ORDERS]
    assert alone == 1
    assert max(most for _, most in others) > 2 or case == "one at a time"  # runs are carried out side by side
    for other, _ in others:
        assert other == one
    states = {ask["state"] for ask in one["asks"]}
    assert "stopped" in states or case not in PRUNERS
    assert {ask["generation"] for ask in one["asks"]} != {0}


@pytest.mark.parametrize(
    "case", ["tpe", "hyperband", "successive halving", "wilcoxon", "epochs, pruned", "grid", "cmaes"]
)
def test_searches_that_are_killed_again_and_again_ask_what_undisturbed_ones_ask(searched, case):
    whole, _ = searched(1, 0, *CASES[case])
    for attempt in range(200):
        try:
            pieces, _ = searched(5, attempt, *CASES[case], folder="pieces", dies_after=5 + 3 * attempt)
            break
        except Killed:
            pass
    assert attempt > 1
    assert pieces == whole


@pytest.mark.parametrize("case", ["tpe", "median", "hyperband"])
def test_a_larger_number_of_trials_goes_on_as_if_it_had_been_asked_for_at_once(searched, case):
    """Seven trials in generations of three leave one alone; its generation is filled up later, and as if at once."""
    (old, new), *more = CASES[case]
    whole, _ = searched(8, 1, (old, new), *more)
    trials = new.partition("\n")[0]
    first, _ = searched(8, 2, (old, new.replace(trials, "trials = 7")), *more, folder="grown")
    grown, _ = searched(8, 3, (old, new), *more, folder="grown")
    assert len(first["asks"]) == 2 * 7
    assert grown == whole


def test_a_grid_that_runs_out_in_the_middle_of_a_generation_asks_every_combination_once(searched):
    for name in ("grid", "bruteforce"):
        found, _ = searched(8, 4, *CASES[name])
        assert len({ask["params"] for ask in found["asks"]}) == len(found["asks"]) == 6
        assert [row["value"] for row in found["meta"] if row["key"] == "exhausted"] == ['{"lesson_cnn/sgd/cosine": 6}']


def test_the_trials_of_a_generation_do_not_know_of_each_other(searched):
    """Asked one at a time the second trial knows the first one; asked together it does not, and is another trial."""
    alone, _ = searched(1, 0, *lines("sampler_options = { n_startup_trials = 1 }", together=1))
    together, _ = searched(1, 0, *lines("sampler_options = { n_startup_trials = 1 }", together=10))
    first = [ask["params"] for ask in alone["asks"]]
    second = [ask["params"] for ask in together["asks"]]
    assert first[0] == second[0]
    assert first != second


def test_a_budget_in_epochs_is_passed_by_no_more_than_a_trial_even_where_trials_are_asked_together(searched):
    for case in ("epochs", "epochs, pruned"):
        found, _ = searched(8, 5, *CASES[case])
        limit = 13 if case == "epochs" else 30
        for study in {ask["study"] for ask in found["asks"]}:
            costs = [max(1, ask["trained"]) for ask in found["asks"] if ask["study"] == study]
            assert sum(costs) >= limit > sum(costs[:-1])
