"""``harness.load``: frames, tables that are computed when they are asked for, and a summary for a notebook."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import sqlite3
import subprocess
import sys
from html import unescape
from typing import Any

import numpy as np
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
    changed = {"started", "ended", "params", "tuned_params"}
    for name in RECORD_TABLES:
        recorded, shown = getattr(records, name), getattr(run, name)
        same = [column for column in recorded.columns if column not in changed]
        assert shown[same].equals(recorded[same]), name
    assert run.name == "many-trials"
    assert run.meta.metric == "accuracy"
    assert len(run.trials) == 36


def test_a_trial_has_a_column_for_each_hyperparameter(folder: Any) -> None:
    run, records = harness.load(folder), open_records(folder)
    names = {f"params_{name}" for params in records.trials["params"] for name in params}
    assert names <= set(run.trials.columns)
    assert "params" not in run.trials
    for row, params in zip(run.trials.to_dict("records"), records.trials["params"], strict=True):
        assert {name: row[f"params_{name}"] for name in params} == params
    assert run.trials["params_lr"].dtype == float
    assert set(run.arms["params_lr"].dropna()) == {params["lr"] for params in records.arms["tuned_params"] if params}


def test_times_are_times(folder: Any) -> None:
    run, records = harness.load(folder), open_records(folder)
    assert str(run.runs["ended"].dt.tz) == "UTC"
    assert (run.runs["ended"] >= run.runs["started"]).all()
    first = records.runs["started"].iloc[0]
    assert run.runs["started"].iloc[0].isoformat(timespec="seconds") == first


def test_tables_without_a_row_have_the_kinds_of_their_columns(written_records: Any, tmp_path: Any) -> None:
    written_records(tmp_path / "run", trials=4, epochs=2, arms=1, seeds=2, tested=8)
    kinds = {
        name: getattr(harness.load(tmp_path / "run"), name).dtypes for name in ("trials", "runs", "epochs", "arms")
    }
    with contextlib.closing(sqlite3.connect(tmp_path / "run" / "run.db")) as db, db:
        for table in ("asks", "runs", "epochs"):
            db.execute(f"DELETE FROM {table}")
    empty = harness.load(tmp_path / "run")
    for name in ("trials", "runs", "epochs"):
        table = getattr(empty, name)
        assert not len(table)
        shared = table.columns.intersection(kinds[name].index).drop("params_nesterov", errors="ignore")
        assert {"arm", "seconds"} <= set(shared)
        for column in shared:
            number = {str(kind)[:3] in ("int", "flo") for kind in (table[column].dtype, kinds[name][column])}
            assert len(number) == 1, (name, column, table[column].dtype, kinds[name][column])
    assert empty.trials["params_nesterov"].dtype == object
    assert empty.trials["params_lr"].dtype == float


def test_every_column_of_every_table_has_a_meaning(folder: Any) -> None:
    run = harness.load(folder)
    for name in (*RECORD_TABLES, *run.tables):
        about = run.tables.columns(name)
        assert about["column"].tolist() == list(
            (getattr(run, name) if name in RECORD_TABLES else run.tables[name]).columns
        )
        assert about[about["meaning"] == ""].empty, (name, about[about["meaning"] == ""]["column"].tolist())
    assert run.tables.columns("leaderboard").set_index("column").loc["n", "meaning"] == "how many seeds were used"
    page = run.tables._repr_html_()
    assert page.count("<details>") == len(RECORD_TABLES) + len(run.tables.names)
    assert "how many seeds were used" in page


def test_what_an_analysis_says_of_a_column_goes_before_the_common_meaning(folder: Any) -> None:
    import pandas as pd

    from harness.plugin.contracts import Analysis
    from harness.plugin.registry import Offered, Registry
    from harness.results.notebook import Tables

    registry = Registry()
    analysis = Analysis(
        "mine", lambda records: pd.DataFrame({"seed": [1], "arm": ["a"], "odd": [0.5]}), columns={"seed": "mine"}
    )
    registry.add("analysis", Offered(analysis, "here", "here", "ab"))
    about = Tables(open_records(folder), registry).columns("mine").set_index("column")["meaning"]
    assert about.to_dict() == {"seed": "mine", "arm": "the arm: network/optimizer/schedule", "odd": ""}


def test_figures_are_those_of_the_first_report_that_has_some_and_are_drawn_once(folder: Any) -> None:
    from matplotlib.figure import Figure

    from harness.plugin.contracts import Report, Results
    from harness.plugin.registry import Offered, Registry
    from harness.results.figures import Figures

    drawn: list[str] = []

    def figures(results: Any) -> dict[str, Figure]:
        drawn.append(results.records.name)
        figure = Figure(figsize=(1, 1), label="one <line>")
        figure.subplots().plot([1, 2], [2, 1])
        return {"line": figure}

    registry = Registry()
    for report in (Report("plain", "txt", render=str), Report("drawn", "html", render=str, figures=figures)):
        registry.add("report", Offered(report, "here", "here", "ab"))
    shown = Figures(Results(open_records(folder), {}), registry)
    assert drawn == []
    assert list(shown) == ["line"]
    assert shown["line"] is shown["line"]
    assert shown["line"]._repr_svg_().startswith("<svg")
    assert "<code>line</code>: one &lt;line&gt;" in shown._repr_html_()
    assert drawn == ["many-trials"]
    with pytest.raises(
        KeyError, match=r"must be a figure of the report, got 'lines'; did you mean 'line'\? there is line$"
    ) as error:
        shown["lines"]
    assert isinstance(error.value, HarnessError)
    assert shown.get("lines") is None
    assert shown._ipython_key_completions_() == ["line"]
    assert not Figures(Results(open_records(folder), {}), Registry())


def test_figures_are_saved_as_the_command_saves_them_and_keep_their_size(folder: Any, tmp_path: Any) -> None:
    from matplotlib.figure import Figure

    from harness.plugin.contracts import Report, Results
    from harness.plugin.registry import Offered, Registry
    from harness.results.figures import Figures
    from harness.results.paper import FigureRequest, write_figures

    def figures(results: Any) -> dict[str, Figure]:
        figure = Figure(figsize=(3, 2), label="one line")
        figure.subplots().plot([1, 2], [2, 1])
        return {"line": figure}

    registry = Registry()
    registry.add("report", Offered(Report("drawn", "html", render=str, figures=figures), "here", "here", "ab"))
    shown = Figures(Results(open_records(folder), {}), registry)
    files = shown.save(tmp_path / "python", formats=["pdf", "svg"], columns=2)
    assert [file.name for file in files] == ["line.pdf", "line.svg"]
    assert shown["line"].get_size_inches().tolist() == [3, 2]
    typed = write_figures(folder, tmp_path / "typed", FigureRequest(["pdf", "svg"], 2), registry)
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in typed]
    with pytest.raises(HarnessError, match=r"^formats: must be pdf, pgf or svg, got 'png'"):
        shown.save(tmp_path / "other", formats=["png"])
    with pytest.raises(HarnessError, match=r"^names: must be a figure of the report, got 'lines'; did you mean 'line'"):
        shown.save(tmp_path / "other", names=["lines"])
    with pytest.raises(TypeError, match="formats: must be a list of names of formats, got 'pdf'"):
        shown.save(tmp_path / "other", formats="pdf")


def test_most_wrong_photos_have_the_highest_losses(folder: Any) -> None:
    from harness.results.tables.class_probabilities import arm_probabilities, class_targets

    run = harness.load(folder)
    best = run.leaderboard["arm"].iloc[0]
    top = run.top_losses(5)
    assert (top.arm, len(top), len(top.photos)) == (best, 5, 5)
    given = arm_probabilities(run.records)[best].mean(axis=0)[range(32), class_targets(run.records, "test")]
    losses = np.sort(-np.log(given))[::-1]
    assert top.table["loss"].to_numpy() == pytest.approx(losses[:5])
    assert top.table["loss"].to_numpy() == pytest.approx(-np.log(top.table["given"]))
    assert top._repr_html_().count("<figure") == 5
    worst = run.arms["arm"].iloc[-1]
    assert run.top_losses(3, arm=worst).arm == worst
    assert len(run.top_losses(10_000)) == 32
    with pytest.raises(ValueError, match="arm: must be one of "):
        run.top_losses(arm="nobody")
    with pytest.raises(ValueError, match="n: must be a whole number, 1 or more, got 0"):
        run.top_losses(0)


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
    with pytest.raises(AttributeError, match=r"got 'leaderbord'; did you mean 'leaderboard'\? there are arms, "):
        _ = run.leaderbord
    with pytest.raises(AttributeError, match=r"got 'predict' of it; harness\.predict\(run, photos\) predicts photos"):
        _ = run.predict
    with pytest.raises(
        KeyError, match=r"run\.tables: must be the table of an analysis, got 'leads'; did you mean 'lead'"
    ):
        run.tables["leads"]
    with pytest.raises(KeyError, match=r"run\.tables\.columns: must be a table, got 'trial'; did you mean 'trials'"):
        run.tables.columns("trial")
    assert run.tables.get("leads") is None
    assert "leaderboard" in run.tables._ipython_key_completions_()
    assert not hasattr(run, "_repr_png_")
    assert copy.copy(run).name == run.name


def test_a_notebook_shows_headline_and_leaderboard(folder: Any) -> None:
    run = harness.load(folder)
    page = run._repr_html_()
    assert run.headline[1] in unescape(page)
    doubts = [line.removeprefix("doubt: ") for line in run.headline if line.startswith("doubt: ")]
    assert doubts
    assert re.findall(r"<li>(.*?)</li>", unescape(page)) == doubts
    assert page.count("<tr>") == 1 + 3
    assert page.count("<svg") == 1
    assert page.count("<circle") == 9  # a dot for every seed
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


def test_a_folder_of_run_folders_is_answered_with_those_in_it(folder: Any) -> None:
    with pytest.raises(HarnessError, match=r"must be a run folder, got no run\.db in it; there is .*made-up$"):
        harness.load(folder.parent)
    with pytest.raises(HarnessError, match=r"must be a run folder, got nothing there; there is .*made-up$"):
        harness.load(folder.parent / "made-down")
