"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import re
import subprocess
import sys

import harness
from harness.plugin.contracts import KINDS, OFFERS


def test_the_public_names_are_sorted_and_all_there():
    assert harness.__all__ == sorted(harness.__all__)
    for name in harness.__all__:
        assert getattr(harness, name) is not None
    assert set(dir(harness)) >= set(harness.__all__)


def test_a_public_name_is_imported_once_and_as_itself():
    """So type checkers take it for public, and what is looked up late is what they were told."""
    plain, late = [], {}
    for node in ast.parse(inspect.getsource(harness)).body:
        if isinstance(node, ast.ImportFrom):
            assert [alias.name for alias in node.names] == [alias.asname for alias in node.names]
            plain += [alias.name for alias in node.names]
        elif isinstance(node, ast.If):
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom):
                    late |= {alias.asname: f"{inner.module}.{alias.name}" for alias in inner.names}
                elif isinstance(inner, ast.Assign):
                    late[ast.unparse(inner.targets[0])] = ast.unparse(inner.value)
    assert late == harness._LAZY
    assert sorted([*plain, *late, "__version__"]) == harness.__all__


def test_importing_harness_imports_nothing_heavy():
    code = "import sys, json; before = set(sys.modules); import harness; print(json.dumps(sorted(set(sys.modules) - before)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    top = {name.partition(".")[0] for name in json.loads(out)}
    assert top - sys.stdlib_module_names == {"harness", "pluggy"}
    rooms = {name.split(".")[1] for name in json.loads(out) if name.startswith("harness.")}
    assert rooms == {"console", "errors", "plugin"}


def test_every_kind_has_a_contract_and_a_hook():
    from harness.plugin import hookspecs

    assert set(OFFERS) == set(KINDS)
    hooks = {name for name in vars(hookspecs) if name.startswith("harness_")}
    assert len(hooks) == len(KINDS) + 1  # catalogues are of every kind


def public_definitions(module):
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    for node in (*module.body, *(inner for outer in classes for inner in outer.body)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def test_every_public_function_says_what_it_returns(trees):
    silent = [
        f"{place}:{definition.lineno} {definition.name}"
        for place, tree in trees.items()
        if "/test_" not in place  # the templates of tests, whose names say it
        for definition in public_definitions(tree)
        if not ast.get_docstring(definition)
    ]
    assert silent == []


def test_every_module_says_what_it_is(trees):
    assert [place for place, tree in trees.items() if not ast.get_docstring(tree)] == []


def test_the_readme_begins_with_installing_and_a_first_run_and_ci_runs_its_test_command(repository):
    readme = (repository / "README.md").read_text()
    commands = ["python -m pip install -c constraints.txt -e .", "harness run tiny", "harness run dogscats"]
    places = [readme.index(f"\n    {command}\n") for command in commands]
    assert places == sorted(places)
    test = "python -m pip install tox && tox -p"
    assert f"\n    {test}\n" in readme
    assert test in (repository / ".ci" / "run").read_text().splitlines()


def test_the_readmes_commands_exist(repository):
    from typer.main import get_command

    from harness.cli.app import app

    known = set(get_command(app).commands)
    readme = (repository / "README.md").read_text()
    used = set(re.findall(r"^ *harness ([a-z-]+)", readme, re.MULTILINE))
    assert used
    assert used <= known


def test_an_executors_events_are_iterated_in_one_place(trees):
    """There is one event loop. The suites that check a plugin have their own, without a run folder."""
    places = []
    for place, tree in trees.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if any(isinstance(call.func, ast.Attribute) and call.func.attr == "events" for call in calls):
            places.append(place)
    core = [place for place in sorted(places) if place.startswith("harness/") and "/testing/" not in place]
    assert core == [
        "harness/running/event_loop.py",
        "harness/running/executor.py",
    ]  # the second one is the boundary around the plugin's


def test_nothing_private_of_optuna_is_used(trees):
    """Its private names change from release to release; OptunaStudy asks its storage by public methods."""
    private = ("_storage", "_study_id", "_suggest", "_trial_id")
    for place, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in private:
                own = isinstance(node.value, ast.Name) and node.value.id == "self"
                assert own, f"{place}:{node.lineno} {node.attr}"


def test_what_is_watched_for_patches_exists():
    """A module that moves must not fall out of the list of those whose functions are compared around a plugin."""
    from harness.plugin.process_settings.members import OURS

    assert [name for name in OURS if importlib.util.find_spec(name) is None] == []
    rooms = {
        "harness.training",
        "harness.records",
        "harness.statistics",
        "harness.running.search",
        "harness.running.workbench",
    }
    assert rooms <= set(OURS)
