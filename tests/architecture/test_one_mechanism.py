"""One mechanism for one purpose: what keeps a second one away, by reading the source."""

from __future__ import annotations

import ast


def merges_defaults(node: ast.AST) -> bool:
    """Return whether an expression lays a mapping over an offer's ``defaults``: in a dict, by ``|`` or by ``dict()``."""
    match node:
        case ast.Dict(keys=keys, values=values):
            parts = [value for key, value in zip(keys, values, strict=True) if key is None]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            parts = [left, right]
        case ast.Call(func=ast.Name(id="dict"), args=[first], keywords=keywords):
            parts = [first, *(keyword.value for keyword in keywords if keyword.arg is None)]
        case _:
            return False
    return len(parts) > 1 and any(isinstance(part, ast.Attribute) and part.attr == "defaults" for part in parts)


def test_settings_are_laid_over_defaults_in_one_place(trees):
    """``Optimizer.settings`` and ``Scheduler.settings`` say what build() is given."""
    places = {file for file, tree in trees.items() if any(map(merges_defaults, ast.walk(tree)))}
    assert places == {"harness/plugin/contracts/learning.py"}


def test_the_ways_to_lay_over_defaults_are_known():
    spellings = ["{**a.defaults, **b}", "{**b, **a.b.defaults}", "a.defaults | b", "dict(a.defaults, **b)"]
    assert all(merges_defaults(ast.parse(text, mode="eval").body) for text in spellings)
    harmless = ["a.defaults", "dict(a.defaults)", "{**a, **b}", "[*a.space, *a.defaults]", '{**a.defaults, "lr": 1}']
    assert not any(merges_defaults(ast.parse(text, mode="eval").body) for text in harmless)
