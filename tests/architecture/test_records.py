"""One way to record once, one store for what probes measure, and nobody takes a study's name apart."""

from __future__ import annotations

import ast

from harness import Done, Probe

ONCE = {"examples", "likeness", "paths_of", "folds"}  # notes that ``Store.once`` or ``is_recorded`` look after alone


def calls(trees, name):
    """Yield the place and the first argument of every call of a method."""
    for place, tree in trees.items():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == name
                and node.args
            ):
                yield place, node.args[0]


def test_whoever_measures_once_asks_the_store(trees):
    looked_up = [
        (place, ast.unparse(argument))
        for place, argument in calls(trees, "noted")
        if isinstance(argument, ast.Constant) and argument.value in ONCE
    ]
    assert looked_up == []


def test_measurements_have_one_writer(trees):
    assert {place for place, _ in calls(trees, "add_measured")} == {"harness/running/after/probing.py"}
    assert {field for field in Done.__dataclass_fields__ if "probe" in field or "array" in field} == set()
    assert "late" not in Probe.__dataclass_fields__


def test_a_probe_is_called_where_it_measures_and_where_it_is_timed(trees):
    called = [
        place
        for place, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "measure"
        if ast.unparse(node.func) == "probe.measure"
    ]
    places = ["measuring.py", "probe_costs.py", "retraining.py"]  # the last one asks whether it has runs trained again
    assert sorted(called) == [f"harness/running/after/{place}" for place in places]


def test_the_name_of_a_study_is_put_together_once_and_never_taken_apart(trees):
    written = [
        place
        for place, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value == " #"
    ]
    assert written == ["harness/running/search/samplers.py"]


def test_the_name_of_an_arm_is_taken_apart_in_one_place(trees):
    taken_apart = [
        place
        for place, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "rsplit"
        if ast.unparse(node).endswith(".rsplit('/', 2)")
    ]
    assert taken_apart == ["harness/plugin/runs.py"]
