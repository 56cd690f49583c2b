"""A pool that chooses how many workers, or places, it has; and jobs that workers put back."""

from __future__ import annotations

from collections import deque

import pytest

from harness.plugin.contracts import Staffing
from harness.plugin.runs import Done, Epoch, Measurement
from harness.running.workers.messages import Assignment, Happened, Left, PutBack, Ready, Rehearse, Rehearsed
from harness.running.workers.pool import WorkerPool


class Workers:
    """A transport whose workers rehearse at made-up rates, and do with jobs what ``answer`` says."""

    def __init__(self, rates):
        self.rates = rates  # by number: of all together
        self.rehearsing = []  # workers that were asked and have not answered
        self.jobs = {}  # by worker: the assignments that it was given
        self.killed = []
        self.answer = lambda worker, job: [Happened(job.id, Done())]
        self._messages = deque()

    def start(self, worker):
        self.jobs[worker] = []
        self._messages.append((worker, Ready()))

    def send(self, worker, message):
        if isinstance(message, Rehearse):
            self.rehearsing.append(worker)
        elif isinstance(message, Assignment):
            self.jobs[worker].append(message)
            self._messages.extend((worker, said) for said in self.answer(worker, message.job))

    def receive(self, timeout):
        if self.rehearsing:
            number, workers, self.rehearsing = len(self.rehearsing), self.rehearsing, []
            return [(worker, Rehearsed({1: self.rates[number] / number})) for worker in workers]
        return [self._messages.popleft()] if self._messages else []

    def memory(self, worker):
        return 0

    def kill(self, worker):
        self.killed.append(worker)
        self._messages.append((worker, Left("signal 9")))

    def close(self):
        self.jobs.clear()


@pytest.fixture
def made(rig):
    """Return a pool that chooses, its transport and some runs that it has."""

    def make(rates, workers=1, places=1, runs=4, staffing=None, choose=True):
        transport = Workers(rates)
        pool = WorkerPool(transport, rig.Rig(staffing or Staffing(), {}.get), workers, places, choose=choose)
        jobs = [rig.run_of(f"run {i}") for i in range(runs)]
        pool.submit(jobs)
        return pool, transport, jobs

    return make


def test_as_many_workers_are_kept_as_raise_the_throughput(made):
    pool, workers, jobs = made({1: 100.0, 2: 190.0, 4: 195.0}, workers=4)
    assert (pool.room, pool.line) == (8, "")
    assert {job_id for job_id, _ in pool.events()} == {job.id for job in jobs}
    assert workers.killed == [2, 3]
    assert (pool.room, pool.line) == (4, "2 workers of 1 thread each: 2 give 1.9 times the steps of 1")
    assert all(assignment.alone for given in workers.jobs.values() for assignment in given)


def test_nothing_is_timed_where_one_run_waits_or_none_but_measurements(made, rig):
    pool, workers, jobs = made({}, workers=2, runs=1)
    assert [job_id for job_id, _ in pool.events()] == [jobs[0].id]
    measurements = [Measurement("distance", "0", (job,)) for job in (rig.run_of("a"), rig.run_of("b"))]
    pool.submit(measurements)
    assert {job_id for job_id, _ in pool.events()} == {one.id for one in measurements}
    assert (workers.rehearsing, workers.killed, pool.line) == ([], [], "")


def test_nothing_is_timed_where_the_user_has_said_how_many(made):
    pool, workers, _ = made({}, workers=3, choose=False)
    list(pool.events())
    assert (workers.killed, pool.line) == ([], "3 workers of 1 thread each")


def test_where_there_is_little_to_do_all_workers_are_kept_after_one_timing(made):
    pool, workers, _ = made({1: 100.0}, workers=2, staffing=Staffing(steps=50.0))
    list(pool.events())
    assert (workers.killed, pool.line) == ([], "2 workers of 1 thread each")


