"""Reports of a run folder: no file is written over another's, and one can be had as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import Analysis, HarnessError, Report
from harness.plugin.validate import RECORD_TABLES, check, clash
from harness.results.reports import write_reports


def render(results):
    return "text"


class Reports:
    """A registry of these report formats."""

    def __init__(self, *reports):
        self.reports = {report.name: report for report in reports}

    def get(self, kind, name, type_, where):
        return self.reports[name]


@pytest.mark.parametrize("extension", ["html", "HTML"])
def test_two_formats_of_one_file_are_refused_before_anything_is_read(extension):
    mine, theirs = Report("mine", "html", render), Report("theirs", extension, render)
    with pytest.raises(HarnessError) as caught:
        write_reports(Path("nowhere"), ["mine", "theirs"], Reports(mine, theirs))
    assert str(caught.value) == (
        "report --format: must write files of their own, got 'mine' and 'theirs', which both write "
        f"report.{extension}; choose one of them"
    )


def test_formats_of_other_files_and_one_asked_for_twice_are_no_clash():
    html, md = Report("html", "html", render), Report("md", "md", render)
    assert clash([html, md, html]) == ""


@pytest.mark.parametrize("name", [*RECORD_TABLES, "Runs"])
def test_an_analysis_may_not_replace_a_table_of_the_records(name):
    wrong = check(Analysis(name, render))
    assert wrong == (
        f"analysis '{name}': name must be other than the records' own tables {', '.join(RECORD_TABLES)}, got '{name}'"
    )
    assert check(Report(name, "txt", render)) == ""


def test_other_names_of_analyses_are_free():
    assert check(Analysis("runs2", render)) == ""
    assert "must be up to 100 letters" in check(Analysis("", render))
