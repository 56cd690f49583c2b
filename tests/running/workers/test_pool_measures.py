"""A pool with workers that only measure: when they come and go, and what happens where the GPU has no memory for them."""

from __future__ import annotations

from collections import deque

import pytest

from harness.plugin.contracts import Staffing
from harness.plugin.runs import Done, Failed, Measured, Measurement
from harness.running.workers.messages import Assignment, Happened, Left, Ready
from harness.running.workers.pool import WorkerPool

TRAINS = 0  # the number of the worker that trains: the first one
NO_MEMORY = Failed("error", "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")


class Workers:
    """A transport that says what its workers say, message by message; a killed one ends when ``deaths`` are let through."""

    def __init__(self):
        self.started, self.killed, self.deaths, self.messages = [], [], [], deque()
        self.given = {}  # by worker: the ids of the jobs that it was given
        self.answer = lambda worker, job: event_of(job)
        self.fails_to_start = set()

    def start(self, worker):
        self.started.append(worker)
        self.given[worker] = []
        self.messages.append((worker, Left("exit code 1") if worker in self.fails_to_start else Ready()))

    def send(self, worker, message):
        if isinstance(message, Assignment):
            self.given[worker].append(message.job.id)
            if (event := self.answer(worker, message.job)) is not None:
                self.messages.append((worker, Happened(message.job.id, event)))

    def receive(self, timeout):
        if self.messages:
            return [self.messages.popleft()]
        ended, self.deaths = self.deaths, []
        return [(worker, Left("signal 9")) for worker in ended]

    def memory(self, worker):
        return 0

    def kill(self, worker):
        self.killed.append(worker)
        self.deaths.append(worker)


def event_of(job):
    return Measured({"value": 1.0}, {}, 0.1) if isinstance(job, Measurement) else Done({"tune_loss": 0.1})


@pytest.fixture
def made(rig):
    """Return a pool with one worker that trains and two that only measure, its transport, runs and measurements."""
    transport = Workers()
    bench = rig.Rig(Staffing(device="cuda:0", gpus=1), {}.get)
    pool = WorkerPool(transport, bench, workers=1, places=2, measuring=2)
    runs = [rig.run_of(f"run {i}") for i in range(4)]
    measurements = [Measurement("distance", "0", (run,)) for run in runs]
    return pool, transport, runs, measurements


def carried_out(pool, jobs):
    """Submit jobs as far as there is room, the rest as room appears; return the events by the job's id."""
    waiting, events = deque(jobs), {}
    while waiting and len(pool._works) < pool.room:
        pool.submit([waiting.popleft()])
    for job_id, event in pool.events():
        events[job_id] = event
        while waiting and len(pool._works) - 1 < pool.room:
            pool.submit([waiting.popleft()])
    return events


def test_further_workers_begin_with_the_measurements_and_get_nothing_else(made):
    pool, workers, runs, measurements = made
    assert (pool.workers, pool.at_once, pool.room) == (3, 2, 3)
    assert carried_out(pool, runs).keys() == {run.id for run in runs}
    assert workers.started == [TRAINS]
    assert carried_out(pool, measurements) == {one.id: Measured({"value": 1.0}, {}, 0.1) for one in measurements}
    assert workers.started == [0, 1, 2]
    assert not {run.id for run in runs} & {job for worker in (1, 2) for job in workers.given[worker]}
    assert sum(map(len, workers.given.values())) == len(runs) + len(measurements)


def test_they_take_one_measurement_each_beside_those_of_the_first_worker(made):
    pool, workers, _, measurements = made
    workers.answer = lambda worker, job: None
    pool.submit(measurements)
    assert pool.room == 7
    for _ in range(3):
        pool._listen()
    assert [len(workers.given[worker]) for worker in (0, 1, 2)] == [2, 1, 1]


def test_they_end_with_the_measurements_and_before_the_next_run_begins(made):
    pool, workers, runs, measurements = made
    carried_out(pool, measurements)
    assert workers.killed == [1, 2]
    pool.submit(runs[:1])
    assert runs[0].id not in workers.given[TRAINS]  # their memory may not be free yet
    assert [job_id for job_id, _ in pool.events()] == [runs[0].id]
    assert workers.given[TRAINS][-1] == runs[0].id
    carried_out(pool, measurements)
    assert workers.started == [0, 1, 2, 3, 4]  # for the next measurements there are new ones
    assert workers.killed == [1, 2, 3, 4]


