"""What a run is about is read in one way, and the sign of a goal is computed in one place."""

from __future__ import annotations

import ast

import pytest

from harness import Deciding, Meta


def is_meta(node):
    return (isinstance(node, ast.Attribute) and node.attr == "meta") or (
        isinstance(node, ast.Name) and node.id == "meta"
    )


def test_nobody_looks_meta_up_by_a_string(trees):
    looked_up = [
        f"{place}:{node.lineno}"
        for place, tree in trees.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Subscript) and is_meta(node.value))
        or (isinstance(node, ast.Attribute) and node.attr in ("get", "items", "keys") and is_meta(node.value))
    ]
    assert looked_up == []


def is_one(node):
    value = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(value, ast.Constant) and value.value in (1, 1.0)


def test_the_sign_of_a_goal_is_computed_once(trees):
    signs = [
        place
        for place, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.IfExp)
        and is_one(node.body)
        and is_one(node.orelse)
        and any(isinstance(part, ast.Constant) and part.value in ("min", "max") for part in ast.walk(node.test))
    ]
    assert signs == ["harness/plugin/meta.py"]


@pytest.mark.parametrize(
    ("deciding", "sign", "value", "text"),
    [
        (Deciding("accuracy", "max", "%"), 1, 0.91254, "91.25 %"),
        (Deciding("loss", "min", "nats"), -1, 0.42134, "0.421 nats"),
        (Deciding("mse", "min", ""), -1, 12.0, "12.0"),
    ],
)
def test_the_deciding_metric_knows_its_columns_sign_and_words(deciding, sign, value, text):
    assert (deciding.column, deciding.tune_column) == (f"test_{deciding.name}", f"tune_{deciding.name}")
    assert (deciding.sign, deciding.text(value)) == (sign, text)


def test_what_a_run_is_about_has_no_other_keys():
    meta = Meta(benchmark={}, data={}, metrics={}, metric="accuracy", search_metric="loss", arms=[], spaces={})
    with pytest.raises(AttributeError):
        _ = meta.metrik
    with pytest.raises(AttributeError):
        meta.metric = "loss"
