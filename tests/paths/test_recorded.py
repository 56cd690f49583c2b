"""Paths in a run's records: there when the search has ended, walked once, and missing without harm in older folders."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from harness.paths import LANDSCAPES
from harness.preparation import Request
from harness.progress import Reporter
from harness.records import open_records
from harness.run import run


def change(folder, *statements):
    with sqlite3.connect(folder / "run.db") as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def test_a_run_records_paths_once_and_makes_them_up_where_they_are_missing(benchmark_file, tmp_path):
    request = Request(
        benchmark_file(("trials = 3", "trials = 1"), ("seeds = 2", "seeds = 1"), ("paths = false", "")),
        out=tmp_path / "runs",
    )
    assert run(replace(request, overrides=('report.formats=["html"]',)), Reporter(quiet=True)) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    first = open_records(folder).paths
    assert set(first["arm"]) == set(open_records(folder).arms["arm"])
    assert list(dict.fromkeys(first["landscape"])) == list(LANDSCAPES)
    assert set(first["problem"]) == {""}
    assert 'id="paths"' in (folder / "report.html").read_text(encoding="utf-8")

    change(folder, "UPDATE paths SET x = 42 WHERE step = 1")
    run(request, Reporter(quiet=True))
    kept = open_records(folder).paths
    assert (kept.loc[kept["step"] == 1, "x"] == 42).all()  # what is done is not done again

    change(folder, "DROP TABLE paths", "DELETE FROM meta WHERE key = 'paths_of'")  # as an earlier release left it
    older = open_records(folder).paths
    assert older.empty
    assert list(older) == list(first)
    run(request, Reporter(quiet=True))
    assert open_records(folder).paths.equals(first)
