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


def picks(text):
    """Return the lines of a module that pick a protocol; walking through all of them picks none."""
    tree = ast.parse(text)
    loops = [node.iter for node in ast.walk(tree) if isinstance(node, ast.For | ast.comprehension)]
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            picked = called == "standing_first" or (called == "registered_protocols" and node not in loops)
        elif isinstance(node, ast.Attribute):
            is_place = node.attr in ("iloc", "iat", "head", "tail") and ast.unparse(node.value).endswith("['hash']")
            picked = node.attr == "protocols" or is_place
        else:
            picked = isinstance(node, ast.Subscript) and ast.unparse(node.slice) == "'protocols'"
        lines += [node.lineno] if picked else []
    return lines


def test_a_place_that_picks_a_protocol_is_found():
    assert [len(picks(line)) for line in PLANTED] == [1] * len(PLANTED)
    assert picks("for registered in registered_protocols(meta):\n    standing_protocol(meta)") == []


def test_nobody_else_picks_a_protocol(repository):
    room = repository / "harness" / "verdict"
    files = [file for package in ("harness", "plugins", "reports") for file in (repository / package).rglob("*.py")]
    others = [file for file in files if file not in (room / "protocol.py", room / "reading.py")]
    assert len(others) == len(files) - 2
    assert [f"{file.name}:{line}" for file in others for line in picks(file.read_text())] == []
