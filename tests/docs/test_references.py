"""Where the pages point to is there: links, anchors, files, modules and names of the package."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import harness
from harness.benchmark.meaning import key_meanings
from harness.benchmark.sections import Benchmark

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
LINK = re.compile(r"\]\(([^)\s]+)\)")
PACKAGES = ("harness", "plugins/harness_plugins", "reports/harness_reports")
FUNCTIONS = ("run", "plan", "lr_find", "predict", "export", "load", "fit")  # that are called from Python
READERS = {
    "unit.py",
    "lion.py",
    "mylion.py",
    "test_mylion.py",
    "dirty.py",
    "my_optimizer.py",
    "mnist.py",
    "mine.py",
    "FILE.py",
    "_NAME.py",
}  # files of the reader's own
NOT_THERE = {"harness.train", "train.py"}  # architecture.md says why there is none
ATTRIBUTE = re.compile(r"(?<![\w./-])(harness(?:_plugins|_reports)?(?:\.[A-Za-z_]\w*)+)")
FILE = re.compile(r"(?<![\w./-])((?:[\w-]+/)*[\w-]+\.py)\b")
PAGE_IN_CODE = re.compile(r"docs/[\w-]+\.md(?:#[\w-]+)?")


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    known: list[str] = []
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        repeated = sum(re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", other) is not None for other in known)
        known.append(f"{anchor}-{repeated}" if repeated else anchor)
    return set(known)


def points_to_something(page, link):
    file, _, anchor = link.partition("#")
    target = (page.parent / file).resolve() if file else page
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("page", NAMES)
def test_every_link_and_anchor_leads_somewhere(page):
    links = [link for link in LINK.findall((ROOT / page).read_text()) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not points_to_something(ROOT / page, link)] == []


def test_the_pages_are_linked():
    """A page that no other page leads to is not read."""
    links = {link.partition("#")[0] for page in PAGES for link in LINK.findall(page.read_text())}
    assert {page.name for page in ROOT.glob("docs/*.md")} <= {link.rpartition("/")[2] for link in links}


def test_every_page_that_the_code_names_is_there():
    folders = [ROOT / folder for folder in (*PACKAGES, "benchmarks", "tests")]
    files = [
        file for folder in folders for file in folder.rglob("*") if file.suffix in (".py", ".toml", ".html", ".js")
    ]
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    names = {name for text in texts for name in PAGE_IN_CODE.findall(text)}
    assert len(names) >= 5
    assert [name for name in sorted(names) if not points_to_something(ROOT / "README.md", name)] == []


def is_there(name):
    """Return whether a dotted name is a module of ours, or what one has."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(thing, part):
                return False
            thing = getattr(thing, part)
        return True
    return False


@pytest.mark.parametrize("page", NAMES)
def test_every_module_and_name_of_the_package_is_there(page):
    names = {
        name for name in ATTRIBUTE.findall((ROOT / page).read_text()) if not name.endswith((".md", ".py", ".toml"))
    }
    assert [name for name in sorted(names - NOT_THERE) if not is_there(name)] == []


@pytest.fixture(scope="module")
def python_files():
    """Every file of Python in the repository, by its path."""
    folders = [ROOT / folder for folder in (*PACKAGES, "benchmarks", "docs", "tests")]
    return [file for folder in folders for file in folder.rglob("*.py")]


FILES = (".html", ".md", ".csv", ".tex", ".bib", ".txt", ".py", ".zip", ".EXTENSION")  # no keys
FREE = ("data.options", "train.executor_options", "search.space", "search.sampler_options", "search.pruner_options", "compare.probe_options",
        "compare.probe_sizes", "compare.probe_budgets", "report.target.", "report.listener_options")  # tables whose keys are of plugins  # fmt: skip


@pytest.mark.parametrize("page", NAMES)
def test_every_key_of_the_benchmark_file_is_there(page):
    text = (ROOT / page).read_text()
    names = set(re.findall(r"`((?:data|train|search|compare|verdict|report|baseline)\.\w+(?:\.\w+)*)", text))
    names = {name for name in names if not name.endswith(FILES) and not name.startswith(FREE)}
    keys = {".".join(key) for key, _, _ in key_meanings(Benchmark)}
    tables = {key.rpartition(".")[0] for key in keys}
    assert sorted(names - keys - tables) == []


def names_a_file(name, line, files):
    """Return whether a path is a file's: from the root, the pages, a package, or a room that is named in the same line.

    A bare name will also do where one file alone has it.
    """
    rooms = [f"harness/{room}" for room in re.findall(r"`(\w+)/`", line)]
    if any((ROOT / folder / name).is_file() for folder in ("", "docs", *PACKAGES, *rooms)):
        return True
    return sum(file.name == name for file in files) == 1


@pytest.mark.parametrize("page", NAMES)
def test_every_file_of_python_that_is_named_is_there(page, python_files):
    lines = (ROOT / page).read_text().splitlines()
    names = [(name, line) for line in lines for name in FILE.findall(line)]
    names = [(name, line) for name, line in names if Path(name).name not in READERS and name not in NOT_THERE]
    assert [name for name, line in names if not names_a_file(name, line, python_files)] == []


SCRIPTS = [
    path.relative_to(ROOT).as_posix()
    for folder in ("benchmarks/speed", "benchmarks/science", "docs/pictures")
    for path in sorted((ROOT / folder).glob("*.py"))
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_a_script_imports_of_ours_is_there(script):
    """Scripts that take minutes are run by hand; a name that they import must not be gone by then."""
    tree = ast.parse((ROOT / script).read_text())
    imports = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module.startswith("harness")
    ]
    names = [f"{node.module}.{alias.name}" for node in imports for alias in node.names]
    assert [name for name in names if not is_there(name)] == []


def test_every_public_name_stands_in_a_page():
    words = {word for page in PAGES for word in re.findall(r"\w+", page.read_text(encoding="utf-8"))}
    assert [name for name in harness.__all__ if name not in words] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_argument_stands_in_the_page_on_python(function):
    words = set(re.findall(r"\w+", (ROOT / "docs" / "python.md").read_text(encoding="utf-8")))
    arguments = inspect.signature(getattr(harness, function)).parameters
    assert [name for name in arguments if name not in words] == []
