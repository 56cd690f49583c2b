"""What the import contract of ``pyproject.toml`` does not ask: no circle of modules, and no way from reading to torch."""

from __future__ import annotations

import importlib.util
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

# What reads a run folder, and what is made from it: it may annotate with torch, and never imports it.
READING = (
    "harness_reports", "harness_plugins.analyses", "harness.records", "harness.results", "harness.statistics", "harness.verdict",
    *(f"harness.cli.{name}" for name in ("compare", "figures", "index", "report", "show", "status", "usage", "watch")),
)  # fmt: skip
WALKING = ("harness.results.pictures.walks",)  # it takes a constant of the module that walks, which imports torch
HEAVY = ("torch", "timm")


@pytest.fixture(scope="module")
def graph():
    spec = importlib.util.spec_from_file_location("import_graph", Path(__file__).with_name("graph.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def circle(imports):
    """Return the modules of a circle, the first one again at the end; none where there is no circle."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_modules_import_each_other_in_a_circle_not_even_for_type_checkers(graph):
    assert circle(graph.import_graph(type_checking=True)) == []


def test_reports_analyses_and_records_never_reach_torch(graph):
    imports = graph.import_graph(type_checking=False)
    readers = [name for name in imports if name.startswith(READING) and name not in WALKING]
    assert len(readers) > 50
    assert all(any(name.startswith(place) for name in readers) for place in READING)
    importers = graph.reachable(imports, readers)
    assert [graph.way(importers, name) for name in HEAVY if name in importers] == []
    assert "torch" in graph.reachable(imports, ["harness.training.parts"])


def test_the_graph_sees_every_kind_of_import(graph, tmp_path):
    file = tmp_path / "module.py"
    file.write_text(
        "import json.decoder\nfrom house import room, WALL\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from house.loft import Roof\n\ndef enter():\n    import torch.nn\n"
    )
    known = {"house": file, "house.room": file, "house.loft": file}
    always = {"json", "house", "house.room", "typing", "torch"}
    assert set(graph.imported_modules(file, known, type_checking=False)) == always
    assert set(graph.imported_modules(file, known, type_checking=True)) == {*always, "house.loft"}
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) in (["b", "c", "b"], ["c", "b", "c"])
    assert graph.way(graph.reachable({"a": {"b"}, "b": {"torch"}}, ["a"]), "torch") == "a > b > torch"