def test_a_crew_has_as_many_places_as_raise_the_throughput(made):
    gpu = Staffing(device="cuda:0", gpus=1)
    pool, workers, jobs = made({}, places=16, runs=12, staffing=gpu)
    workers.receive = lambda timeout, plain=workers.receive: answered(workers, plain)

    def answered(workers, plain):
        if workers.rehearsing:
            workers.rehearsing = []
            return [(0, Rehearsed({1: 100.0, 2: 190.0, 4: 300.0, 8: 305.0}))]
        return plain(0)

    workers.answer = lambda worker, job: []
    events = pool.events()
    workers._messages.append((0, Happened(jobs[0].id, Epoch(1, 1, 0.1, 0.1, {}, None))))
    next(events)
    assert [given.job.id for given in workers.jobs[0]] == [job.id for job in jobs[:4]]
    assert not any(given.alone for given in workers.jobs[0])
    assert (pool.room, pool.line) == (5, "1 worker with a crew of 4 runs: 4 give 3.0 times the steps of 1")


def test_a_run_without_memory_goes_on_later_and_the_crew_is_smaller(made):
    pool, workers, jobs = made({}, places=4, choose=False)
    refused = []

    def answer(worker, job):
        if job.id == jobs[3].id and not refused:
            refused.append(job.id)
            return [PutBack(job.id, "the GPU has no memory for it beside the others", places=3)]
        return [Happened(job.id, Done())] if refused else []

    workers.answer = answer
    events = pool.events()
    for job in jobs[:3]:
        workers._messages.append((0, Happened(job.id, Done())))
    assert [next(events)[0] for _ in jobs] == [*(job.id for job in jobs[:3]), jobs[3].id]
    assert [given.job.id for given in workers.jobs[0]] == [*(job.id for job in jobs), jobs[3].id]
    assert pool.room == 4
    assert pool.line == "1 worker with a crew of 3 runs: the GPU has no memory for it beside the others"


def test_a_run_that_must_be_alone_waits_until_it_is(made):
    pool, workers, jobs = made({}, places=4, choose=False)
    (first, *others) = jobs
    workers.answer = lambda worker, job: [] if len(workers.jobs[0]) <= 4 else [Happened(job.id, Done())]
    workers._messages.append((0, Ready()))
    events = pool.events()
    workers.receive(0)
    pool._take(0, pool._members[0], Ready())
    pool._assign()
    pool._take(0, pool._members[0], PutBack(first.id, "it has replaced torch.add", alone=True))
    for job in others:
        workers._messages.append((0, Happened(job.id, Done())))
    assert [job_id for job_id, _ in events] == [*(job.id for job in others), first.id]
    assert [given.alone for given in workers.jobs[0]] == [False, False, False, False, True]


def test_a_worker_that_dies_while_it_rehearses_is_started_anew_and_the_choice_goes_on(made):
    pool, workers, jobs = made({1: 100.0, 2: 190.0}, workers=2)
    plain = workers.receive

    def receive(timeout):
        if workers.rehearsing == [0, 1]:
            workers.receive, workers.rehearsing = plain, []
            return [(0, Rehearsed({1: 95.0})), (1, Left("signal 9"))]
        return plain(timeout)

    workers.receive = receive
    assert {job_id for job_id, _ in pool.events()} == {job.id for job in jobs}
    assert pool.line == "1 worker of 1 thread: 2 give 0.9 times the steps of 1"


def test_a_worker_that_rehearses_for_longer_than_a_run_may_take_is_killed(made, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    pool, workers, _ = made({}, workers=2, staffing=Staffing(max_seconds=5.0))
    pool._listen()
    pool._listen()
    assert workers.rehearsing == [0]
    workers.rehearsing = []  # it never answers
    pool._listen()
    assert workers.killed == []
    now[0] += 6
    pool._listen()
    assert workers.killed == [0]
    pool._listen()  # its death; the choice is made without it, and another one is started
    pool._listen()
    assert sorted(workers.jobs) == [0, 1, 2]
    assert pool._rehearsal is None
