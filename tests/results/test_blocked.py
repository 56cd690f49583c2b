"""A blocked analysis or report takes down nothing but its own part, and the page says that the part is missing."""

from __future__ import annotations

import ast
import pkgutil
from dataclasses import replace

import harness_plugins.analyses
import harness_reports
import pytest
from harness_reports import html, markdown
from harness_reports._page._section import Page, sections
from harness_reports._page._verdict import verdict
from harness_reports._words.doubts import doubts
from harness_reports._words.headline import headline
from harness_reports._words.notices import notices

from harness.cli.app import main
from harness.plugin.discovery import discover
from harness.results.document import describe_results, show_lines
from harness.results.notebook import Loaded
from harness.results.reports import headline_of, results_of, write_reports
from harness.results.several import open_several

CORE = (
    "alarms",
    "differences",
    "facets",
    "gate",
    "leaderboard",
    "suspects",
    "times",
    "verdict",
    "winner",
    "work",
)  # plugins of tables that the core owns


def modules_of(package):
    """Return the last names of a package's plugins, those of its folders among them."""
    names = [info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.") if not info.ispkg]
    return sorted(name.rpartition(".")[2] for name in names if "._" not in name)


ANALYSES, REPORTS = modules_of(harness_plugins.analyses), modules_of(harness_reports)


class Watched(dict):
    """Tables that note which of them were asked for."""

    def __init__(self, tables):
        super().__init__(tables)
        self.asked = set()

    def __getitem__(self, name):
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)

    def __contains__(self, name):
        self.asked.add(name)
        return super().__contains__(name)


