"""One headless Chromium for all tests here, and pages made from made-up records.

Without Playwright or without a Chromium these tests are skipped, unless ``HARNESS_BROWSER_TESTS`` is "required".
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest


def analyses_of(module: Any) -> list[Any]:
    """Return the analyses of a module: the core's, which a plugin registers, or those of a plugin."""
    return [module.ANALYSIS] if hasattr(module, "ANALYSIS") else module.harness_analyses()


PATIENCE = 600_000  # milliseconds to wait for what must come: many times what a slow, busy machine needs
PHOTOS = "HARNESS_TEST_PHOTOS"  # names a folder of real photos, with valid/cats and valid/dogs
OPTIMIZERS = ("sgd", "adam", "rmsprop", "adamw", "nadam", "adagrad", "lion", "radam")
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
WATCH = "window.barred = []; addEventListener('securitypolicyviolation', (e) => barred.push(e.violatedDirective + ' ' + e.sample));"


def _without(reason: str) -> NoReturn:
    if os.environ.get("HARNESS_BROWSER_TESTS") == "required":
        pytest.fail(f"HARNESS_BROWSER_TESTS is 'required', but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return a running Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _without("Playwright is not installed")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        _without(f"there is none of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, timeout=PATIENCE)
        yield running
        running.close()


@pytest.fixture
def expect(browser: Any) -> Any:
    """Return Playwright's assertions, which wait."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    return expect


@dataclass
class Opened:
    """A page, and everything it complained of or asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def barred(self) -> list[str]:
        """Return what the page's policy has forbidden so far."""
        found: list[str] = self.page.evaluate("barred")
        return found

    def show(self, selector: str) -> Any:
        """Open every ``<details>`` around an element, and itself if it is one; return the element."""
        there = self.page.locator(selector).first
        there.evaluate("(e) => { for (let d = e; d; d = d.parentElement) if (d.tagName === 'DETAILS') d.open = true; }")
        return there


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Return a function that opens a file in a context of its own: ``open_page(path, width=, dark=, script=)``."""
    contexts = []

    def open_it(path: Path, width: int = 1400, dark: bool = False, script: bool = True) -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        opened = Opened(page)
        page.on("console", lambda said: opened.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (opened.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: opened.requests.append(request.url))
        if script:
            page.add_init_script(WATCH)
        page.goto(path.as_uri())
        return opened

    yield open_it
    for context in contexts:
        context.close()


def load(name: str) -> Any:
    """Return a module of ``tests/reports``, for its made-up records."""
    source = Path(__file__).parents[1] / "reports" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"made_up_{name}", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def made_up() -> Callable[[str], Any]:
    """Return ``load``."""
    return load


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Callable[..., Path]:
    """Return a function that writes the page of made-up records, once for every name: ``written(name, **about)``."""
    from harness_plugins.analyses.scores import curves, lead
    from harness_plugins.analyses.search import budget, importances, sensitivity
    from harness_reports import html

    from harness.results.analysis import analyse
    from harness.results.tables import differences, leaderboard

    build = load("conftest").build
    modules = (budget, curves, differences, importances, lead, leaderboard, sensitivity)
    offers = [offer for module in modules for offer in analyses_of(module)]
    folder, done = tmp_path_factory.mktemp("pages"), {}

    def write(
        name: str, change: Callable[[Any], Any] = lambda records: records, more: Sequence[Any] = (), **about: Any
    ) -> Path:
        if name not in done:
            page = html.render(analyse(change(build(**about)), [*offers, *more]))
            file = folder / f"{name}.html"
            file.write_text(page, encoding="utf-8")
            done[name] = file
        return done[name]

    return write


# --- the pages that are measured ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def searched(written: Callable[..., Path]) -> Path:
    """Return the page of two arms with many trials."""
    return written("plain", optimizers=["sgd", "adam"], seeds=3, trials=60, epochs=3)


def _judged(written: Callable[..., Path], name: str, probes: Sequence[str], **about: Any) -> Path:
    from harness.verdict import tuning
    from harness.verdict.tables import facets, verdict

    minima = load("test_minima")
    offers = [*minima.OFFERS, *(offer for module in (verdict, facets, tuning) for offer in analyses_of(module))]
    made = {"seeds": minima.SEEDS, "trials": 6, "epochs": 5, **about}
    return written(name, lambda records: minima.compared(records, probes=probes), offers, **made)


@pytest.fixture(scope="session")
def everything(written: Callable[..., Path]) -> Path:
    """Return the page of three arms with a verdict and every kind of figure."""
    probes = ("representation", "connectivity", "sharpness", "hessian", "surface")
    return _judged(written, "everything", probes, trials=12, epochs=3)


@pytest.fixture(scope="session")
def sixteen(written: Callable[..., Path]) -> Path:
    """Return the page of eight optimizers under two schedules, with a verdict."""
    about = {"optimizers": OPTIMIZERS, "schedulers": ["cosine", "onecycle"]}
    return _judged(written, "sixteen", ("sharpness",), **about)


def _with_photos(photos: Sequence[tuple[str, int, bytes]], folder: Path) -> Callable[[Any], Any]:
    """Return a function that gives made-up records these test photos ``(name, class, JPEG)`` and predictions of them."""
    looking = load("test_looking")
    random = np.random.default_rng(7)
    targets = np.array([label for _, label, _ in photos])

    def change(records: Any) -> Any:
        predictions = {}
        for arm, seed in ((arm, seed) for arm in records.arms["optimizer"] for seed in range(2)):
            right = np.clip(0.75 + 0.3 * random.normal(size=len(photos)), 0.001, 0.999)
            predictions[arm, seed] = looking.two(np.where(targets == 0, right, 1 - right))
        (folder / "thumbnails").mkdir(exist_ok=True)
        for row, (_, _, content) in enumerate(photos):
            (folder / "thumbnails" / f"test-{row}.jpg").write_bytes(content)
        return looking.with_photos(records, folder, predictions, targets, names=[name for name, *_ in photos])

    return change


def _photo_page(written: Callable[..., Path], name: str, photos: Sequence[Any], folder: Path) -> Path:
    looking = load("test_looking")
    more = [offer for module in looking.OURS for offer in analyses_of(module)]
    return written(name, _with_photos(photos, folder), more, seeds=2, trials=4, epochs=3)


@pytest.fixture(scope="session")
def photographed(written: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page of photos that are patches of colour."""
    from PIL import Image

    photos = []
    for row in range(24):
        file = io.BytesIO()
        Image.new("RGB", (16, 16), (10 * row, 90, 255 - 10 * row)).save(file, "JPEG")
        photos.append((f"test/{('cat', 'dog')[row % 2]}.{row}.jpg", row % 2, file.getvalue()))
    return _photo_page(written, "photographed", photos, tmp_path_factory.mktemp("photographed"))


@pytest.fixture(scope="session")
def real_photos(written: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page of real photos, those that the environment variable ``HARNESS_TEST_PHOTOS`` names."""
    from PIL import Image

    if not os.environ.get(PHOTOS):
        pytest.skip(f"{PHOTOS} names no folder of real photos (valid/cats/*.jpg, valid/dogs/*.jpg)")
    photos = []
    for label, name in enumerate(("cats", "dogs")):
        for path in sorted((Path(os.environ[PHOTOS]) / "valid" / name).glob("*.jpg"))[:20]:
            file = io.BytesIO()
            small = Image.open(path).convert("RGB")
            small.thumbnail((112, 112))
            small.save(file, "JPEG")
            photos.append((f"test/{path.name}", label, file.getvalue()))
    return _photo_page(written, "real-photos", photos, tmp_path_factory.mktemp("real"))
