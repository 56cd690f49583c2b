"""A blocked analysis or report takes down nothing but its own part, and the page says that the part is missing."""

from __future__ import annotations

import json
import pkgutil

import harness_plugins.analyses
import harness_reports
import pytest

from harness.cli.show import describe_results, show_lines
from harness.plugin.contracts import Results
from harness.plugin.discovery import discover
from harness.results.reports import headline_of, results_of, write_reports


def modules_of(package):
    """Return the last names of a package's plugins, those of its folders among them."""
    names = [info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.") if not info.ispkg]
    return sorted(name.rpartition(".")[2] for name in names if "._" not in name)


ANALYSES, REPORTS = modules_of(harness_plugins.analyses), modules_of(harness_reports)


@pytest.fixture(scope="module")
def folder(written_records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    written_records(folder, trials=12, epochs=3, arms=2, seeds=3, tested=16)
    return folder


@pytest.fixture(scope="module")
def everything(folder):
    """Return the results with the table of every analysis."""
    return results_of(folder, discover())


def test_there_are_plugins_to_block():
    assert len(ANALYSES) > 30
    assert {"html", "text", "markdown"} <= set(REPORTS)


@pytest.mark.parametrize("name", ANALYSES)
def test_without_an_analysis_every_report_is_written_and_says_what_is_missing(everything, name):
    registry = discover(block=[name])
    left = {analysis.name for analysis in registry.all("analysis")}
    gone = {analysis.name for analysis in discover().all("analysis")} - left
    assert gone
    tables = {key: table for key, table in everything.tables.items() if key in left}
    results = Results(everything.records, tables, everything.problems, (name,))
    for report in registry.all("report"):
        text = report.render(results)
        if report.name in ("html", "md"):
            assert f"{name}' is blocked: what it makes is missing here." in text.replace("&#39;", "'").replace("\\", "")
    shown = describe_results(everything.records, registry, results)
    whole = describe_results(everything.records, discover(), everything)
    assert {key: shown.get(key) for key in ("verdict", "alarms")} == {
        key: whole.get(key) for key in ("verdict", "alarms")
    }
    assert any(f"'{name}' is blocked" in line for line in show_lines(shown))


@pytest.mark.parametrize("name", REPORTS)
def test_without_a_report_the_others_are_written(folder, everything, name, tmp_path):
    registry = discover(block=[name])
    formats = [report.name for report in registry.all("report")]
    assert len(formats) == len(REPORTS) - 1
    written = write_reports(folder, formats, registry, out=tmp_path / "out")
    assert not written.failures
    assert len(written.files) == len(formats)
    assert bool(headline_of(everything, registry)) == (name != "text")
    assert json.dumps(describe_results(everything.records, registry, everything))
