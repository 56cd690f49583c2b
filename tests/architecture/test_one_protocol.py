"""Which protocol stands is decided in harness/verdict/protocol.py, and the verdict's tables are read in verdict/reading.py."""

from __future__ import annotations

import ast

PLANTED = (
    "registered_protocols(records.meta)[0]",
    "first, *rest = registered_protocols(meta)",
    "records.meta.protocols[-1]",
    "meta['protocols']",
    "table['hash'].iloc[-1]",
    "table['hash'].head(1)",
    "standing_first(meta, table['hash'])",
)  # each picks a protocol, or puts one first
ALLOWED = ("harness/verdict/protocol.py", "harness/verdict/reading.py")


def picks(tree):
    """Return the lines of a module that pick a protocol; walking through all of them picks none."""
    loops = [node.iter for node in ast.walk(tree) if isinstance(node, ast.For | ast.comprehension)]
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            picked = called == "standing_first" or (called == "registered_protocols" and node not in loops)
        elif isinstance(node, ast.Attribute):
            is_place = node.attr in ("iloc", "iat", "head", "tail") and ast.unparse(node.value).endswith("['hash']")
            picked = node.attr == "protocols" or is_place
        else:
            picked = isinstance(node, ast.Subscript) and getattr(node.slice, "value", "") == "protocols"
        lines += [node.lineno] if picked else []
    return lines


def test_a_place_that_picks_a_protocol_is_found():
    assert [len(picks(ast.parse(line))) for line in PLANTED] == [1] * len(PLANTED)
    assert picks(ast.parse("for registered in registered_protocols(meta):\n    standing_protocol(meta)")) == []


def test_nobody_else_picks_a_protocol(trees):
    others = {place: tree for place, tree in trees.items() if place not in ALLOWED}
    assert len(others) == len(trees) - len(ALLOWED)
    assert [f"{place}:{line}" for place, tree in others.items() for line in picks(tree)] == []
