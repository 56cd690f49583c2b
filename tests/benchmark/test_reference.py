"""The reference of the benchmark file is generated, complete, and what stands in the repository."""

from __future__ import annotations

import re
import tomllib

import pytest

from harness.benchmark import reference
from harness.benchmark.meaning import IDENTITY, key_meanings
from harness.benchmark.sections import TABLES, Benchmark
from harness.benchmark.sections.workload import WorkloadSection
from harness.benchmark.toml import to_toml
from harness.benchmark.workloads import WORKLOAD

MEANINGS = [*key_meanings(Benchmark), *key_meanings(WorkloadSection, (WORKLOAD,))]
KEYS = {".".join(key).replace("*", "NAME"): meaning for key, _, meaning in MEANINGS if key != ("heads",)}


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "benchmark-file.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def entries(page):
    """The text of each key on the page, by the key."""
    parts = re.split(r"^#{2,3} (.+)\n", page, flags=re.MULTILINE)
    blocks = zip(parts[1::2], parts[2::2], strict=True)
    return {title.strip("`"): text for title, text in blocks if re.fullmatch(r"`[\w.]+`", title)}


def test_the_page_is_what_is_generated(page, registry):
    assert page == reference.reference(registry), (
        "write it: python -m harness.benchmark.reference docs/benchmark-file.md"
    )


def test_every_key_is_on_the_page_once_with_its_meaning(page, entries):
    assert set(KEYS) <= set(entries)
    for key, meaning in KEYS.items():
        assert page.count(f"### `{key}`\n") == 1
        assert meaning.text in entries[key]


def test_no_entry_is_of_a_key_that_there_is_not(entries):
    of_tables = {name for models in TABLES.values() for model in models for name in model.model_fields}
    strange = {key for key in entries if key not in KEYS and key.rpartition(".")[2] not in of_tables}
    assert strange == set()


def test_every_entry_has_a_value_a_default_and_an_example_in_toml(entries):
    for key, text in entries.items():
        assert "**Value**: " in text, key
        default, example = re.search(r"\*\*Default\*\*: (.+?)\. \*\*Example\*\*: `(.+)`", text).groups()
        if default.startswith("`"):
            tomllib.loads(f"value = {default.strip('`')}")
        else:
            assert default in ("none", "none, it must be given"), key
        assert list(tomllib.loads(example)) == [key.rpartition(".")[2]]


def test_every_entry_says_what_another_value_changes(entries):
    for key, meaning in KEYS.items():
        assert IDENTITY[meaning.effect.identity] in entries[key], key
        assert ("A baseline must" in entries[key]) == (meaning.effect.baseline == "equal"), key
        assert ("protocol" in entries[key].rpartition("\\\n")[2]) == (meaning.effect.protocol != "none"), key


def test_every_default_of_the_model_is_the_one_on_the_page(entries):
    for key, field, _ in MEANINGS:
        if key != ("heads",) and field.default is not None and not field.is_required():
            assert f"**Default**: `{to_toml(field.default)}`" in entries[".".join(key).replace("*", "NAME")], key


def test_the_plugins_of_this_distribution_are_on_the_page(page, registry):
    for kind in ("optimizer", "scheduler"):
        for name, found in registry.offers[kind].items():
            assert f"| `{name}` |" in page or not (found.offer.space or found.offer.defaults)


@pytest.mark.parametrize(
    "value",
    [True, 3, 0.1, 1e-7, "text", 'a "quoted" one', "λ", [], [1, 2], ["a"], {}, {"a": 1}, {"a b": {"c": [True, "x"]}}],
)
def test_toml_reads_what_is_written_as_toml(value):
    assert tomllib.loads(f"value = {to_toml(value)}") == {"value": value}
