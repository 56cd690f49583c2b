"""One page over all run folders."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace

import pytest

from harness import DataError, HarnessError
from harness.results.index import Entry, find_entries, render_index, write_index


@pytest.fixture(scope="module")
def runs(written_records, tmp_path_factory):
    """A folder with a run, a damaged one, one of several workloads, and things that are none."""
    from harness.records.workloads import Member, Workbook, write_workbook

    folder = tmp_path_factory.mktemp("runs")
    written_records(folder / "whole", trials=8, epochs=2, arms=2, seeds=2, tested=8)
    (folder / "whole" / "report.html").write_text("a report")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "run.db").write_bytes(b"no database")
    written_records(folder / "suite" / "first run", trials=4, epochs=2, arms=1, seeds=2, tested=8)
    write_workbook(folder / "suite", Workbook("a suite", (Member("first", "first run"), Member("second"))))
    (folder / "empty").mkdir()
    (folder / "file.txt").write_text("text")
    (folder / "link").symlink_to(folder / "whole")
    return folder


def test_every_run_has_a_row_and_what_cannot_be_read_is_named(runs, registry):
    file, problems = write_index(runs, registry)
    page = file.read_text()
    assert file == runs / "index.html"
    assert len(problems) == 1
    assert problems[0].startswith(f"{runs / 'damaged'}: ")
    assert page.count("<tr>") == 1 + 4
    assert page.count('<a href="whole/report.html">many-trials</a>') == 1
    assert "1 of 2 workloads finished" in page
    assert page.index("a suite") < page.index("workload </small>first")


def test_the_answer_is_that_of_the_run(runs, registry):
    import harness

    entry = next(entry for entry in find_entries(runs, registry) if entry.folder.name == "whole")
    run = harness.load(runs / "whole")
    assert entry.answer == run.answer[1]
    assert entry.date == "2026-01-01 00:00"


def test_the_page_is_written_again_and_no_other_file_is_replaced(runs, registry, tmp_path):
    first = write_index(runs, registry)[0].read_bytes()
    assert write_index(runs, registry)[0].read_bytes() == first
    other = tmp_path / "other.html"
    other.write_text("another's")
    with pytest.raises(DataError, match="which is another"):
        write_index(runs, registry, other)


def test_links_are_relative_to_the_page_and_names_stay_text(tmp_path):
    (tmp_path / "runs" / "a b#c").mkdir(parents=True)
    (tmp_path / "runs" / "a b#c" / "report.html").write_text("a report")
    entry = Entry(tmp_path / "runs" / "a b#c", "<script>", "2026", "finished", "supported", "a & b")
    page = render_index(tmp_path / "runs", [entry, replace(entry, problem="<img>")], tmp_path)
    assert page.count('<a href="runs/a%20b%23c/report.html">&lt;script&gt;</a>') == 2
    assert not re.search("<script|<img", page)
    assert "a &amp; b" in page


def test_the_latest_run_comes_first(runs, registry):
    db = sqlite3.connect(runs / "suite" / "first run" / "run.db")
    db.execute("UPDATE runs SET ended = '2027-01-01T00:00:00+00:00'")
    db.commit()
    db.close()
    assert [entry.folder.name for entry in find_entries(runs, registry)][:3] == ["suite", "first run", "whole"]


def test_a_folder_without_runs_is_refused(tmp_path, registry):
    with pytest.raises(HarnessError, match="must be a folder with run folders, got none in it"):
        write_index(tmp_path, registry)
