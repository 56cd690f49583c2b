"""Fixtures shared by all tests: tiny data, tiny benchmarks, and nothing of the user's own."""

from __future__ import annotations

import ast
import gc
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from harness.console.progress import Reporter
from harness.plugin.contracts import Results
from harness.plugin.discovery import discover
from harness.plugin.registry import Registry

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images go to a folder of this session, and no folder of photos is found by accident."""
    before = {name: os.environ.get(name) for name in ("HARNESS_CACHE", "HARNESS_DATA", "HARNESS_DOWNLOADS")}
    os.environ["HARNESS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["HARNESS_DOWNLOADS"] = str(tmp_path_factory.mktemp("downloads"))
    os.environ.pop("HARNESS_DATA", None)
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session", autouse=True)
def _no_sign_of_life() -> Iterator[None]:
    """No line says what is under way because this machine is slow: what a command prints is the same on every machine."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("harness.console.heart.SILENCE", float("inf"))
        yield


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Every built-in plugin."""
    return discover()


@pytest.fixture(scope="session")
def every_analysis(registry: Registry) -> tuple[str, ...]:
    """The plugins of all analyses, for the ``block`` of a benchmark file: its report is written, and has no tables.

    It is for runs in another process, and for those whose report is read. All others leave it out, with ``unreported``.
    """
    return tuple(sorted({offered.plugin for offered in registry.offers["analysis"].values()}))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shown() -> Callable[[str, str], list[re.Pattern[str]]]:
    """Return a function that returns a pattern for each line that a page shows of a command's output, but for those of dots.

    The command is found by its first words. A number stands for any number, and a word with a slash in it, or with the ending of
    a file, for any word, so a page may show what came of a larger run than that of a test.
    """

    def pattern(word: str) -> str:
        if "/" in word or re.search(r"\.(jpg|png|csv|zip)\W*$", word):
            return r"\S+"
        return re.sub(r"\d(?:[\d,]|\\\.\d)*", r"\\d[\\d,.]*", re.escape(word))

    def patterns(page: str, words: str) -> list[re.Pattern[str]]:
        text = (ROOT / page).read_text(encoding="utf-8")
        block = re.search(rf"^    \$ {re.escape(words)}.*\n((?:    .*\n|\n)+)", text, re.MULTILINE)
        assert block, (page, words)
        lines = [line.split() for line in block[1].splitlines() if line.strip() not in ("", "...")]
        return [re.compile(r"\s*" + r"\s+".join(map(pattern, line))) for line in lines]

    return patterns


@pytest.fixture(scope="session")
def trees() -> Mapping[str, ast.Module]:
    """The syntax tree of every module of the product, by its place in the repository, parsed once."""
    files = [file for package in ("harness", "plugins", "reports") for file in sorted((ROOT / package).rglob("*.py"))]
    return {file.relative_to(ROOT).as_posix(): ast.parse(file.read_text(encoding="utf-8")) for file in files}


@pytest.fixture(scope="session")
def written_records() -> Callable[..., None]:
    """Return a function that writes a run folder full of made-up records: the one that measures the report's speed."""
    spec = importlib.util.spec_from_file_location("speed_of_report", ROOT / "benchmarks" / "speed" / "report.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_records


MOST_YOUNG = 50_000  # objects after which the garbage collector looks at those that are new; Python's own number is 700


def pytest_configure() -> None:
    """Have the garbage collector look seldom: a twelfth of the tests' time went to it."""
    gc.set_threshold(MOST_YOUNG, *gc.get_threshold()[1:])


def pytest_collection_finish() -> None:
    """Have it never look at what is there before the first test: modules, and the tests themselves."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked ``gpu`` where there is no GPU."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        import torch

        if not torch.cuda.is_available():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="needs a GPU"))


TINY = (ROOT / "tests" / "tiny.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def page() -> tuple[str, str]:
    """The replacement in a tiny benchmark file that makes its run write the page too."""
    return 'formats = ["text"]', 'formats = ["html"]'


@pytest.fixture(scope="session")
def undrawing() -> Callable[[], AbstractContextManager[None]]:
    """Return a function to a context in which the figures of a page stay empty, but for their titles and data.

    Drawing them is most of a page's time. It is for tests that read words: ``tests/reports/test_html.py``, ``test_minima.py``
    and the tests in a browser draw.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    @contextmanager
    def undrawn() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Figure, "draw", lambda figure, renderer: None)
            patched.setattr(ConstrainedLayoutEngine, "execute", lambda engine, figure: None)
            yield

    return undrawn


