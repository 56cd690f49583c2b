"""The pool with workers that are lists: what it does about deaths, limits, crews and runs that are stopped."""

from collections import deque
from types import SimpleNamespace

import pytest

from harness import Done, Epoch, Failed, Interrupted, PluginError, Staffing
from harness.records.attempts import Attempts
from harness.running.workers import pool as pool_module
from harness.running.workers.messages import Assignment, Cancel, Happened, Left, Ready, Retiring
from harness.running.workers.pool import WorkerPool


class Workers:
    """A transport whose workers do what the test says."""

    def __init__(self, ready=True):
        self.ready = ready
        self.jobs = {}  # by worker: the ids of what it was given
        self.sent = []
        self.killed = []
        self.used = 0  # bytes
        self.answer = lambda worker, job: ()  # what a worker says once it has been given a job
        self._silent = 0  # times in a row
        self._messages = deque()

    def start(self, worker):
        self.jobs[worker] = []
        self._messages.append((worker, Ready() if self.ready else Left("exit code 1", "Traceback\nno such module")))

    def send(self, worker, message):
        self.sent.append((worker, message))
        if isinstance(message, Assignment):
            self.jobs[worker].append(message.job.id)
            self.say(worker, *self.answer(worker, message.job))

    def say(self, worker, *messages):
        self._messages.extend((worker, message) for message in messages)

    def receive(self, timeout):
        self._silent = 0 if self._messages else self._silent + 1
        assert self._silent < 4, "the pool waits for a message that will never come"
        return [self._messages.popleft()] if self._messages else []

    def memory(self, worker):
        return self.used

    def kill(self, worker):
        self.killed.append(worker)
        self.say(worker, Left("signal 9"))

    def close(self):
        self.jobs.clear()

    def having(self, run):
        """The workers that were given a run, in order."""
        return [worker for worker, message in self.sent if isinstance(message, Assignment) and message.job.id == run.id]


@pytest.fixture
def made(rig):
    """Return a pool, its transport and some runs."""

    def make(workers=1, places=1, runs=1, staffing=None, **more):
        transport = Workers(**more)
        bench = rig.Rig(staffing or Staffing(), {}.get)
        pool = WorkerPool(transport, bench, workers, places)
        pool.submit(runs := [rig.run_of(f"run {i}") for i in range(runs)])
        return pool, transport, runs

    return make


def epoch(run, number=1):
    return Happened(run.id, Epoch(number, number, 0.1 * number, 0.1, {"tune_accuracy": number / 10}))


def done(run):
    return Happened(run.id, Done({"tune_accuracy": 0.9}))


def test_there_is_room_for_a_run_that_waits_beside_each_worker(made):
    assert made(workers=2, places=4)[0].room == 10


def test_no_worker_gets_more_runs_than_it_has_places(made):
    pool, workers, runs = made(workers=2, places=2, runs=6)
    workers.say(0, epoch(runs[0]))
    next(pool.events())
    assert {worker: len(jobs) for worker, jobs in workers.jobs.items()} == {0: 2, 1: 2}


def test_what_the_first_run_tells_of_its_network_goes_to_every_worker_with_the_next_job(made):
    pool, workers, (first, second) = made(runs=2)
    tested = {"tensors": {"0.weight": "filter"}, "groups": [], "problem": ""}
    workers.say(
        0, Happened(first.id, Epoch(1, 1, 0.1, 0.1, {}, scale_free=tested)), done(first), epoch(second), done(second)
    )
    assert [event.ends_run for _, event in pool.events()] == [False, True, False, True]
    given = [message.scale_free for _, message in workers.sent if isinstance(message, Assignment)]
    assert given == [None, tested]


def test_a_place_that_is_free_is_taken_before_the_end_of_its_run_is_told(made):
    pool, workers, (first, second) = made(runs=2)
    events = pool.events()
    workers.say(0, done(first))
    assert next(events)[0] == first.id
    assert workers.jobs[0] == [first.id, second.id]


def test_a_stopped_run_has_the_metrics_that_were_told_and_what_comes_later_is_dropped(made):
    pool, workers, (run,) = made()
    events = pool.events()
    workers.say(0, epoch(run, 1), epoch(run, 2), done(run))
    assert next(events)[1].number == 1
    pool.stop(run.id)
    assert next(events)[1] == Done({"tune_accuracy": 0.1}, stopped=True)
    assert list(events) == []


