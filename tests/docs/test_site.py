"""The pages as a site (``tox -e docs`` builds it): every page is in its navigation, and links of GitHub lead to pages of it."""

from __future__ import annotations

import importlib.util
import re
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="module")
def hooks(repository):
    """The module that mkdocs calls."""
    spec = importlib.util.spec_from_file_location("site_hooks", repository / "docs" / "_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_navigation_once(repository, hooks):
    nav = (repository / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = re.findall(r"([\w-]+\.md)$", nav, re.MULTILINE)
    pages = [page.name for page in (repository / "docs").glob("*.md")]
    assert sorted(listed) == sorted([*pages, *hooks.PAGES.values()])
    assert {page.name for page in repository.glob("*.md")} == set(hooks.PAGES)


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("index.md", "[data](docs/data.md)", "[data](data.md)"),
        ("index.md", "[more](CONTRIBUTING.md)", "[more](CONTRIBUTING.md)"),
        ("index.md", "![first](docs/pictures/report.png)", "![first](pictures/report.png)"),
        ("data.md", "[home](../README.md)", "[home](index.md)"),
        ("data.md", "[promises](../SECURITY.md#models)", "[promises](SECURITY.md#models)"),
        ("data.md", "[local.py](../plugins/harness_plugins/executors/local.py)", "local.py"),
        ("data.md", "[drawn](pictures/report.py)", "drawn"),
        ("data.md", "[timm](https://example.org/timm) and [here](#here)", "[timm](https://example.org/timm) and [here](#here)"),
    ],
)  # fmt: skip
def test_links_lead_to_pages_of_the_site(hooks, page, link, expected):
    assert hooks.on_page_markdown(link, SimpleNamespace(file=SimpleNamespace(src_uri=page))) == expected


def test_the_site_asks_no_network_for_fonts_or_scripts(repository):
    text = (repository / "mkdocs.yml").read_text()
    assert "font: false" in text
    assert "use_directory_urls: false" in text
    assert "polyfills: [iframe-worker.js]" in text
    assert re.findall(r"https?://", text) == []
