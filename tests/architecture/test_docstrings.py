"""Every public name says what it is, with an example, and every example runs.

The examples of what needs a finished run find ``folder`` and ``records``, and those of probes find ``parts``.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from dataclasses import is_dataclass, replace

import pytest

import harness
import harness.statistics

WITHOUT = {"Event", "Job", "Choice", "Float", "Int", "__version__", "hookimpl"}  # no definitions of ours
PUBLIC = [name for name in harness.__all__ if name not in WITHOUT and not inspect.ismodule(getattr(harness, name))]
STATISTICS = sorted(module.name for module in pkgutil.iter_modules(harness.statistics.__path__))


@pytest.fixture(scope="module")
def given(written_records, tmp_path_factory):
    """Return what the examples may use by name."""
    from harness.records import open_records
    from harness.testing import problems
    from harness.testing.driving import CPU, SGD, STEADY, ingredients, run_of
    from harness.training.parts import assemble

    folder = tmp_path_factory.mktemp("runs") / "made-up"
    written_records(folder, trials=8, epochs=3, arms=2, seeds=3, tested=16)
    problem = problems.NORMALISED
    use = ingredients(SGD, problem, STEADY)
    run = run_of(SGD, problem, STEADY, 1, phase="compare", init_seed=1, order_seed=1)
    parts = assemble(run, replace(use, test=use.train), CPU)
    return {"folder": folder, "records": open_records(folder), "parts": parts}


def examples(value, name, names):
    """Return the examples of a definition and of what it defines, as doctest finds them."""
    module = importlib.import_module(value.__module__)
    return [test for test in doctest.DocTestFinder().find(value, name, module, extraglobs=names) if test.examples]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_an_example_that_runs(name, given):
    tests = examples(inspect.unwrap(getattr(harness, name)), name, given)
    assert tests
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert [test.name for test in tests if runner.run(test).failed] == []


@pytest.mark.parametrize("name", [name for name in PUBLIC if inspect.isfunction(getattr(harness, name))])
def test_a_public_function_describes_its_arguments(name):
    function = inspect.unwrap(getattr(harness, name))
    described = inspect.getdoc(function).partition("Args:")[2].partition("\n\n")[0]
    lines = [line.strip().partition(":")[0] for line in described.splitlines()]
    assert [line for line in lines if line in inspect.signature(function).parameters] == list(
        inspect.signature(function).parameters
    )


@pytest.mark.parametrize("module", STATISTICS)
def test_the_functions_of_the_statistics_have_examples_that_run(module):
    module = importlib.import_module(f"harness.statistics.{module}")
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            assert ">>> " in inspect.getdoc(value), name
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", [name for name in PUBLIC if is_dataclass(getattr(harness, name))])
def test_a_field_of_a_public_value_is_explained(name):
    """In a comment at the field, or in the docstring, unless its name says it all."""
    source, words = (
        inspect.getsource(getattr(harness, name)),
        re.findall(r"\w+", inspect.getdoc(getattr(harness, name))),
    )
    lines, (definition,) = source.splitlines(), ast.parse(source).body
    for node in definition.body:
        if isinstance(node, ast.AnnAssign):
            field = node.target.id
            commented = any("  # " in line for line in lines[node.lineno - 1 : node.end_lineno])
            assert commented or field in words or field in SPEAK_FOR_THEMSELVES.get(name, ()), field


SPEAK_FOR_THEMSELVES = {
    "Arm": ("backbone", "optimizer", "scheduler"),
    "Records": ("folder",),
    "Deciding": ("goal",),
    "Metric": ("goal",),
    "Registered": ("protocol",),
    "Results": ("records",),
    "Run": ("phase", "arm", "epochs", "batch_size", "augment", "precision", "task"),
    "Several": ("records", "goal", "unit"),
    "Weights": ("file",),
}
