"""A section of the page is a value: one file and its template make one, and no other file knows of it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from harness_reports import _page, html
from harness_reports._page._section import sections, shown_tables

from harness import Results

pytestmark = pytest.mark.usefixtures("undrawn")  # words are read, and no figure

MODULE = '''"""A section that a test adds."""

from harness_reports._page._section import Section


def weather(page):
    table = page.outcome.table("weather")
    return None if table is None else {"degrees": list(table["degrees"]), "arms": len(page.looks)}


SECTION = Section(
    id="weather", title="The weather <today>", place=52, data=weather, template="weather.html.j2", tables=("weather",),
    styles=("_weather.css",),
)
'''
TEMPLATE = '<section id="weather">{% for degree in degrees %}<p>{{ degree }} of {{ arms }}</p>{% endfor %}</section>\n'
STYLE = "#weather p { color: teal; }\n"


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A section in a folder of its own: a module, a template and a style sheet, and nothing else."""
    (tmp_path / "weather.py").write_text(MODULE)
    (tmp_path / "weather.html.j2").write_text(TEMPLATE)
    (tmp_path / "_weather.css").write_text(STYLE)
    monkeypatch.setattr(_page, "__path__", [*_page.__path__, str(tmp_path)])
    yield
    sys.modules.pop("harness_reports._page.weather", None)
    if hasattr(_page, "weather"):
        del _page.weather


@pytest.fixture
def results(make_records: Any, analysed: Any) -> Results:
    """Results with a table that no section of the reports shows."""
    found: Results = analysed(make_records(["sgd", "adam"], seeds=2, epochs=2, trials=3))
    return Results(found.records, {**found.tables, "weather": pd.DataFrame({"degrees": ["<b>7</b>", "9"]})})


def navigation(page: str) -> list[str]:
    """The anchors of the navigation, in its order."""
    (links,) = re.findall(r'<nav aria-label="Sections">(.*?)</nav>', page)
    return re.findall(r'<a href="#(?!top)([\w-]+)">', links)


def anchors(page: str) -> list[str]:
    """The anchors of the sections below the head, in the order of the page."""
    return [anchor for anchor in re.findall(r'<section id="([\w-]+)"', page) if anchor != "verdict"]


@pytest.mark.usefixtures("added")
def test_a_section_is_a_file_and_its_template(results: Results) -> None:
    page = html.render(results)
    assert "<p>&lt;b&gt;7&lt;/b&gt; of 2</p><p>9 of 2</p>" in page
    assert '<a href="#weather">The weather &lt;today&gt;</a>' in page
    assert navigation(page) == anchors(page)
    assert (
        navigation(page).index("weather") == navigation(page).index("rates") + 1 == navigation(page).index("tuned") - 1
    )
    assert "weather" in shown_tables()
    assert "<summary>weather</summary>" not in page  # what a section shows is not listed as it is
    assert page.index(STYLE.strip()) < page.index("</style>")


def test_without_it_its_table_is_listed_as_it_is(results: Results) -> None:
    page = html.render(results)
    assert "<summary>weather</summary>" in page
    assert "#weather" not in page
    assert navigation(page) == anchors(page)


@pytest.mark.usefixtures("added")
def test_a_section_without_data_is_neither_on_the_page_nor_in_the_navigation(results: Results) -> None:
    page = html.render(Results(results.records, {k: v for k, v in results.tables.items() if k != "weather"}))
    assert "weather" not in navigation(page) + anchors(page)
    assert STYLE.strip() not in page


def test_every_section_is_whole_and_has_a_place_of_its_own(repository: Path) -> None:
    folder = repository / "reports" / "harness_reports" / "_page"
    every = sections()
    assert len(every) > 10
    for values in ([s.id for s in every], [s.place for s in every], [s.template for s in every]):
        assert len(set(values)) == len(values)
    files = {path.stem for path in folder.glob("*.py")} | {path.name for path in folder.iterdir() if path.is_dir()}
    public = {name for name in files if not name.startswith("_")}
    assert {section.id.replace("-", "_") for section in every} == public  # a reader of the page knows the file
    for section in every:
        text = (folder / section.template).read_text()
        assert f'<section id="{section.id}">' in text
        assert all((folder / style).is_file() for style in section.styles)