@pytest.fixture(scope="module")
def folder(written_records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    written_records(folder, trials=12, epochs=3, arms=2, seeds=3, tested=16)
    return folder


@pytest.fixture(scope="module")
def everything(folder):
    """Return the results with the table of every analysis."""
    return results_of(folder, discover())


@pytest.fixture(scope="module")
def whole(everything):
    """Return what is shown of the run where nothing is blocked."""
    return describe_results(everything.records, discover(), everything)


@pytest.fixture(scope="module")
def users(everything, undrawing):
    """Return the sections of the page with the tables that each one asks for."""
    tables = {}
    with undrawing():
        for section in sections():
            watched = Watched(everything.tables)
            section.data(Page.of(replace(everything, tables=watched)))
            tables[section.id] = watched.asked
    return tables


def test_there_are_plugins_to_block(users):
    assert len(ANALYSES) > 30
    assert {*CORE} < {*ANALYSES}
    assert {"html", "text", "markdown"} <= set(REPORTS)
    assert "leaderboard" in users["leaderboard"]


def without(everything, name):
    """Return the registry and the results of a run for which this plugin is blocked."""
    registry = discover(block=[name])
    left = {analysis.name for analysis in registry.all("analysis")}
    assert set(everything.tables) - left
    tables = {key: table for key, table in everything.tables.items() if key in left}
    return registry, replace(everything, tables=tables, blocked=(name,))


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", ANALYSES)
def test_without_an_analysis_the_page_has_every_other_part_and_says_what_is_missing(everything, users, name):
    _, results = without(everything, name)
    gone = set(everything.tables) - set(results.tables)
    for section in sections():
        if users[section.id] & gone:  # no other section can tell the difference
            page = Page.of(results)
            data = section.data(page)
            assert not data or html._fill_template(section, page, **data)
    page = Page.of(results)
    head = headline(page.outcome)
    assert head.question
    assert head.answer
    doubts(page.outcome, head)
    assert (verdict(page.outcome) is None) == (name == "verdict")
    assert f"The plugin '{name}' is blocked: what it makes is missing here." in [n.text for n in notices(page.outcome)]


@pytest.mark.parametrize("name", CORE)
def test_without_its_plugin_what_the_core_owns_is_there_all_the_same(everything, whole, name):
    registry, results = without(everything, name)
    shown = describe_results(everything.records, registry, results)
    assert whole["verdict"]
    assert {key: shown[key] for key in ("verdict", "alarms", "problems", "arms")} == {
        key: whole[key] for key in ("verdict", "alarms", "problems", "arms")
    }
    assert f"note: The plugin '{name}' is blocked: what it makes is missing here." in show_lines(shown)
    assert Loaded(everything.records, registry)._repr_html_().count("<tr>") == 3  # the heads and both arms
    assert f"'{name}' is blocked" in markdown.render(results).replace("\\", "")


@pytest.mark.parametrize("name", REPORTS)
def test_without_a_report_the_others_are_written(folder, everything, name, tmp_path):
    registry = discover(block=[name])
    assert len(registry.all("report")) == len(REPORTS) - 1
    formats = [report.name for report in registry.all("report") if report.name in ("text", "csv", "bibtex")]
    written = write_reports(folder, formats, registry, out=tmp_path / "out")
    assert not written.failures
    assert len(written.files) == len(formats)
    assert written.results.left_out == (f"The plugin '{name}' is blocked: what it makes is missing here.",)
    assert bool(headline_of(everything, registry)) == (name != "text")
    assert describe_results(everything.records, registry, everything)["verdict"]


# --- the core names no plugin -----------------------------------------------------------------------------------


def named_look_ups(tree, names):
    """Return the lines of a module that look a table, an analysis or a report up by one of these names."""
    lines = []
    for node in ast.walk(tree):
        keys = []
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("tables"):
            keys = [node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "find"):
            owner = ast.unparse(node.func.value)
            keys = node.args[:1] if owner.endswith("tables") else node.args[1:2] if owner.endswith("registry") else []
        elif isinstance(node, ast.Compare) and any(
            ast.unparse(side).endswith(".name") for side in (node.left, *node.comparators)
        ):
            keys = [leaf for side in (node.left, *node.comparators) for leaf in ast.walk(side)]
        if any(isinstance(key, ast.Constant) and key.value in names for key in keys):
            lines.append(node.lineno)
    return lines


def test_the_core_looks_no_analysis_and_no_report_up_by_its_name(trees):
    registry = discover()
    names = {offer.name for kind in ("analysis", "report") for offer in registry.all(kind)}
    planted = (
        'registry.get("analysis", "winner", Analysis)', 'results.tables["verdict"]', 'tables.get("gate")',
        'next(a for a in offers if a.name == "alarms")', '[a for a in offers if a.name in ("alarms", "text")]',
    )  # fmt: skip
    assert [len(named_look_ups(ast.parse(line), names)) for line in planted] == [1] * len(planted)
    templates = "harness/testing/templates/"  # which show what a plugin may do
    core = {
        file: tree for file, tree in trees.items() if file.startswith("harness/") and not file.startswith(templates)
    }
    assert len(core) > 100
    assert [f"{file}:{line}" for file, tree in core.items() for line in named_look_ups(tree, names)] == []


def test_a_comparison_of_runs_needs_no_plugin(folder, tmp_path, monkeypatch):
    """It cannot be blocked, for it asks no registry."""
    import shutil

    from harness.plugin.registry import Registry

    monkeypatch.setattr(Registry, "all", lambda *_: pytest.fail("asked for plugins"))
    shutil.copytree(folder, tmp_path / "again")
    assert len(open_several([folder, tmp_path / "again"]).verdicts)


def test_a_run_with_all_of_them_blocked_is_extended_written_shown_and_exported(benchmark_file, tmp_path, capsys):
    file = benchmark_file(('formats = ["text"]', 'formats = ["md"]'), ("trials = 3", "trials = 2"))
    blocked = [word for name in (*ANALYSES, "text") for word in ("--block", name)]

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        assert not ended.value.code, capsys.readouterr()
        return capsys.readouterr().out

    said = call("run", file, "--extend", "--out", tmp_path / "runs", *blocked)
    assert "extended " in said
    (run,) = (folder for folder in (tmp_path / "runs").iterdir() if (folder / "run.db").is_file())
    assert "is blocked: what it makes is missing here" in (run / "report.md").read_text()
    assert "do they reach the same minimum?" in call("show", run, *blocked)
    call("export", run, "--out", tmp_path / "model")
    assert "winner" in (tmp_path / "model" / "model.json").read_text()