@pytest.fixture
def undrawn(undrawing: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Leave the figures of every page of a test empty, as ``undrawing`` does."""
    with undrawing():
        yield


@pytest.fixture(scope="session")
def tiny_text() -> Callable[..., str]:
    """Return a function that returns the text of the tiny benchmark file, with pieces of it replaced."""

    def replaced(*replacements: tuple[str, str], text: str = TINY) -> str:
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        return text

    return replaced


@pytest.fixture
def benchmark_file(tmp_path: Path, tiny_text: Callable[..., str]) -> Callable[..., Path]:
    """Return a function that writes a tiny benchmark file, with pieces of its text replaced, and returns its path."""

    def write(*replacements: tuple[str, str], text: str = TINY, name: str = "tiny.toml") -> Path:
        file = tmp_path / name
        file.write_text(tiny_text(*replacements, text=text), encoding="utf-8")
        return file

    return write


SMALLEST = (("trials = 3", "trials = 1"), ("seeds = 2", "seeds = 1\nuntuned = 0\ngate = false"))


@pytest.fixture(scope="session")
def smallest() -> tuple[tuple[str, str], ...]:
    """The replacements after which a tiny benchmark trains each arm twice: in one trial, and in one comparison run."""
    return SMALLEST


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a function that returns a folder after it was filled, once in a session of the tests.

    pytest-xdist has several processes, each with session fixtures of its own. The first one that asks for a folder fills
    it. Another one that asks meanwhile waits for it.
    """
    base = tmp_path_factory.getbasetemp()
    shares = "PYTEST_XDIST_WORKER" in os.environ and sys.platform != "win32"  # where files can be locked
    common = base.parent if shares else base

    def once(name: str, fill: Callable[[Path], object]) -> Path:
        folder, filled = common / f"once-{name}", common / f"once-{name}.filled"
        with alone(common / f"once-{name}.lock"):
            if not filled.exists():
                shutil.rmtree(folder, ignore_errors=True)  # another process could not fill it
                folder.mkdir()
                fill(folder)
                filled.touch()
        return folder

    return once


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Let this process be alone, among those that name the same file."""
    with lock.open("w") as handle:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def tiny_run(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The run folder of the tiny benchmark, carried out once for all tests that only read it.

    Two folders above it are its file, ``tiny.toml``, and what was printed, ``printed.txt``.
    """
    from harness.running.prepare import Request
    from harness.running.start import run

    def fill(place: Path) -> None:
        (place / "tiny.toml").write_text(TINY, encoding="utf-8")
        request = Request(place / "tiny.toml", out=place / "runs")
        with (place / "printed.txt").open("w", encoding="utf-8") as printed, redirect_stdout(printed):
            assert run(request, Reporter(), ["harness", "run", str(request.file)]) == 0

    (folder,) = (made_once("tiny", fill) / "runs").iterdir()
    return folder


@pytest.fixture
def tiny_copy(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of that run folder in ``runs``, which a test may change, and in which the tiny benchmark goes on."""
    return shutil.copytree(tiny_run, tmp_path / "runs" / tiny_run.name)


@pytest.fixture(scope="session")
def leave_out_reports() -> Callable[[pytest.MonkeyPatch], None]:
    """Return a function after which runs end without analyses, tables and report: a third of the time of a small one.

    It is for tests of what is recorded. A run of the same kind is reported in another test.
    """
    from harness.records import open_records
    from harness.results.reports import Written

    def nothing(folder: Path, *_: object, **__: object) -> Written:
        return Written((), Results(open_records(folder), {}), ())

    return lambda patch: patch.setattr("harness.running.start.write_reports", nothing)


@pytest.fixture
def unreported(leave_out_reports: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of the test end without analyses, tables and report."""
    leave_out_reports(monkeypatch)


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a folder of small JPEGs in fast.ai's layout, one colour a class."""
    from PIL import Image

    def write(
        classes: tuple[str, ...] = ("cats", "dogs"),
        train: int = 8,
        valid: int = 4,
        splits: tuple[str, ...] = ("train", "valid"),
    ) -> Path:
        root = tmp_path / "photos"
        for split in splits:
            for number, label in enumerate(classes):
                folder = root / split / label
                folder.mkdir(parents=True)
                for i in range(train if split == "train" else valid):
                    random = np.random.default_rng([number, i, len(split)])
                    pixels = random.integers(0, 100, (20, 30, 3), dtype=np.uint8)
                    pixels[..., number % 3] += 100
                    Image.fromarray(pixels).save(folder / f"{label}.{i}.jpg", quality=90)
        return root

    return write


@pytest.fixture(scope="session")
def set_by_latex() -> Callable[..., str]:
    """Return a function that has LaTeX set a text in a folder and returns its log.

    It skips the test where LaTeX or a package of it is missing.
    """

    def typeset(body: str, folder: Path, *packages: str, options: str = "") -> str:
        if not shutil.which("pdflatex"):
            pytest.skip("pdflatex is not installed here; TeX Live has it")
        for package in packages:
            known = subprocess.run(["kpsewhich", f"{package}.sty"], capture_output=True, check=False)
            if known.returncode:
                pytest.skip(f"LaTeX's package {package} is not installed here; TeX Live has it")
        uses = "".join(rf"\usepackage{{{package}}}" for package in packages)
        page = rf"\documentclass[{options}]{{article}}{uses}\begin{{document}}{body}\end{{document}}"
        (folder / "page.tex").write_text(page, encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
        assert made.returncode == 0, made.stdout[-2000:]
        return (folder / "page.log").read_text(encoding="utf-8", errors="replace")

    return typeset
