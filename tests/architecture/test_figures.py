"""The figures of the code, on a made-up package whose figures are known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

MODULE = '''"""What it is.

More of it.
"""

# a comment
found = 1


def load_rows(path):
    """Return rows."""
    rows = [name for name in path]
    pairs = [[a for a in b] for b in rows]
    flat = [a for b in rows for a in b]
    return rows if flat else pairs


class Reader:
    """Reads."""

    def __init__(self):
        self.found = 2

    def read(self):
        text = """two
lines"""
        return text
'''
LONG = "def count():\n" + "    row = 1\n" * 51


@pytest.fixture(scope="module")
def figures():
    spec = importlib.util.spec_from_file_location("figures_of_the_code", Path(__file__).with_name("figures.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up the names in their annotations
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def made_up(tmp_path):
    package = tmp_path / "house"
    (package / "room").mkdir(parents=True)
    for init in (package, package / "room"):
        (init / "__init__.py").write_text("")
    (package / "__main__.py").write_text("")
    (package / "reading.py").write_text(MODULE)
    (package / "room" / "counting.py").write_text(LONG)
    return tmp_path


def test_every_figure_is_counted(figures, made_up):
    counts = figures.count(made_up, ("house",))
    # In reading.py: found, load_rows with 5 lines, class, __init__ with 2, read with 4. In counting.py: 52.
    assert sorted(counts.functions) == [2, 4, 5, 52]
    assert len(counts.characters) == 1 + 5 + 1 + 2 + 4 + 52
    assert counts.names == 3  # __init__ is no choice of ours
    assert [line.text for line in counts.one_word] == ["read", "count"]
    assert [str(line) for line in counts.generic] == ["house/reading.py:7 found"]  # an attribute is no local name
    assert counts.assigned == 1 + 8 + 1 + 51
    assert [line.line for line in counts.nested] == [13, 14]
    assert [line.line for line in counts.conditional] == [15]
    assert [line.text for line in counts.long_functions] == ["count: 52 code lines"]
    assert counts.long_modules == []


def test_the_figures_are_of_these_counts(figures, made_up):
    names = figures.top_names(made_up / "house")
    assert names == ["reading", "room"]
    shown = figures.figures(figures.count(made_up, ("house",)), names)
    assert shown == {
        "code lines of a function: median": "4",
        "code lines of a function: 90th percentile": "52",
        "code lines of a function: 99th percentile": "52",
        "functions over 50 code lines": "1",
        "names in the top folder": "2",
        "characters in a code line": f"{(9 + 20 + 31 + 38 + 35 + 32 + 13 + 19 + 14 + 15 + 13 + 8 + 11 + 12 + 51 * 7) / 65:.0f}",
        "one-word function names (%)": "66.7",
        "generic assigned names (%)": f"{100 / 61:.1f}",
        "nested comprehensions per 100 lines": f"{200 / 65:.2f}",
        "conditional expressions per 100 lines": f"{100 / 65:.1f}",
    }
    assert list(shown) == list(figures.OF_MODELS)


def test_the_places_of_a_figure_are_printed(figures, made_up, capsys):
    (made_up / "house").rename(made_up / "harness")
    figures.main(["--root", str(made_up), "--where", "long"])
    assert capsys.readouterr().out == "harness/room/counting.py:1 count: 52 code lines\n"
    figures.main(["--root", str(made_up), "--where", "nested", "--under", "harness/room"])
    assert capsys.readouterr().out == "none\n"


def test_percentiles_are_values_of_the_list(figures):
    assert [figures.percentile(list(range(1, 101)), p) for p in (50, 90, 99)] == [50, 90, 99]
    assert figures.percentile([3], 99) == 3
    assert figures.percentile([], 50) == 0


def test_this_code_has_figures(figures, capsys, monkeypatch):
    """Of one room, because all of them take half a minute."""
    room = figures.count(packages=("harness/verdict",))
    assert room.modules > 5
    monkeypatch.setattr(figures, "count", lambda root: room)
    figures.main([])
    out = capsys.readouterr().out
    assert all(name in out for name in figures.OF_MODELS)