def test_a_run_that_comes_while_they_measure_ends_them(made):
    pool, workers, runs, measurements = made
    workers.answer = lambda worker, job: None if worker != TRAINS else event_of(job)
    pool.submit(measurements[:3])
    for _ in range(3):
        pool._listen()
    workers.answer = lambda worker, job: event_of(job)
    pool.submit(runs[:1])
    assert workers.killed == [1, 2]
    assert {job_id for job_id, _ in pool.events()} == {runs[0].id, *(one.id for one in measurements[:3])}


def test_no_more_of_them_begin_than_there_are_measurements(made):
    pool, workers, _, measurements = made
    carried_out(pool, measurements[:1])
    assert workers.started == [0, 1]


def test_where_the_gpu_has_no_memory_for_them_the_first_worker_measures_alone(made):
    pool, workers, _, measurements = made
    workers.answer = lambda worker, job: event_of(job) if worker == TRAINS else NO_MEMORY
    events = carried_out(pool, measurements)
    assert events == {one.id: Measured({"value": 1.0}, {}, 0.1) for one in measurements}
    assert workers.killed == [1, 2]
    assert pool.workers == 1
    carried_out(pool, measurements)
    assert workers.started == [0, 1, 2]


def test_a_measurement_that_had_no_memory_beside_them_is_made_again_also_where_it_says_so_late(made):
    pool, workers, _, measurements = made
    workers.answer = lambda worker, job: None if worker == TRAINS else NO_MEMORY
    for one in measurements:
        pool.submit([one])
    events = pool.events()
    for _ in range(8):
        pool._listen()
    assert workers.killed == [1, 2]
    assert not any(member.only_measures for member in pool._members.values())  # they have ended
    first = workers.given[TRAINS][0]
    workers.answer = lambda worker, job: event_of(job)
    workers.messages.append((TRAINS, Happened(first, NO_MEMORY)))  # its memory was theirs
    for job_id in workers.given[TRAINS][1:]:
        workers.messages.append((TRAINS, Happened(job_id, Measured({"value": 1.0}, {}, 0.1))))
    assert {job_id: type(event) for job_id, event in events} == {one.id: Measured for one in measurements}
    assert workers.given[TRAINS].count(first) == 2


def test_one_that_the_system_has_killed_costs_its_measurement_nothing_and_ends_them_all(made):
    pool, workers, _, measurements = made
    workers.answer = lambda worker, job: event_of(job) if worker == TRAINS else None
    plain = workers.receive

    def receive(timeout):
        if workers.given.get(1) and 1 not in workers.killed:
            workers.killed.append(1)
            return [(1, Left("signal 9"))]
        return plain(timeout)

    workers.receive = receive
    assert carried_out(pool, measurements) == {one.id: Measured({"value": 1.0}, {}, 0.1) for one in measurements}
    assert (pool.workers, workers.started) == (1, [0, 1, 2])


def test_they_make_room_for_a_measurement_of_the_first_worker(made):
    pool, workers, _, measurements = made
    refused = measurements[0].id
    workers.answer = lambda worker, job: NO_MEMORY if job.id == refused and not workers.killed else event_of(job)
    events = carried_out(pool, measurements)
    assert isinstance(events[refused], Measured)
    assert pool.workers == 1


def test_without_them_a_measurement_without_memory_has_failed(made):
    pool, workers, _, measurements = made
    pool._measuring.give_way()
    workers.answer = lambda worker, job: NO_MEMORY
    assert set(carried_out(pool, measurements).values()) == {NO_MEMORY}


def test_one_that_cannot_begin_is_not_started_again_and_again(made):
    pool, workers, _, measurements = made
    workers.fails_to_start = {1, 2}
    assert carried_out(pool, measurements).keys() == {one.id for one in measurements}
    assert workers.started == [0, 1, 2]
    assert pool.workers == 1


def test_where_one_cannot_begin_the_others_measure(made):
    pool, workers, _, measurements = made
    workers.fails_to_start = {1}
    workers.answer = lambda worker, job: None
    pool.submit(measurements)
    for _ in range(3):
        pool._listen()
    assert (pool.workers, pool.room) == (2, 5)
    assert workers.started == [0, 1, 2]
