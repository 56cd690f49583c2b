"""Where the keys of a TOML file stand, by a shallow look at its text, and the form of an error that names such a place.

A key gets the line of its table's header, or of ``key =`` at the start of a line. A key inside an inline table gets the line
of that table. The tables of a list, ``[[workload]]``, have their number in the key: ("workload", "0", "data", "size").
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.errors import BenchmarkError

KeyPath = tuple[str, ...]  # a dotted key: ("train", "l2")
_HEADER = re.compile(r"^\s*\[\[?([^\]]+)\]\]?\s*(?:#.*)?$")  # with blanks around the name, which split_key leaves out
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
KEY = re.compile(rf"^\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")


def find_lines(text: str) -> dict[KeyPath, int]:
    """Return the line (1 is the first) on which each dotted key was written."""
    table: KeyPath = ()
    lists: dict[KeyPath, int] = {}  # how many tables each list of tables has so far
    lines: dict[KeyPath, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            name = split_key(header[1])
            if line.lstrip().startswith("[["):
                lists[name] = lists.get(name, 0) + 1
                lines.setdefault(name, number)
            table = _with_numbers(name, lists)
            lines.setdefault(table, number)
        elif key := KEY.match(line):
            lines.setdefault((*table, *split_key(key[1])), number)
    return lines


def _with_numbers(name: KeyPath, lists: Mapping[KeyPath, int]) -> KeyPath:
    """Return a table's key with the number of the table behind the name of each list of tables."""
    numbered: list[str] = []
    lengths = {len(key) for key in lists}  # else a name of many parts would be looked up part by part
    for length, part in enumerate(name, 1):
        numbered.append(part)
        if length in lengths and name[:length] in lists:
            numbered.append(str(lists[name[:length]] - 1))
    return tuple(numbered)


def split_key(dotted: str) -> KeyPath:
    """Return the parts of a dotted key, without their quotes."""
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


def refusal(where: str, must: str, got: str, hint: str = "") -> BenchmarkError:
    """Return an error in the form of all errors: where, what must be, what was given, and what to do about it."""
    advice = hint.removeprefix("; ")
    return BenchmarkError(f"{where}: must {must}, got {got}{'; ' if advice else ''}{advice}")
