"""A plugin's identity covers the helpers it imports, and nothing else."""

from __future__ import annotations

import hashlib
import importlib
import sys

import pytest

from harness.plugin.source_hash import Sources, fingerprint


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that writes a module of a package that can be found."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "sources_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")

    def write(name, text):
        (folder / f"{name}.py").write_text(text)
        return folder / f"{name}.py"

    yield write
    for name in [name for name in sys.modules if name.startswith("sources_of_a_test")]:
        del sys.modules[name]


def test_a_file_alone_is_its_own_hash(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("import torch\n")
    assert fingerprint(file, "harness_plugin_mine") == hashlib.sha256(b"import torch\n").hexdigest()
    assert fingerprint(tmp_path / "none.py", "none") == ""


def test_helpers_count_and_so_do_theirs(package):
    file = package("plugin", "def build():\n    from sources_of_a_test import _one\n    return _one.x\n")
    package("_one", "from sources_of_a_test._two import x\n")
    package("_two", "x = 1\n")
    package("other", "y = 1\n")
    before = fingerprint(file, "sources_of_a_test.plugin")
    assert fingerprint(file, "sources_of_a_test.plugin") == before
    package("other", "y = 2\n")
    assert fingerprint(file, "sources_of_a_test.plugin") == before
    package("_two", "x = 2\n")
    assert fingerprint(file, "sources_of_a_test.plugin") != before


@pytest.mark.parametrize("line", ["from . import other", "from .other import y", "import sources_of_a_test.other"])
def test_whatever_it_imports_of_its_own_package_counts(package, line):
    """As sam imports sgd, around which it goes when nothing else is said."""
    file = package("plugin", f"{line}\n")
    package("other", "y = 1\n")
    before = fingerprint(file, "sources_of_a_test.plugin")
    package("other", "y = 2\n")
    assert fingerprint(file, "sources_of_a_test.plugin") != before


def test_what_was_imported_counts_until_it_is_imported_again(package):
    """A process goes on with the code that it has, so a file that is changed meanwhile must not change what its runs are."""
    file = package("plugin", "def build():\n    from sources_of_a_test import _late\n    return _late.x\n")
    late = package("_late", "x = 1\n")
    package("_other", "y = 1\n")
    plugin = importlib.import_module("sources_of_a_test.plugin")
    before = Sources().fingerprint_of(plugin)
    assert before == fingerprint(file, plugin.__name__)
    file.write_text(file.read_text() + "# changed\n")
    late.write_text("x = 20\n")
    importlib.import_module("sources_of_a_test._other")
    assert Sources().fingerprint_of(plugin) == before
    plugin.build()  # which imports the changed helper
    with_late = Sources().fingerprint_of(plugin)
    assert with_late == fingerprint(file, plugin.__name__) != before
    file.write_text(file.read_text() + "# again\n")
    assert Sources().fingerprint_of(plugin) == with_late
    importlib.reload(plugin)
    assert Sources().fingerprint_of(plugin) == fingerprint(file, plugin.__name__) != with_late


def test_a_file_that_is_no_source_has_its_own_hash(tmp_path):
    file = tmp_path / "compiled.so"
    file.write_bytes(b"\x7fELF\x00\xff")
    assert fingerprint(file, "compiled") == hashlib.sha256(file.read_bytes()).hexdigest()
