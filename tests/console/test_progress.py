"""The bar and the lines: each phase has clocks of its own, and none stays behind when it is over."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from harness.console import progress
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
