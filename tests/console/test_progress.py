"""The bar and the lines: each phase has clocks of its own, and none stays behind when it is over."""

from __future__ import annotations

import io
import sys
from itertools import pairwise

import numpy as np
import pytest

from harness.console import heart, progress
from harness.console.progress import Reporter
from harness.data.likeness import likeness
from harness.plugin.contracts import Data, Split


class Terminal(io.StringIO):
    """A standard output that is a terminal."""

    def isatty(self):
        return True


class Clock:
    """Seconds that pass only when a test says so."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def terminal(monkeypatch):
    """Return a reporter on a terminal of 80 columns, its clock, and its task."""
    clock = Clock()
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(progress._Console, "is_terminal", True)
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


@pytest.fixture
def piped(monkeypatch, capsys):
    """Return a function that makes a reporter off a terminal, and a function that lets seconds pass and returns what is printed when."""
    clock = Clock()
    monkeypatch.setattr(heart, "SILENCE", 2.0)
    monkeypatch.setattr(progress, "Heart", lambda say: heart.Heart(say, clock))

    def begin():
        reporter = Reporter()
        monkeypatch.setattr(reporter._heart, "_watch", lambda: None)  # the test looks at the clock itself

        def passing(seconds):
            printed = {}
            for _ in range(seconds):
                clock.now += 1
                reporter._heart.beat()
                if lines := capsys.readouterr().out.splitlines():
                    printed[clock.now] = lines
            return printed

        return reporter, passing

    return begin


def test_off_a_terminal_a_line_says_what_is_under_way_after_two_silent_seconds_and_ever_more_rarely(piped, capsys):
    reporter, passing = piped()
    with reporter:
        reporter.start("run tiny", "1.2")
        assert capsys.readouterr().out == "harness 1.2: run tiny\n"
        line = "loading torch and the plugins"
        assert passing(120) == {
            2: [f"{line} ..."],
            17: [f"{line}, 17 s so far ..."],
            47: [f"{line}, 47 s so far ..."],
            107: [f"{line}, 107 s so far ..."],
        }


def test_a_sign_that_repeats_counts_from_the_beginning_of_its_phase_also_after_inner_work(piped):
    reporter, passing = piped()
    with reporter:
        passing(30)
        for _ in range(2):  # the second one has a beginning of its own
            with reporter.during("making the tables"):
                first = [words for lines in passing(20).values() for words in lines]
                with reporter.during("drawing"):
                    passing(20)
                reporter.preparing("counting", 1, 2)
                reporter.preparing("counting", 2, 2)
                passing(1)
                later = [words for lines in passing(39).values() for words in lines]
            assert first[0] == "making the tables ..."
            assert all(words.startswith("making the tables, ") for words in later)
            assert 40 < float(later[0].split()[3]) <= 60


def test_signs_of_life_are_fifteen_seconds_apart_however_many_phases_begin_and_end(piped):
    reporter, passing = piped()
    printed = {}
    with reporter:
        for number in range(20):
            with reporter.during(f"phase {number}"):
                printed |= passing(3)
            printed |= passing(3)
    seconds = list(printed)
    assert seconds[0] == 2
    assert {later - earlier >= 15 for earlier, later in pairwise(seconds)} == {True}
    assert len(seconds) >= 6
    assert all(len(lines) == 1 for lines in printed.values())


def test_what_is_under_way_is_the_outer_work_after_the_inner_and_the_command_where_nobody_says_it(piped, capsys):
    reporter, passing = piped()
    words = []

    def under_way():
        while not (printed := passing(1)):
            pass
        words.extend(*printed.values())

    reporter.start("run tiny", "1.2")
    capsys.readouterr()
    with reporter.during("opening the data"):
        reporter.preparing("drawing", 1200, 5632)
        under_way()
        reporter.preparing("drawing", 5632, 5632)
        words += capsys.readouterr().out.splitlines()[-1:]
        under_way()
    under_way()
    reporter.move("sgd", 3, 40, at_once=2)
    under_way()
    reporter.move("sgd", 40, 40)
    under_way()
    assert words == [
        "drawing: 1,200 of 5,632 ...",
        "drawing: 5,632 of 5,632",
        "opening the data ...",
        "harness run tiny goes on ...",
        "3 of 40 epochs, 2 runs at once ...",
        "ending the last runs ...",
    ]


def test_how_far_a_phase_is_says_the_sign_of_life_alone_and_its_end_is_said_once(piped, capsys):
    reporter, _ = piped()
    for done in range(1, 33):
        reporter.preparing("drawing", done, 32)
    reporter.preparing("drawing", 32, 32)
    assert capsys.readouterr().out == "drawing: 32 of 32\n"


def test_a_phase_that_nobody_can_count_is_named_without_a_number(piped):
    reporter, passing = piped()
    reporter.preparing("distance: networks", 0, 0)
    assert passing(2) == {2: ["distance: networks ..."]}


def test_on_a_terminal_a_phase_that_nobody_can_count_stands_beside_the_bar(terminal):
    reporter, _, task = terminal
    reporter.preparing("distance: networks", 0, 0)
    assert (task.description, task.total, task.visible) == ("distance: networks", None, True)


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


def test_on_a_terminal_the_bar_of_a_training_that_a_limit_has_cut_short_does_not_stay(terminal):
    reporter, _, task = terminal
    reporter.move("sgd", 24, 384)
    reporter.training_ended()
    with reporter.during("making the reports"):
        assert (task.description, task.total, task.visible) == ("making the reports", None, True)
    assert not task.visible


def test_a_notebook_which_forces_colours_gets_lines_and_no_bar(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with Reporter() as reporter:
        assert reporter.console.is_terminal  # so rich reads it
        reporter.preparing("decoding photos", 0, 2)
        reporter.preparing("decoding photos", 2, 2)
    assert reporter._bar is None
    assert "\x1b[2K" not in sys.stdout.getvalue()
