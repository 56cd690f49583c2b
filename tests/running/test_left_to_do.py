"""What is left to do is said as it is: trainings, measurements, nothing."""

from __future__ import annotations

import sqlite3

import pytest

from harness.cli.status import status, status_lines
from harness.console.progress import Reporter
from harness.records import schema
from harness.running.prepare import Request
from harness.running.start import run


@pytest.fixture
def carried_out(benchmark_file, tmp_path, monkeypatch, unreported):
    """Return a function that carries a benchmark out with these probes; it returns the lines and what was expected."""
    lines = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: lines.append(text))

    def go(probes, *replacements):
        lines.clear()
        small = ("seeds = 2", f"seeds = 2\nuntuned = 0\ngate = false\nprobes = {probes}")
        reporter = Reporter()
        assert run(Request(benchmark_file(small, *replacements), out=tmp_path / "runs"), reporter) == 0
        (folder,) = (tmp_path / "runs").iterdir()
        return list(lines), reporter.ahead, folder

    return go


def test_new_probes_are_measurements_to_make_and_a_finished_run_has_nothing_left(carried_out):
    lines, ahead, folder = carried_out('["gradient_norm"]')
    assert any(line.startswith("10 runs to do on ") for line in lines)
    assert (ahead.untimed, ahead.seconds) == ({}, 0)
    lines, _, _ = carried_out('["gradient_norm", "distance"]')
    assert f"4 measurements to make, into {folder}" in lines
    assert not any("nothing left" in line for line in lines)
    lines, _, _ = carried_out('["gradient_norm", "distance"]')
    assert f"nothing left to do in {folder}: it is finished" in lines
    assert not any("to make" in line for line in lines)


def test_the_status_counts_measurements(carried_out):
    _, _, folder = carried_out('["gradient_norm", "distance"]')
    assert status(folder)["measurements"] == {
        "gradient_norm": {"done": 4, "total": 4}, "distance": {"done": 4, "total": 4},
    }  # fmt: skip
    with sqlite3.connect(schema.database(folder)) as db:  # as a kill leaves it
        (one,) = db.execute("SELECT min(one) FROM measured").fetchone()
        db.execute("DELETE FROM measured WHERE probe = 'distance' AND one = ?", (one,))
    db.close()
    document = status(folder)
    assert document["measurements"]["distance"] == {"done": 3, "total": 4}
    assert "  distance: measurements 3/4" in status_lines(document)


def test_what_comes_after_the_trainings_is_expected_from_the_beginning(carried_out, monkeypatch):
    seen = []
    monkeypatch.setattr(
        Reporter, "move", lambda self, *what, **more: seen.append((self.ahead.untimed, self.ahead.seconds))
    )
    carried_out('["gradient_norm"]', ('formats = ["text"]', 'formats = ["html", "text"]'))
    assert seen[0][0]["measurement"] == 4
    untimed, seconds = next(one for one in seen if "epoch" not in one[0])  # an epoch's pace is known once one has ended
    assert untimed == {"measurement": 4}
    assert seconds > 6  # the report, and the epochs that are left