def test_a_worker_leaves_a_stopped_run_before_it_takes_another(made):
    pool, workers, (first, second) = made(runs=2)
    events = pool.events()
    workers.say(0, epoch(first))
    next(events)
    pool.stop(first.id)
    assert (0, Cancel(first.id)) in workers.sent
    assert next(events)[1].stopped
    assert workers.jobs[0] == [first.id]
    workers.say(0, epoch(first, 2), Happened(first.id, Done(stopped=True)), done(second))
    assert [job_id for job_id, _ in events] == [second.id]


def test_a_run_that_waits_can_be_stopped(made):
    pool, workers, (_, second) = made(runs=2)
    pool.stop(second.id)
    assert next(pool.events()) == (second.id, Done(stopped=True))
    assert workers.having(second) == []


def test_a_run_is_given_to_another_worker_when_its_own_has_died(made):
    pool, workers, (run,) = made()
    events = pool.events()
    workers.say(0, Left("signal 11", "last words"))
    assert next(events) == (run.id, Interrupted("signal 11", True, "last words"))
    workers.say(1, done(run))
    assert next(events)[1].ends_run
    assert workers.having(run) == [0, 1]


def test_a_machine_that_is_lost_is_held_against_no_run(made, guarded, tmp_path):
    pool, workers, runs = made(workers=1, places=2, runs=2)
    said = []
    executor = guarded(pool, Attempts(tmp_path / "journal", said.append))
    executor._jobs.update({run.id: run for run in runs})
    events = executor.events()
    for worker in range(5):
        workers.say(worker, Left("its machine has gone", "last words", lost=True))
        told = [next(events)[1] for _ in runs]
        assert told == [Interrupted("its machine has gone", False, "last words", lost=True)] * 2
        assert len(workers.jobs[worker]) == 2  # none is tried alone
    workers.answer = lambda worker, job: [done(job)]
    assert all(isinstance(event, Done) for _, event in events)
    assert len(said) == 10
    assert all(line.endswith("its machine has gone; it goes on elsewhere") for line in said)


def test_of_several_runs_in_a_worker_that_died_each_is_tried_alone(made):
    pool, workers, runs = made(workers=1, places=3, runs=3)
    events = pool.events()
    workers.say(0, epoch(runs[0]))
    next(events)
    assert len(workers.jobs[0]) == 3
    workers.say(0, Left("signal 11"))
    workers.answer = lambda worker, job: [done(job)]
    told = list(events)
    assert sorted(job_id for job_id, event in told if event == Interrupted("signal 11", alone=False)) == sorted(
        run.id for run in runs
    )
    assert sorted(job_id for job_id, event in told if isinstance(event, Done)) == sorted(run.id for run in runs)
    after = [message.job.id for worker, message in workers.sent if worker == 1]
    assert sorted(after) == sorted(run.id for run in runs)


def test_the_third_death_without_progress_ends_a_run(made, guarded, tmp_path):
    pool, workers, (run,) = made()
    said = []
    executor = guarded(pool, Attempts(tmp_path / "journal", said.append))
    executor._jobs[run.id] = run
    left = Left("signal 11", "Segmentation fault")
    workers.answer = lambda worker, job: [left] if worker != 2 else [epoch(job), left]  # it comes further there
    told = [event for _, event in executor.events()]
    assert [type(event).__name__ for event in told] == [
        "Interrupted", "Interrupted", "Epoch", "Interrupted", "Interrupted", "Failed", "Done",
    ]  # fmt: skip
    assert told[-2].reason == "crashed (signal 11), 3 times in a row; --retry tries it again"
    assert told[-2].traceback == "Segmentation fault"
    assert workers.having(run) == [0, 1, 2, 3, 4]
    assert said[-1].endswith("its process died (signal 11) for the 3rd time in a row; it counts as failed; --retry tries it again")  # fmt: skip
    executor._attempts.close()


def test_epochs_that_are_trained_again_are_no_progress(made, guarded, tmp_path):
    pool, workers, (run,) = made()
    executor = guarded(pool, Attempts(tmp_path / "journal"))
    executor._jobs[run.id] = run
    workers.answer = lambda worker, job: [epoch(job, 1), epoch(job, 2), Left("signal 11")]  # no state was saved
    told = [type(event).__name__ for _, event in executor.events()]
    assert told == [*(["Epoch", "Epoch", "Interrupted"] * 2), "Epoch", "Epoch", "Failed", "Done"]
    executor._attempts.close()


