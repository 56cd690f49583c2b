"""How many workers, or runs in a crew, are taken: from timings that are made up, and from a rehearsal that takes steps."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn

from harness import Arm, Backbone, Optimizer, Scheduler, Split, Task
from harness.plugin.contracts import Staffing
from harness.plugin.discovery import discover
from harness.running.workers import choosing
from harness.running.workers.choosing import Choice, Rehearsal, numbers_up_to, staff_line
from harness.training.batches import put_on_device
from harness.training.device import Device
from harness.training.graphs import PlainRecorder
from harness.training.ingredients import Ingredients
from harness.training.parts import assemble

RUN = None  # the rehearsals here are answered by hand


def chosen(most: int, rates: dict[int, float], work: float = 0.0) -> tuple[int, list[int]]:
    """Return the chosen number, and the numbers that were timed."""
    choice, timed = Choice(most, work), []
    while (number := choice.next) is not None:
        timed.append(number)
        choice.take(number, rates[number])
    return choice.chosen, timed


@pytest.mark.parametrize(
    ("most", "rates", "number", "timed"),
    [
        (1, {}, 1, []),  # there is nothing to choose
        (2, {1: 100, 2: 190}, 2, [1, 2]),
        (2, {1: 100, 2: 104}, 1, [1, 2]),  # not worth a process
        (2, {1: 100, 2: 30}, 1, [1, 2]),  # worse
        (6, {1: 100, 2: 200, 4: 400, 6: 500}, 6, [1, 2, 4, 6]),
        (16, {1: 137, 2: 220, 4: 299, 8: 373, 16: 378}, 8, [1, 2, 4, 8, 16]),  # ENGINE's crew in float32
        (16, {1: 100, 2: 103}, 1, [1, 2]),  # a doubling that brings nothing is the last
        (16, {1: 100, 2: 90}, 1, [1, 2]),  # two that are worse than one: four are not tried
        (4, {1: 0}, 4, [1]),  # it could not be timed: what the machine has
    ],
)
def test_the_smallest_number_within_five_percent_of_the_best_is_taken(most, rates, number, timed):
    assert chosen(most, rates) == (number, timed)


def test_where_there_is_little_to_do_no_more_is_timed_and_all_are_taken():
    assert chosen(8, {1: 100.0}, work=1999.0) == (8, [1])
    assert chosen(2, {1: 100.0, 2: 100.0}, work=2001.0) == (1, [1, 2])


def test_numbers_are_powers_of_two_and_the_largest_one():
    assert [numbers_up_to(most) for most in (1, 2, 3, 8, 12)] == [
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 4, 8],
        [1, 2, 4, 8, 12],
    ]


def rehearsed(rehearsal: Rehearsal, rates: dict[int, float], failing: int | None = None) -> list[list[int]]:
    """Answer a rehearsal of workers as if ``rates`` were those of all together; return who was asked, round by round."""
    rounds = []
    while messages := rehearsal.go_on(RUN, [10, 11, 12, 13]):
        workers = [worker for worker, _ in messages]
        rounds.append(workers)
        assert rehearsal.go_on(RUN, [10, 11, 12, 13]) == []  # they are at it
        for worker in workers:
            share = {} if worker == failing else {1: rates[len(workers)] / len(workers)}
            rehearsal.take(worker, share)
    assert rehearsal.is_over
    return rounds


def test_workers_rehearse_one_two_four_at_the_same_time():
    rehearsal = Rehearsal(workers=4, places=1)
    assert rehearsed(rehearsal, {1: 100.0, 2: 195.0, 4: 210.0}) == [[10], [10, 11], [10, 11, 12, 13]]
    assert (rehearsal.workers, rehearsal.places) == (4, 1)
    assert rehearsal.line == "4 give 2.1 times the steps of 1"


def test_a_worker_that_dies_in_a_rehearsal_counts_nothing():
    rehearsal = Rehearsal(workers=2, places=1)
    rehearsed(rehearsal, {1: 100.0, 2: 180.0}, failing=11)
    assert rehearsal.workers == 1
    assert rehearsal.line == "2 give 0.9 times the steps of 1"


def test_one_worker_rehearses_all_sizes_of_a_crew():
    rehearsal = Rehearsal(workers=2, places=16)
    ((worker, message),) = rehearsal.go_on(RUN, [3, 4])
    assert (worker, message.numbers) == (3, [1, 2, 4, 8, 16])
    rehearsal.take(4, {1: 1.0})  # nobody asked it
    assert not rehearsal.is_over
    rehearsal.take(3, {1: 100.0, 2: 190.0, 4: 250.0, 8: 255.0})  # 16 had no memory
    assert rehearsal.is_over
    assert (rehearsal.workers, rehearsal.places) == (2, 4)
    assert rehearsal.line == "4 give 2.5 times the steps of 1"


def test_a_crew_whose_rehearsal_failed_is_one_run():
    rehearsal = Rehearsal(workers=1, places=16)
    rehearsal.go_on(RUN, [0])
    rehearsal.take(0, {})
    assert (rehearsal.is_over, rehearsal.places, rehearsal.line) == (True, 1, "")


def test_the_line_says_how_many_and_why():
    gpu = Staffing(device="cuda:0")
    assert staff_line(1, 1, Staffing(threads=2), "") == "1 worker of 2 threads"
    assert staff_line(2, 8, gpu, "8 give 3.1 times the steps of 1") == (
        "2 workers with a crew of 8 runs each: 8 give 3.1 times the steps of 1"
    )


class Clock:
    """A clock that runs while members of a crew settle: the first of them for long, as its network is tested then."""

    def __init__(self, first, other):
        self.now, self.taken = 100.0, deque([first])
        self.other = other

    def settle(self, run, workbench):
        self.now += self.taken.popleft() if self.taken else self.other
        return SimpleNamespace(close=lambda: None)


@pytest.mark.parametrize(("other", "timed"), [(0.5, [1, 2, 4, 8]), (2.0, [1, 2, 4]), (5.0, [1, 2])])
def test_the_first_member_of_a_crew_may_take_long_to_settle_and_the_others_may_not(rig, monkeypatch, other, timed):
    clock = Clock(first=12.0, other=other)
    monkeypatch.setattr(choosing, "_settled", clock.settle)
    monkeypatch.setattr(choosing, "_rate", lambda members, seconds: 100.0 * len(members))
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    assert list(choosing.rehearse(rig.run_of("a"), None, [1, 2, 4, 8])) == timed


class Bench:
    """A workbench whose runs have two steps an epoch and are taken as on a GPU, without graphs."""

    def __init__(self):
        self.device, self.registry = Device("cpu", "fp32", 1), discover()
        self.train, self.tune = self.photos(64), self.photos(32)

    def photos(self, count):
        targets = np.arange(count) % 2
        images = np.random.default_rng(0).integers(0, 255, (count, 8, 8, 3)).astype(np.uint8)
        return put_on_device(Split(images, targets.astype(np.int64), tuple(map(str, range(count)))), self.device)

    def parts(self, run):
        offer = self.registry.get
        network = Backbone("net", lambda shape, outputs: nn.Sequential(nn.Flatten(), nn.Linear(192, outputs)))
        use = Ingredients(
            offer("task", "classification", Task), network, offer("optimizer", "sgd", Optimizer),
            offer("scheduler", "cosine", Scheduler), 2, train=self.train, tune=self.tune, test=None,
        )  # fmt: skip
        return assemble(run, use, self.device, recorder=PlainRecorder())


def test_no_copy_comes_to_its_end_while_larger_crews_are_timed(rig, monkeypatch):
    run = replace(
        rig.run_of("sgd"), arm=Arm("net", "sgd", "cosine"), optimizer={"lr": 0.01}, task="classification", batch_size=32
    )
    goes_on, rate = {}, choosing._rate

    def timed(members, seconds):
        of_crew = rate(members, seconds)
        goes_on[len(members)] = all(member.take_turn() for member in members)
        return of_crew

    monkeypatch.setattr(choosing, "_rate", timed)
    monkeypatch.setattr(choosing, "ENOUGH", 2.0)  # a larger crew is tried whatever it brings
    choosing.rehearse(run, Bench(), [1, 2, 4])
    assert goes_on == {1: True, 2: True, 4: True}
