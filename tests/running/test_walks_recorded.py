"""Paths in a run's records: there when the search has ended, walked once, and missing without harm in older folders."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from harness.console.progress import Reporter
from harness.records import open_records
from harness.running.prepare import Request
from harness.running.start import run
from harness.training.landscapes import LANDSCAPES


def change(fwithout, *statements):
    with sqlite3.connect(fwithout / "run.db") as db:
        for statement in statements:
            db.execute(statement)
    db.close()


@pytest.mark.usefixtures("undrawn")
def test_a_run_records_paths_once_and_makes_them_up_where_they_are_missing(benchmark_file, tmp_path, request, smallest):
    asked = Request(benchmark_file(*smallest, ("paths = false", "")), out=tmp_path / "runs")
    assert run(replace(asked, overrides=('report.formats=["html"]',)), Reporter(quiet=True)) == 0
    (fwithout,) = (tmp_path / "runs").iterdir()
    first = open_records(fwithout).paths
    assert set(first["arm"]) == set(open_records(fwithout).arms["arm"])
    assert list(dict.fromkeys(first["landscape"])) == list(LANDSCAPES)
    assert set(first["problem"]) == {""}
    assert 'id="paths"' in (fwithout / "report.html").read_text(encoding="utf-8")

    request.getfixturevalue("unreported")  # from here on
    change(fwithout, "UPDATE paths SET x = 42 WHERE step = 1")
    run(asked, Reporter(quiet=True))
    kept = open_records(fwithout).paths
    assert (kept.loc[kept["step"] == 1, "x"] == 42).all()  # what is done is not done again

    change(fwithout, "DELETE FROM paths", "DELETE FROM meta WHERE key = 'paths_of'")
    without = open_records(fwithout).paths
    assert without.empty
    assert list(without) == list(first)
    run(asked, Reporter(quiet=True))
    assert open_records(fwithout).paths.equals(first)