def test_a_death_among_several_runs_is_said_and_held_against_none(made, guarded, tmp_path):
    said = []
    pool, workers, runs = made(places=2, runs=2)
    attempts = Attempts(tmp_path / "journal", said.append)
    executor = guarded(pool, attempts)
    executor._jobs |= {run.id: run for run in runs}
    events = executor.events()
    workers.say(0, epoch(runs[0]))
    next(events)
    workers.answer = lambda worker, job: [done(job)]
    workers.say(0, Left("signal 11"))
    assert sum(isinstance(event, Done) for _, event in events) == 2
    assert [line.partition(": ")[2] for line in said] == [
        "its process died (signal 11) with other work in it; it is tried again alone"
    ] * 2
    assert not (tmp_path / "journal").exists()


def test_strikes_outlive_the_driver(made, guarded, tmp_path):
    for last in (Interrupted, Interrupted, Failed):
        pool, workers, (run,) = made()
        attempts = Attempts(tmp_path / "journal")
        executor = guarded(pool, attempts)
        executor._jobs[run.id] = run
        workers.answer = lambda worker, job: [Left("signal 11")]
        assert isinstance(next(executor.events())[1], last)
        attempts.close()
        assert (tmp_path / "journal").exists()


def test_a_death_of_the_driver_is_not_held_against_a_run_in_another_process(made, guarded, tmp_path):
    pool, workers, (run,) = made(runs=1)
    executor = guarded(pool, Attempts(tmp_path / "journal"))
    executor.submit([run])
    workers.say(0, epoch(run))
    next(executor.events())
    assert not (tmp_path / "journal").exists()


def test_a_worker_that_retires_gets_no_more_runs_and_another_takes_its_place(made):
    pool, workers, (first, second) = made(runs=2)
    events = pool.events()
    workers.say(0, Retiring("a plugin has changed it"), done(first), Left("exit code 0"))
    assert next(events)[0] == first.id
    workers.say(1, done(second))
    assert next(events) == (second.id, done(second).event)
    assert (workers.having(first), workers.having(second)) == ([0], [1])


def test_workers_that_cannot_be_started_are_an_error_with_their_last_words(made):
    pool, _, _ = made(workers=2, ready=False)
    with pytest.raises(PluginError, match="its workers cannot be started: exit code 1: no such module"):
        list(pool.events())


def test_a_run_over_its_limit_of_seconds_has_failed_and_its_worker_is_killed(made, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(pool_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    pool, workers, (first, second) = made(runs=2, staffing=Staffing(max_seconds=60))
    events = pool.events()
    workers.say(0, epoch(first))
    next(events)
    now[0] += 61
    workers.say(0, epoch(first, 2))
    assert next(events)[1].number == 2
    assert workers.killed == [0]
    assert next(events) == (first.id, Failed("error", "over its limit of 60 s (train.max_seconds)"))
    workers.say(1, done(second))
    assert next(events)[0] == second.id


def test_too_much_memory_of_several_runs_is_the_fault_of_the_one_that_takes_it_alone(made):
    pool, workers, runs = made(places=2, runs=2, staffing=Staffing(max_memory=1))
    events = pool.events()
    workers.say(0, epoch(runs[0]))
    assert isinstance(next(events)[1], Epoch)
    workers.used = 2 * 10**9
    workers.say(0, epoch(runs[0], 2))
    assert isinstance(next(events)[1], Epoch)
    event = next(events)[1]
    while isinstance(event, Interrupted):
        assert not event.alone
        event = next(events)[1]
    assert event == Failed("error", "over its limit of 1 GB (train.max_memory)")


def test_a_job_that_reaches_a_worker_too_late_is_not_to_blame_for_its_end(made):
    pool, workers, (first, second) = made(places=2, runs=2)
    events = pool.events()
    workers.say(0, Retiring("a plugin has changed it"), done(first), Left("exit code 0"))
    assert next(events)[0] == first.id
    workers.answer = lambda worker, job: [done(job)]
    assert [event for _, event in events] == [Done({"tune_accuracy": 0.9})]
    assert workers.having(second) == [0, 1]