def test_no_file_lists_the_sections(repository: Path) -> None:
    """No module of the reports and no template names another section: the page finds them."""
    root = repository / "reports" / "harness_reports"
    modules = {section.data.__module__ for section in sections()}
    names = {name.removeprefix("harness_reports._page.").partition(".")[0] for name in modules}
    for file in root.rglob("*.py"):
        inside = file.relative_to(root / "_page").parts[0] if file.is_relative_to(root / "_page") else ""
        own = inside.removesuffix(".py")
        imported = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        foreign = {
            name.removeprefix("harness_reports._page.").partition(".")[0]
            for name in imported
            if name.startswith("harness_reports._page.")
        }
        found = (foreign & names) - {own}
        assert found <= ({"budget"} if own == "rates" else set()), file  # rates links to the section on the budget
    for template in ("_page.html.j2", "_macros.html.j2"):
        text = (root / "_page" / template).read_text()
        assert not [section.id for section in sections() if f'"#{section.id}"' in text or f'"{section.id}"' in text]


def test_every_table_that_a_section_reads_is_one_that_it_names(repository: Path) -> None:
    """A section that shows a table without naming it would have it listed again among the other analyses."""
    folder = repository / "reports" / "harness_reports" / "_page"
    calls = re.compile(r"""(?:outcome\.(?:table|rows)\(|_rows\(page, |results\.tables\.get\()"(\w+)\"""")
    for file in folder.rglob("*.py"):
        if file.name == "_verdict.py":
            continue  # it stands above the sections, and its tables are listed in full
        for table in calls.findall(file.read_text()):
            assert table in shown_tables(), (file.name, table)


def test_the_labels_of_the_arms_are_computed_once_for_a_page(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness_reports._words import names

    calls: list[Any] = []
    real = names.arm_labels
    monkeypatch.setattr(names, "arm_labels", lambda records: calls.append(records) or real(records))
    html.render(results)
    assert len(calls) == 1


def test_a_long_command_is_folded_on_the_screen_and_whole_on_paper(results: Results) -> None:
    words = ["harness", "run", "dogscats.toml"]
    words += [
        word for place in range(11) for word in ("--set", f"search.space.sgd.lr={{ low = 1e-{place}, high = 1 }}")
    ]
    meta = replace(results.records.meta, command=words)
    page = html.render(Results(replace(results.records, meta=meta), results.tables))
    (folded,) = re.findall(r'<details class="fold paper">(.*?)</details>', page)
    assert folded.startswith("<summary><code>harness run dogscats.toml</code> and 11 options</summary><pre>")
    assert folded.count("--set") == 11
    assert "<pre>harness run benchmarks/dogscats.toml</pre>" in html.render(results)  # a short one is open


def test_the_record_says_each_fact_once(results: Results) -> None:
    page = html.render(results)
    (facts,) = re.findall(r'<section id="run">.*?<dl class="facts">(.*?)</dl>', page, flags=re.DOTALL)
    heads = re.findall(r"<dt>(.*?)</dt>", facts)
    assert len(heads) == len(set(heads))
    assert {"Device", "Cores"} <= set(heads)
    assert not {"Threads", "Precision"} & set(heads)  # they stand beside the device


def test_the_files_of_all_metrics_are_named_and_not_printed(results: Results) -> None:
    page = html.render(results)
    for name in ("leaderboard", "lead", "differences"):
        assert (f"<code>tables/{name}.parquet</code>" in page) == (name in results.tables)
    assert '<caption class="sr">lead</caption>' not in page
