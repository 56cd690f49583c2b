"""What docs/records.md and docs/data.md say of tables and documents is what the harness writes."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from dataclasses import fields
from typing import get_args

import pandas as pd
import pytest

from harness.benchmark.arms import Role
from harness.cli.app import main
from harness.plugin.meta import Meta

WORDS = re.compile(r"`(\w+)`")


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "records.md").read_text()


@pytest.fixture
def document(capsys):
    """Return a function that carries out a command and returns the JSON that it printed."""

    def printed(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        text = capsys.readouterr().out
        assert ended.value.code == 0, text
        return json.loads(text)

    return printed


def rows(page, heading):
    """Return the rows of the first table under a heading, each a list of its fields' text."""
    section = page.partition(f"{heading}\n")[2]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)[0].splitlines()
    return [[field.strip() for field in line.strip("|").split(" | ")] for line in lines[2:]]


def names_within(value):
    """Return every key of a JSON document, however deep."""
    if isinstance(value, dict):
        return {*value}.union(*(names_within(part) for part in value.values()))
    return set().union(*(names_within(part) for part in value)) if isinstance(value, list) else set()


def test_the_tables_are_those_of_run_db_with_their_columns(page, finished):
    with sqlite3.connect(f"file:{finished / 'run.db'}?mode=ro", uri=True) as db:
        known = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        listed = {WORDS.findall(row[0])[0]: set(WORDS.findall(row[2])) for row in rows(page, "## Tables")}
        columns = {name: {row[1] for row in db.execute(f"PRAGMA table_info({name})")} for name in listed}
    db.close()
    own = {name for name in known if not re.match(r"trial|stud|version|alembic|sqlite", name)}  # without Optuna's
    assert set(listed) == own
    for name, words in listed.items():
        assert words <= columns[name], name


def test_the_facts_about_a_run_are_those_that_records_have(page):
    listed = [name for row in rows(page, "### Facts about a run") for name in WORDS.findall(row[0])]
    assert sorted(listed) == sorted(field.name for field in fields(Meta))


def test_the_files_of_tables_are_there(page, finished):
    line = re.search(r"tables/\*\.parquet +(.+), and one per analysis", page)[1]
    assert {f"{name}.parquet" for name in line.split(", ")} <= {file.name for file in (finished / "tables").iterdir()}


def test_the_roles_of_the_comparison_are_listed(page, finished):
    section = page.partition("`role` is one of these:")[2].partition("\n\nThe")[0]
    listed = set(re.findall(r"^- `(\w+)`: ", section, re.MULTILINE))
    assert {*get_args(Role)} - {"arm"} <= listed
    assert {*pd.read_parquet(finished / "tables" / "comparison.parquet")["role"]} <= listed


def test_show_prints_the_keys_that_the_page_lists(page, finished, document):
    printed = document("show", finished, "--against", "sgd", "--json")
    table = rows(page, "### `harness show RUN --json`")
    assert {name for row in table for name in WORDS.findall(row[0])} == set(printed)
    section = page.partition("### `harness show RUN --json`")[2].partition("\n### ")[0]
    absent = {"power"}  # nobody knows it where a measure of this tiny run does not scatter
    named = {name for name in WORDS.findall(section) if name not in ("finished", "unfinished")}
    assert named - names_within(printed) <= absent


def test_compare_prints_the_keys_that_the_page_lists(page, finished, tmp_path, document):
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        shutil.copytree(finished, folder)
    printed = document("compare", *folders, "--json")
    table = rows(page, "### `harness compare RUN RUN...`")
    assert {name for row in table for name in WORDS.findall(row[0])} == set(printed)
    entries = {WORDS.findall(row[0])[0]: set(WORDS.findall(row[1])) for row in table if row[1].startswith("a list of")}
    for key, names in entries.items():
        for entry in printed[key]:
            assert set(entry) <= names, key


def test_data_inspect_prints_the_keys_that_the_page_lists(repository, photos, document):
    text = " ".join((repository / "docs" / "data.md").read_text().split())
    listed = re.sub(r" \{[^}]*\}+", "", re.search(r"`(schema_version, dataset, [^`]+)`", text)[1]).split(", ")
    assert listed == list(document("data", "inspect", "--data", photos(), "--json"))


def test_a_frame_of_the_notebook_has_the_column_that_the_page_asks_for(finished):
    assert "phase" in pd.read_parquet(finished / "tables" / "epochs.parquet")
