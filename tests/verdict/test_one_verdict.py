"""One run, three protocols: the console, the comparison of runs, the notebook and every report lead with one verdict."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest

import harness
from harness.cli.app import main
from harness.plugin.discovery import discover
from harness.records import open_records
from harness.results.reports import write_reports
from harness.verdict.protocol import register, resolve, standing_protocol

ARM = "lesson_cnn/optimizer-1/cosine"
TIGHT = {"accuracy": 0.0005, "test_loss": 1.0005}  # margins by which the loss of the two arms is different
WIDE = {"accuracy": 0.9, "test_loss": 100.0}


class Notes(dict):
    def note(self, key, value):
        self[key] = value

    noted = dict.get


@pytest.fixture(scope="module")
def folder(written_records, tmp_path_factory):
    """Return the folder of a run whose second protocol stands, and is the only one to call the claim refuted.

    The first promised another number of trials, as before more were added to the file. The third has wider margins. Every arm
    is at the minimum of a convex objective, so that no alarm and no gate stands in the way of a statement.
    """
    folder = tmp_path_factory.mktemp("runs") / "three"
    written_records(folder, trials=12, epochs=3, arms=2, seeds=6, tested=16)
    meta, notes = open_records(folder).meta, Notes()
    for trials, margins in ((5, TIGHT), (6, TIGHT), (6, WIDE)):
        benchmark = json.loads(json.dumps(meta.benchmark))
        benchmark["search"]["trials"] = trials
        benchmark["verdict"]["margins"] |= margins
        register(notes, resolve(benchmark, meta.arms, list(meta.metrics)), 12 * len(notes))
    db = sqlite3.connect(folder / "run.db")
    for run_id, arm, metrics in db.execute("SELECT run_id, arm, metrics FROM runs WHERE phase = 'compare'").fetchall():
        numbers = json.loads(metrics)
        numbers["test_accuracy"] -= 0.2 if arm == ARM else 0.0
        numbers |= {"gradient_norm.relative": 0.0, "gradient_norm.excess": 0.0}
        db.execute("UPDATE runs SET metrics = ? WHERE run_id = ?", (json.dumps(numbers), run_id))
    for key, value in (("protocols", notes["protocols"]), ("convex", {"lesson_cnn": True})):
        db.execute("INSERT INTO meta (key, value) VALUES (?, ?)", (key, json.dumps(value)))
    db.commit()
    db.close()
    return folder


@pytest.fixture
def call(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        assert not ended.value.code
        return capsys.readouterr().out

    return run


@pytest.mark.usefixtures("undrawn")
def test_everything_that_shows_a_verdict_leads_with_the_same_one(folder, call, tmp_path):
    standing = standing_protocol(open_records(folder).meta).protocol.hash
    table = harness.load(folder).verdict
    statements = list(table.loc[table["scope"] == "pooled", "statement"])
    assert statements == ["inconclusive", "refuted", "inconclusive"]  # in the order of registration
    assert list(table.loc[table["statement"] == "refuted", "hash"].unique()) == [standing]

    shown = json.loads(call("show", folder, "--json"))["verdict"]
    assert (shown["statement"], shown["hash"], len(shown["others"])) == ("refuted", standing, 2)
    lines = [line for line in call("show", folder).splitlines() if line.startswith("do they reach the same minimum?")]
    assert lines[0].startswith(f"do they reach the same minimum? refuted (protocol {standing[:12]}")

    again = tmp_path / "again"
    shutil.copytree(folder, again)
    compared = json.loads(call("compare", folder, again, "--json"))["verdicts"]
    assert {row["label"] for row in compared if row["facet"] == "statement"} == {"refuted"}

    assert set(table.loc[table["standing"], "statement"]) == {"refuted"}

    formats = ("html", "md", "latex")
    written = write_reports(folder, formats, discover(), out=tmp_path / "out")
    pages = {file.suffix: file.read_text() for file in written.files}
    assert not written.failures
    for page in pages.values():
        assert "refuted" in page
    named = [hash_[:12] for hash_ in table["hash"].unique() if hash_[:12] in pages[".html"]]
    assert min(named, key=pages[".html"].index) == standing[:12]
    assert "| lesson\\_cnn | refuted" in pages[".md"]
