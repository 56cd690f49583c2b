"""The bar and the lines: each phase has clocks of its own, and none stays behind when it is over."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from harness.console import heart, progress
from harness.console.progress import Reporter
from harness.data.likeness import likeness
from harness.plugin.contracts import Data, Split


class Clock:
    """Seconds that pass only when a test says so."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def terminal(monkeypatch):
    """Return a reporter on a terminal of 80 columns, its clock, and its task."""
    clock = Clock()
    monkeypatch.setattr(progress._Console, "is_terminal", True)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    reporter = Reporter()
    reporter._bar.get_time = clock
    for task in reporter._bar.tasks:
        task._get_time = clock
    return reporter, clock, reporter._bar.tasks[0]


def test_a_phase_of_as_many_steps_as_the_one_before_has_clocks_of_its_own(terminal):
    reporter, clock, task = terminal
    for done in range(1, 1951):
        clock.now += 0.001
        reporter.preparing("decoding photos", done, 1950)
    assert not task.visible
    clock.now += 10
    for done in (64, 128, 192):
        clock.now += 1
        reporter.preparing("extracting features", done, 1950)
    assert task.visible
    assert task.elapsed == pytest.approx(2)
    assert task.time_remaining == pytest.approx((1950 - 192) / 64, rel=0.05)


def test_the_training_keeps_its_clock_from_run_to_run_and_when_restarts_are_added(terminal):
    reporter, clock, task = terminal
    for done, total in ((1, 4), (2, 4), (4, 4), (5, 6)):
        clock.now += 1
        reporter.move(f"arm {done}", done, total)
        assert task.visible == (done < total)
    assert task.elapsed == pytest.approx(3)
    assert task.description == "arm 5"


def test_no_bar_is_left_when_the_work_has_ended_wherever_it_stood(terminal):
    reporter, _, _ = terminal
    with reporter:
        reporter.preparing("comparing photos", 1500, 1950)
        reporter.say("report: there")
    last = reporter.console.file.getvalue().split("report: there")[-1]
    assert "comparing photos" not in last.split("\x1b[2K")[-1]


def test_piped_every_phase_says_that_it_is_over(capsys):
    split = Split(np.zeros((300, 8, 8, 3), np.uint8), np.zeros(300, int), tuple(f"p{i}" for i in range(300)))
    data = Data("none", split, split, split, "0" * 64, "nowhere", ("a", "b"))
    likeness(data, Reporter())
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("comparing photos")]
    assert lines[-1] == "comparing photos: 900 of 900"
    assert len(lines) <= 3


def test_the_training_says_how_many_runs_train_at_once_and_when_everything_is_done(terminal):
    reporter, _, task = terminal
    reporter.ahead.expect("epoch", 399, seconds=1.0)
    reporter.ahead.expect("measurement", 72, of="connectivity")
    reporter.ahead.expect("measurement", 1, of="surface")
    reporter.move("arm", 1, 400, at_once=3)
    assert task.description == "arm, 3 at once"
    assert task.fields["ahead"] == "(everything: about 6 min 39 s and 73 measurements)"
    reporter.ahead.expect("measurement", 72, seconds=2.5, of="connectivity")
    reporter.ahead.expect("measurement", 0, of="surface")
    reporter.ahead.expect("epoch", 0)
    reporter.preparing("connectivity: pairs", 1, 72)
    assert task.fields["ahead"] == "(everything: about 3 min)"


def test_piped_the_training_says_every_minute_how_far_it_is(capsys, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    reporter = Reporter()
    reporter.ahead.expect("epoch", 200, seconds=1.0)
    for done in range(1, 131):
        clock.now += 1
        reporter.move("arm", done, 330, at_once=2)
    reporter.ahead = progress.Ahead()
    clock.now += 61
    reporter.move("arm", 131, 330)
    assert capsys.readouterr().out.splitlines() == [
        "61 of 330 epochs, 2 runs at once, about 3 min 20 s left",
        "122 of 330 epochs, 2 runs at once, about 3 min 20 s left",
        "131 of 330 epochs",
    ]


def test_off_a_terminal_a_line_says_what_is_under_way_where_nothing_was_said_for_two_seconds(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(heart, "SILENCE", 2.0)
    reporter = Reporter()
    reporter._heart._clock = clock
    reporter.start("harness: run tiny")
    capsys.readouterr()
    seconds = {}
    for now in range(1, 31):  # the first line after two seconds, the next one when ten more have passed
        clock.now = float(now)
        reporter._heart.beat()
        seconds[now] = capsys.readouterr().out.splitlines()
    line = "loading torch and the plugins ..."
    assert {now: lines for now, lines in seconds.items() if lines} == {2: [line], 12: [line]}
    with reporter.during("opening the data"):
        reporter.preparing("drawing", 0, 9)
        clock.now += 2
        reporter._heart.beat()
        reporter.preparing("drawing", 9, 9)
        clock.now += 2
        reporter._heart.beat()
    reporter.move("sgd", 3, 40, at_once=2)
    clock.now += 2
    reporter._heart.beat()
    reporter.move("sgd", 40, 40)
    clock.now += 2
    reporter._heart.beat()
    assert capsys.readouterr().out.splitlines() == [
        "drawing: 0 of 9",
        "drawing: 0 of 9 ...",
        "drawing: 9 of 9",
        "opening the data ...",
        "3 of 40 epochs, 2 runs at once ...",
        "ending the last runs ...",
    ]


def test_on_a_terminal_what_is_not_counted_stands_beside_the_bar_and_the_training_keeps_its_own(terminal):
    reporter, clock, task = terminal
    with reporter.during("opening the data"):
        assert (task.description, task.total, task.visible) == ("opening the data", None, True)
    assert not task.visible
    reporter.move("sgd", 1, 4)
    clock.now += 3
    with reporter.during("looking at the verdict"):
        assert task.description == "sgd"
    reporter.move("sgd", 2, 4)
    assert task.elapsed == pytest.approx(3)
    reporter.move("sgd", 4, 4)
    with reporter.during("making the reports"):
        assert (task.description, task.visible) == ("making the reports", True)
