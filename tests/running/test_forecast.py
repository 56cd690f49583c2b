"""What a benchmark will take: workers work through its plan on paper, and their pace is asked of workers that rehearse."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from harness.console.progress import Reporter
from harness.errors import PluginError
from harness.plugin.contracts import Executor, Staffing
from harness.records import Store
from harness.running.after.probe_costs import planned_cells
from harness.running.after.probe_work import work_of
from harness.running.forecast import estimate as module
from harness.running.forecast import timing
from harness.running.forecast.pace import Pace, pace_of
from harness.running.forecast.queue import PlannedSearch, list_seconds, search_seconds, spread_epochs
from harness.running.prepare import Request, prepare
from harness.running.start import run
from harness.running.workers.messages import Left, Ready, Rehearsed
from harness.running.workers.pool import WorkerPool

# --- the queue


def made_up(seed, searches=6, trials=9, together=1, seeds=1):
    luck = random.Random(seed)
    return [
        PlannedSearch([[luck.uniform(1, 5) for _ in range(seeds)] for _ in range(trials)], together)
        for _ in range(searches)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("together", [1, 2, 9])
def test_searches_take_no_less_than_their_work_divided_and_no_less_than_the_longest_of_them(seed, together):
    work = sum(sum(trial) for search in made_up(seed) for trial in search.trials)
    longest = max(sum(max(sum(t) for t in search.trials[at : at + together]) for at in range(0, 9, together)) for search in made_up(seed))  # fmt: skip
    assert search_seconds(made_up(seed, together=together), 1) == pytest.approx(work)
    for workers in (2, 3, 6, 100):
        seconds = search_seconds(made_up(seed, together=together), workers)
        assert max(work / workers, longest) - 1e-9 <= seconds <= work
    assert search_seconds(made_up(seed, together=together), 100) == pytest.approx(longest)


def test_one_search_that_asks_one_trial_at_a_time_keeps_one_worker_busy():
    alone = made_up(1, searches=1)
    assert search_seconds(made_up(1, searches=1), 8) == pytest.approx(sum(sum(trial) for trial in alone[0].trials))


def test_the_seeds_of_a_trial_follow_one_another():
    search = PlannedSearch([[1.0, 1.0, 1.0], [5.0]], together=2)
    assert search_seconds([search], 8) == 5.0
    assert search_seconds([PlannedSearch([[2.0, 2.0, 2.0]])], 8) == 6.0


def test_a_trial_without_runs_takes_no_time():
    assert search_seconds([PlannedSearch([[0.0], [0.0], [3.0]])], 2) == 3.0
    assert search_seconds([], 2) == 0.0


def test_runs_begin_in_their_order_as_soon_as_a_worker_is_free():
    assert list_seconds([4.0, 1.0, 1.0, 1.0, 1.0], 2) == 4.0
    assert list_seconds([1.0, 1.0, 1.0, 1.0, 4.0], 2) == 6.0
    assert list_seconds([1.0] * 7, 3) == 3.0


@pytest.mark.parametrize(("low", "high", "trials"), [(4, 12, 12), (1, 2, 3), (15, 15, 8), (1, 100, 40), (2, 9, 1)])
def test_the_epochs_of_trials_are_spread_over_their_range(low, high, trials):
    epochs = spread_epochs(low, high, trials)
    assert len(epochs) == trials
    assert all(low <= one <= high for one in epochs)
    assert sum(epochs) / trials == pytest.approx((low + high) / 2, abs=0.51)
    assert spread_epochs(low, high, 0) == []


# --- the pace


class Rehearsing:
    """A transport whose workers take so many steps a second together, by how many of them rehearse at the same time."""

    def __init__(self, rates, of_places=None, dies=None):
        self.rates, self.of_places, self.dies = rates, of_places or {1: 1.0}, dies
        self.asked = []
        self.is_closed = False
        self._messages = []

    def start(self, worker):
        self._messages.append((worker, Left("exit code 1", "no such module") if self.dies == worker else Ready()))

    def send(self, worker, message):
        self.asked.append((worker, message))

    def receive(self, timeout):
        messages, self._messages = self._messages, []
        for worker, rehearse in self.asked:
            rate = self.rates.get(len(self.asked), 0.0) / len(self.asked)
            failing = rehearse.run == "bad"
            many = {number: rate * self.of_places[number] for number in rehearse.numbers if number in self.of_places}
            messages.append((worker, Rehearsed({} if failing else many)))
        self.asked = []
        return messages

    def kill(self, worker):
        raise AssertionError("nothing is over a limit here")

    def close(self):
        self.is_closed = True


def pace(transport, workers, places=1, staffing=None, runs=None):
    bench = SimpleNamespace(staffing=staffing or Staffing())
    executor = Executor("made", build=lambda workbench: WorkerPool(transport, workbench, workers, places))
    found = pace_of(executor, bench, runs or {"a": "run", "b": "run"})
    assert transport.is_closed
    return found


def test_as_many_workers_are_counted_with_as_raise_the_throughput():
    found = pace(Rehearsing({1: 10.0, 2: 16.0, 4: 16.2}), 4)
    assert (found.workers, found.places, found.slots) == (2, 1, 2)
    assert found.steps == pytest.approx({"a": 2 / 16, "b": 2 / 16})
    assert found.alone == pytest.approx({"a": 0.1})
    assert found.slowdown == pytest.approx(10 / 8)


def test_a_number_of_workers_that_the_user_has_set_is_not_chosen():
    found = pace(Rehearsing({1: 10.0, 3: 9.0}), 3, staffing=Staffing(workers=3))
    assert (found.workers, found.steps["a"]) == (3, pytest.approx(3 / 9))


def test_the_size_of_a_crew_is_chosen_by_one_worker_and_steps_are_those_of_a_run_in_it():
    transport = Rehearsing({1: 10.0, 2: 20.0}, of_places={1: 1.0, 2: 1.9, 4: 3.0, 8: 3.01})
    found = pace(transport, 2, places=8, staffing=Staffing(workers=2))
    assert (found.workers, found.places, found.slots) == (2, 4, 8)
    assert found.steps["a"] == pytest.approx(8 / (20 * 3.0))
    assert found.slowdown == pytest.approx((8 / 60) / (1 / 10))


def test_workers_that_only_measure_are_counted_with_the_measurements():
    transport = Rehearsing({1: 10.0}, of_places={1: 1.0, 2: 1.9})
    executor = Executor("made", build=lambda bench: WorkerPool(transport, bench, 1, 2, measuring=7))
    found = pace_of(executor, SimpleNamespace(staffing=Staffing(gpus=1)), {"a": "run"})
    assert (found.workers, found.places, found.measuring) == (1, 2, 2)  # they share a GPU


def test_an_arm_that_cannot_be_rehearsed_is_left_to_be_timed_elsewhere():
    found = pace(Rehearsing({1: 10.0, 2: 15.0}), 2, runs={"b": "bad", "a": "run"})
    assert found.steps.keys() == found.alone.keys() == {"a"}
    assert found.slowdown == pytest.approx(10 / 7.5)
    assert pace(Rehearsing({1: 10.0, 2: 15.0}), 2, runs={"b": "bad"}).slowdown == 1


def test_a_worker_that_cannot_be_started_is_an_error_in_one_line():
    with pytest.raises(
        PluginError, match=r"^train\.executor: .*got exit code 1: no such module; try --set train\.executor=inprocess"
    ):
        pace(Rehearsing({1: 1.0}, dies=1), 2)


def test_an_executor_without_workers_has_one_place_and_is_closed():
    closed = []
    executor = Executor("plain", build=lambda workbench: SimpleNamespace(room=1, close=lambda: closed.append(True)))
    assert pace_of(executor, SimpleNamespace(staffing=Staffing()), {"a": "run"}) == Pace()
    assert closed == [True]


# --- the whole

SMALL = (("seeds = 2", 'seeds = 2\nprobes = ["gradient_norm"]'), ('formats = ["text"]', "formats = []"))


@pytest.fixture
def estimated(benchmark_file, tmp_path, monkeypatch):
    """Return a function that estimates a benchmark of which each step takes .1 s and each evaluation nothing."""
    monkeypatch.setattr(timing, "_step_seconds", lambda parts: 0.1)
    monkeypatch.setattr(timing, "_seconds", lambda work: 0.0)
    monkeypatch.setattr(module, "pace_of", lambda *_: Pace(workers=2, measuring=2))

    def go(*replacements):
        request = Request(benchmark_file(*SMALL, *replacements), out=tmp_path / "runs")
        return module.estimate(request, Reporter(quiet=True)), request

    return go


def test_what_passes_is_the_work_of_all_phases_done_by_workers(estimated):
    """Four steps an epoch: trials of one and two epochs, then runs of two, then a restart of each arm."""
    found, _ = estimated()
    seconds = found["seconds_of"]
    assert seconds["search"] == pytest.approx(0.4 * (1 + 2 + 2), abs=0.1)  # 1.5 epochs are rounded to 2
    assert seconds["comparison"] == pytest.approx(0.8 * 8 / 2)  # two seeds of two arms, and as many untuned
    assert seconds["restarts"] == pytest.approx(0.4)
    assert found["seconds_wall"] == pytest.approx(sum(seconds.values()))
    assert (found["at_once"], found["workers"], found["crew"]) == (2, 2, 1)


@pytest.mark.usefixtures("unreported")
def test_what_is_there_already_takes_no_time(estimated):
    before, request = estimated()
    assert run(request, Reporter(quiet=True)) == 0
    after, _ = estimated()
    assert after["exists"]
    assert (after["seconds_of"]["search"], after["seconds_of"]["comparison"], after["seconds_of"]["restarts"]) == (
        0,
        0,
        0,
    )
    assert after["seconds"] == pytest.approx(before["seconds"], rel=0.5)  # the work is that of the whole benchmark
    more, _ = estimated(("seeds = 2", "seeds = 3\nuntuned = 2"))
    assert more["seconds_of"]["comparison"] == pytest.approx(0.8)  # one more seed of two arms, by two workers


def test_the_networks_of_every_replicate_are_counted(benchmark_file, registry):
    setting = prepare(Request(benchmark_file(("looks = [1]", "looks = [3]"), SMALL[0])), Reporter(quiet=True))
    planned = planned_cells(setting, 3)
    fresh = [one for one in planned if one.role == "fresh"]
    assert len(fresh) == len({one.run.id for one in fresh}) == 2 * 2 * 3
    (probe,) = setting.plan.probes
    assert len(work_of(probe, setting, planned).wanted) == 2 * 2 * 3


def test_it_counts_to_the_first_look_and_says_what_all_looks_cost_at_the_most(estimated):
    one, _ = estimated(("looks = [1]", "looks = [2]"))
    two, _ = estimated(("looks = [1]", "looks = [2, 4]"))
    three, _ = estimated(("looks = [1]", "looks = [4]"))
    assert (two["runs"], two["seconds"]) == (one["runs"], pytest.approx(one["seconds"], rel=0.1))  # probes are timed
    assert (two["replicates"], two["most"]["replicates"]) == (2, 4)
    assert two["most"]["runs"] == three["runs"]
    assert two["most"]["seconds"] == pytest.approx(three["seconds"], rel=0.1)
    assert two["most"]["bytes"] == pytest.approx(three["bytes"], rel=0.01)
    assert one["most"]["runs"] == one["runs"]


@pytest.mark.usefixtures("unreported")
def test_a_run_that_has_come_to_a_later_look_is_counted_to_that_look(estimated, tmp_path):
    looks = ("looks = [1]", "looks = [2, 3]")
    _, request = estimated(looks)
    assert run(request, Reporter(quiet=True)) == 0
    (folder,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    with Store(folder) as store:
        store.note("looks", {"replicates": 3, "ended": "", "left_out": ""})
    after, _ = estimated(looks)
    assert after["replicates"] == 3
