"""``harness.load``: frames, tables that are computed when they are asked for, and a summary for a notebook."""

from __future__ import annotations

import copy
import json
import re
import sqlite3
import subprocess
import sys
from typing import Any

import pytest

import harness
from harness import HarnessError
from harness.plugin.validate import RECORD_TABLES
from harness.records import open_records


@pytest.fixture(scope="module")
def folder(written_records: Any, tmp_path_factory: Any) -> Any:
    where = tmp_path_factory.mktemp("runs") / "made-up"
    written_records(where, trials=36, epochs=4, arms=3, seeds=3, tested=32)
    return where


def test_frames_are_those_of_the_records(folder: Any) -> None:
    run, records = harness.load(str(folder)), open_records(folder)
    for name in RECORD_TABLES:
        assert getattr(run, name).equals(getattr(records, name)), name
    assert run.name == "many-trials"
    assert run.meta.metric == "accuracy"
    assert len(run.trials) == 36


def test_an_analysis_is_computed_when_it_is_first_asked_for(folder: Any) -> None:
    run = harness.load(folder)
    assert not run.tables._computed
    board = run.leaderboard
    assert list(run.tables._computed) == ["leaderboard"]
    assert run.tables["leaderboard"] is board is run.leaderboard
    assert set(board["arm"]) == set(run.arms["arm"])
    assert "leaderboard" in run.tables
    assert "leaderboard" in dir(run)
    assert {"lead", "curves"} <= set(run.tables.names)


def test_a_failing_analysis_is_named_and_absent(folder: Any, tmp_path: Any) -> None:
    from harness.plugin.contracts import Analysis
    from harness.plugin.registry import Offered, Registry
    from harness.results.notebook import Loaded, Tables

    def broken(records: Any) -> Any:
        raise ValueError("oops")

    registry = Registry()
    registry.add("analysis", Offered(Analysis("broken", broken), "here", "here", "ab"))
    tables = Tables(open_records(folder), registry)
    assert tables.get("broken") is None
    assert list(tables) == []
    run = Loaded(open_records(folder), registry)
    with pytest.raises(AttributeError, match="got analysis 'broken' failed: ValueError: oops"):
        _ = run.broken
    assert tables.problems == ["analysis 'broken' failed: ValueError: oops"]


def test_a_name_that_is_no_table_is_answered_with_those_that_are(folder: Any) -> None:
    run = harness.load(folder)
    with pytest.raises(AttributeError, match="must have a table 'leader', got none; there is arms, "):
        _ = run.leader
    assert not hasattr(run, "_repr_png_")
    assert copy.copy(run).name == run.name


def test_a_notebook_shows_headline_and_leaderboard(folder: Any) -> None:
    run = harness.load(folder)
    page = run._repr_html_()
    assert run.headline[1] in page.replace("&#39;", "'")
    assert page.count("<tr>") == 1 + 3
    best = run.leaderboard.query("metric == 'test_accuracy'").iloc[0]
    assert f"<td>{100 * best['mean']:.2f} %</td>" in page
    assert repr(run).startswith("<run many-trials: 3 arms, 36 trials, 9 comparison runs; ")


def test_hostile_names_stay_text(written_records: Any, tmp_path: Any) -> None:
    written_records(tmp_path / "run", trials=4, epochs=2, arms=1, seeds=2, tested=8)
    db = sqlite3.connect(tmp_path / "run" / "run.db")
    known = json.loads(db.execute("SELECT value FROM meta WHERE key = 'benchmark'").fetchone()[0])
    db.execute(
        "UPDATE meta SET value = ? WHERE key = 'benchmark'", (json.dumps({**known, "name": "<script>alert(1)"}),)
    )
    about = json.loads(db.execute("SELECT value FROM meta WHERE key = 'data'").fetchone()[0])
    db.execute("UPDATE meta SET value = ? WHERE key = 'data'", (json.dumps({**about, "notice": "<img src=x>"}),))
    db.commit()
    db.close()
    page = harness.load(tmp_path / "run")._repr_html_()
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search("<script|<img", page)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Any) -> None:
    with pytest.raises(HarnessError, match=r"must be a run folder, got no run\.db in it"):
        harness.load(tmp_path)


def test_it_works_without_torch(folder: Any) -> None:
    code = (
        f"import sys, harness; run = harness.load({str(folder)!r}); "
        "print(len(run._repr_html_()), len(run.leaderboard), *{'torch', 'timm'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    length, rows, *heavy = answer.stdout.split()
    assert int(length) > 500
    assert int(rows) > 3
    assert not heavy
