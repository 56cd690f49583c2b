"""A reader finds every check of a request from one place, and every line of an error is written in one."""

from __future__ import annotations

import ast
import importlib
import re

import pytest

from harness.benchmark import checks
from harness.benchmark.toml import Source, refusal

OF_PLUGINS = {"harness/training/stages.py:check_built"}  # checks what a plugin returned, and nothing of a request


def functions(file):
    return [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]


def test_every_check_is_named_where_a_reader_looks(repository):
    """By its own name, or by its module where all of that is checks."""
    missing = []
    for room in ("benchmark", "running", "training"):
        for file in sorted((repository / "harness" / room).rglob("*.py")):
            path = file.relative_to(repository).as_posix()
            module = path.removeprefix("harness/").removesuffix(".py").replace("/", ".")
            for function in functions(file):
                if not re.match(r"check(_|$)", function.name) or f"{path}:{function.name}" in OF_PLUGINS:
                    continue
                name = module if file.parent.name == "checks" else f"{module}.{function.name}"
                missing += [name] if f"``{name}``" not in checks.__doc__ else []
    assert missing == []


def test_every_name_there_is_one_that_there_is():
    names = re.findall(r"``((?:benchmark|running|training)[\w.]+)``", checks.__doc__)
    assert len(names) >= 12
    for name in names:
        try:
            assert importlib.import_module(f"harness.{name}")
        except ModuleNotFoundError:
            module, _, function = name.rpartition(".")
            assert callable(getattr(importlib.import_module(f"harness.{module}"), function)), name


def test_every_check_of_the_first_two_waves_is_made(repository):
    """Else it is a check that nobody calls."""
    room = repository / "harness" / "benchmark"
    calls = {
        node.func.id
        for file in room.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    for file in (room / "checks" / "file.py", room / "checks" / "names.py"):
        assert {f.name for f in functions(file) if f.name.startswith("check_")} <= calls


def test_the_line_of_a_refusal_is_written_in_one_place(repository):
    """In the room of the file and in that of the run: ``refusal`` writes it, of what must be and what was given."""
    by_hand = []
    for room in ("benchmark", "running"):
        for file in sorted((repository / "harness" / room).rglob("*.py")):
            if file.relative_to(repository).as_posix() == "harness/benchmark/lines.py":
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                if called and node.func.id == "BenchmarkError" and ": must " in ast.unparse(node):
                    by_hand.append(f"{file.name}:{node.lineno}")
    assert by_hand == []


@pytest.mark.parametrize(
    ("hint", "line"),
    [
        ("", "x.toml:3: train.l2: must be a number, got 'a'"),
        ("say less", "x.toml:3: train.l2: must be a number, got 'a'; say less"),
        ("; did you mean 1?", "x.toml:3: train.l2: must be a number, got 'a'; did you mean 1?"),
    ],
)
def test_a_refusal_says_where_what_must_be_what_was_given_and_what_to_do(hint, line):
    source = Source("x.toml", {}, {("train", "l2"): "x.toml:3"})
    assert str(source.refusal(("train", "l2"), "be a number", "'a'", hint)) == line
    assert str(refusal("x.toml:3: train.l2", "be a number", "'a'", hint)) == line
