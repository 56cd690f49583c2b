"""The time limit of a run: what is used is recorded, what is measured decides, and the command that goes on is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.benchmark.loading import load
from harness.benchmark.sections.base import seconds_of, time_text
from harness.cli.asked import OfRun
from harness.errors import BenchmarkError
from harness.records import Store
from harness.running.forecast.ending import EVERY, KEPT, REFERENCE, Ending, Slowness, seconds_of_ending
from harness.running.forecast.timing import SECONDS_OF_REPORT
from harness.running.throughput import SURE, Throughput, Work
from harness.running.time_limit import TimeLimit, limit_of


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def limited(text, settings=None):
    """Return the settings of a command with this time limit."""
    return OfRun(Path("tiny.toml"), set_=settings, time_limit=text).request().overrides


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "run") as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400), ("1h30m", 5400), ("2h", 7200), ("1.5h", 5400), ("45s", 45), ("1m30s", 90), (3600, 3600),
        ("5min", 300), ("90sec", 90), ("2hours", 7200), ("1h30min", 5400),
    ],
)  # fmt: skip
def test_a_time_is_seconds_or_a_text(benchmark_file, text, seconds):
    (override,) = limited(str(text))
    assert limit_of(load(benchmark_file(), overrides=[override])[0]) == seconds
    assert seconds_of(time_text(seconds)) == seconds


@pytest.mark.parametrize("text", ["0", "0m", "-5", "soon", "1d", "30m1h", "1h 30m", '""'])
def test_what_is_no_time_is_refused_in_one_line(benchmark_file, text):
    with pytest.raises(BenchmarkError, match=r'^--set: budget: must be a number .* or a time such as "90s"') as caught:
        load(benchmark_file(), overrides=[f"budget={text}"])
    assert "\n" not in str(caught.value)
    with pytest.raises(BenchmarkError, match=r'^--time-limit: must be a number .* or a time such as "90s"'):
        load(benchmark_file(), overrides=limited(text, ["search.trials=2"]))


def test_none_lifts_the_limit_of_the_file(benchmark_file):
    file = benchmark_file(('name = "tiny"', 'name = "tiny"\nbudget = "1h"'))
    assert limit_of(load(file)[0]) == 3600
    assert limit_of(load(file, overrides=limited("none"))[0]) is None


def test_what_was_used_is_added_up_over_calls(store):
    clock = Clock()
    limit = TimeLimit(1000, store, clock(), clock)
    clock.now += 300
    assert (limit.used, limit.left) == (300, 700)
    limit.write()
    clock.now += 5000  # between the calls nothing is used
    again = TimeLimit(1000, store, clock(), clock)
    clock.now += 200
    assert (again.used, again.left) == (500, 500)
    assert store.noted("budget")["asked"] == 1000
    free = TimeLimit(None, store, clock(), clock)
    assert (free.left, free.fits(1e12)) == (float("inf"), True)


def test_only_what_fits_beside_what_is_reserved_begins(store):
    clock = Clock()
    limit = TimeLimit(100, store, clock(), clock)
    assert limit.fits(100 - SECONDS_OF_REPORT)
    assert not limit.fits(100 - SECONDS_OF_REPORT + 0.1)
    assert limit.fits(100 - SECONDS_OF_REPORT + 5, late=True)  # what has begun may be late by a twentieth
    limit.reserve("probe pairs", 30)
    assert not limit.fits(70)
    assert limit.fits(70, of="probe pairs")
    limit.reserve("probe pairs", 0)
    assert limit.fits(70)


def trained(shown, clock, run="run", epochs=4, seconds=1.0, before=0.0, after=0.0, at_once=1):
    """Let a run train for so many epochs: the first one ends ``before`` later than an epoch takes, its scores ``after`` the last."""
    clock.now += before
    for number in range(1, epochs + 1):
        clock.now += seconds
        shown.epoch_ended(run, number, at_once)
    clock.now += after
    shown.run_ended(run)


def test_an_epoch_is_timed_within_its_run_and_what_a_run_takes_beside_its_epochs_is_apart(store):
    """Trials of four epochs say what a run of a hundred takes, and not twenty-five times a trial."""
    clock = Clock()
    limit = TimeLimit(100, store, clock(), clock)
    shown = limit.throughput
    limit.work_begins()
    for epoch in range(SURE):
        assert (shown.is_known, shown.seconds(Work(10, 1))) == (False, 0.0), epoch
        shown.epoch_ended("first", epoch + 1, 1)
        clock.now += 2
    shown.epoch_ended("first", SURE + 1, 1)
    shown.run_ended("first")
    assert shown.per_epoch == 2
    for number in range(3):
        trained(shown, clock, f"trial {number}", seconds=2, before=5, after=1)
    assert shown.per_epoch == 2
    assert shown.seconds(Work(100, 1)) == pytest.approx(
        200 + 3 * 6 / 4
    )  # of four runs, one took nothing beside its epochs
    clock.now += 500  # of measurements
    limit.work_begins()
    trained(shown, clock, "later", seconds=2)
    assert shown.per_epoch == 2
    limit.write()
    again = TimeLimit(100, store, clock(), clock).throughput
    assert (again.per_epoch, again.per_run) == (shown.per_epoch, shown.per_run)


def test_runs_of_one_epoch_say_what_an_epoch_takes_with_all_that_is_beside_it():
    clock = Clock()
    shown = Throughput(clock=clock)
    shown.work_begins()
    for number in range(5):
        assert shown.is_known == (number == 4)
        trained(shown, clock, f"run {number}", epochs=1, seconds=2, after=1)
    assert shown.seconds(Work(10, 10)) == pytest.approx(10 * 13 / 4)  # from the end of the first epoch on


def test_runs_at_once_share_the_time_and_the_last_of_a_round_have_it_alone():
    clock = Clock()
    shown = Throughput(clock=clock)
    shown.work_begins()
    for number in range(1, 6):
        clock.now += 2
        shown.epoch_ended("one", number, 2)
        shown.epoch_ended("other", number, 2)
    assert shown.per_epoch == 1
    assert shown.seconds(Work(30, 3)) == 30
    assert shown.seconds_of_round(Work(30, 3)) == 40  # two together, and then one alone: 2 x 10 x 2
    assert shown.seconds_of_round(Work(40, 4)) == 40


def test_the_end_of_a_run_is_reserved_at_the_pace_of_now_and_corrected_by_what_it_took(store):
    clock, slow = Clock(), [1.0]

    def work():
        clock.now += slow[0] * REFERENCE

    def opened():
        ending = Ending(store, arms=3, slowness=Slowness(clock, work))
        return TimeLimit(100, store, clock(), clock, ending=ending.expected)

    store.note("measurements", {"pairs": 200})
    expected = seconds_of_ending(3, 200)
    limit = opened()
    assert limit.fits(99.9 - expected)
    assert not limit.fits(100.1 - expected)
    slow[0] = 500.0  # a pause
    clock.now += EVERY
    limit.fits(0.0)
    assert limit.fits(limit.left - 1.01 * expected)
    slow[0] = 5.0  # other programs have the machine
    for _ in range(KEPT):
        clock.now += EVERY
        limit.fits(0.0)
    assert not limit.fits(limit.left - 4.9 * expected)
    assert limit.fits(limit.left - 5.1 * expected)
    slow[0] = 1.0
    limit.work_ends()
    clock.now += 2 * store.noted("measurements")["pairs"]
    limit.run_ended(store)
    note = store.noted("budget")
    assert note["ending"]["took"] == 400
    assert note["used"] == pytest.approx(clock.now - 100, abs=0.01)
    slow[0] = 0.5  # a faster machine reserves no less
    ratio = min(4.0, 400 / note["ending"]["seconds"])
    assert Ending(store, 3, Slowness(clock, work)).expected() == pytest.approx(ratio * expected)


def test_workloads_share_the_time(store):
    clock = Clock()
    limit = TimeLimit(3600, store, clock(), clock, share=3)
    assert limit.left == 1200
    assert limit.words == "60 min for 3 workloads"
    trained(limit.throughput, Clock(), seconds=0.0)  # so their pace is known
    assert limit.remedy(1800, ["harness", "run", "a.toml"]) == "harness run a.toml --time-limit 114m"


def test_a_proposed_limit_has_room_for_one_more_start_and_is_twice_the_last_one_where_no_pace_is_known(store):
    """A call whose start uses up its limit trains nothing; the call that it proposes must not do the same again."""
    clock = Clock()
    limit = TimeLimit(120, store, clock(), clock, ending=lambda: 10.0)
    clock.now += 100
    limit.work_begins()
    assert limit.remedy(0, ["harness", "run", "a.toml"]) == "harness run a.toml --time-limit 4m"
    trained(limit.throughput, clock)
    assert limit.throughput.per_epoch == 1.0
    # 104 s are used, 100 s go by before the next call begins to train, and 80 epochs need 80 s: 104 + 100 + 100 + 10
    assert limit.remedy(80, ["harness", "run", "a.toml"]) == "harness run a.toml --time-limit 6m"
