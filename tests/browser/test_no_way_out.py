"""The page asks for nothing and sends nothing: no view, button or link of it leaves the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# what stands over a view; "Download plot as SVG" makes a file of it
OVER_A_VIEW = {
    "Download plot",
    "Download plot as SVG", "Zoom", "Pan", "Zoom in", "Zoom out", "Autoscale", "Reset axes", "Box Select", "Lasso Select",
    "Orbital rotation", "Turntable rotation", "Reset camera to default", "Reset camera to last save",
    "Toggle show closest data on hover",
}  # fmt: skip
KINDS = (
    "every seed",
    "learning rates",
    "budget",
    "parallel",
    "importances",
    "every two solutions",
    "map of all",
    "surface",
)
TITLES = "all => all.map((e) => e.dataset.title)"
CLICK = """() => {
    const kinds = new Map([...document.querySelectorAll('.modebar')].map((bar) => {
        const buttons = [...bar.querySelectorAll('.modebar-btn')];
        return [buttons.map((e) => e.dataset.title).join(), buttons];
    }));
    for (const buttons of kinds.values()) buttons.filter((e) => !e.dataset.title.startsWith('Download')).forEach((e) => e.click());
    return kinds.size;
}"""
ADDRESSES = """() => [...document.querySelectorAll('a, area, form, iframe, object, embed, link, base, [action], [formaction]')]
    .map((e) => e.href?.baseVal ?? e.getAttribute('href') ?? e.getAttribute('xlink:href') ?? `<${e.localName}>`)"""


@pytest.fixture
def open_every_view(expect: Any) -> Callable[[Any], Any]:
    """Return a function that opens all interactive views of a page, and returns them when all are drawn."""

    def open_them(page: Any) -> Any:
        page.evaluate("() => document.querySelectorAll('details').forEach((e) => { e.open = true; })")
        expect(page.locator("details[data-view] .plot:not([data-drawn])")).to_have_count(0)
        return page.locator("details[data-view]")

    return open_them


def test_no_interactive_view_leads_out_of_the_page(
    everything: Path, open_page: Any, open_every_view: Callable[[Any], Any]
) -> None:
    opened = open_page(everything)
    page = opened.page
    views = open_every_view(page)
    assert views.count() > 10
    titles = " ".join(views.locator("summary").all_inner_texts())
    assert [kind for kind in KINDS if kind not in titles] == []
    buttons = page.locator(".modebar-btn")
    assert set(buttons.evaluate_all(TITLES)) <= OVER_A_VIEW
    assert page.evaluate(CLICK) > 1  # of the views with equal buttons, those of one are clicked
    buttons.first.evaluate("(e) => e.click()")  # one download stands for all
    page.locator("#theme").click()  # which draws every view anew
    assert set(buttons.evaluate_all(TITLES)) <= OVER_A_VIEW
    assert page.locator(".modebar-btn--logo, .plotly-cloud-dialog").count() == 0
    assert all(address.startswith("#") for address in page.evaluate(ADDRESSES))
    assert len(page.context.pages) == 1
    outside = [url for url in opened.requests if not url.startswith(("file:", "blob:", "data:"))]
    assert outside == []
    assert opened.barred() == []


def test_a_figure_of_a_later_section_has_no_way_out_either(everything: Path, open_page: Any) -> None:
    opened = open_page(everything)
    page = opened.page
    opened.show("#curves [data-view]")
    page.wait_for_selector("#curves [data-view] .plot[data-drawn]")
    page.evaluate("Plotly.newPlot(document.querySelector('#curves .plot'), [{y: [1, 2]}], {}, {displayModeBar: true})")
    titles = page.locator("#curves .plot").first.locator(".modebar-btn").evaluate_all(TITLES)
    assert titles
    assert set(titles) <= OVER_A_VIEW


def test_the_page_opens_no_window(everything: Path, open_page: Any) -> None:
    page = open_page(everything).page
    assert page.evaluate("window.open('https://example.org/') === null")
    page.wait_for_timeout(100)
    assert len(page.context.pages) == 1


def test_every_link_stays_in_the_page(everything: Path) -> None:
    """No source, DOI or homepage is a link, with scripts or without: the bibliography is text, photos are data."""
    found = links(everything)
    assert found
    assert [link for link in found if not link.startswith(("#", "data:image/"))] == []


def links(path: Path) -> list[str]:
    """Return what the file's elements point at, read without a browser."""
    from html.parser import HTMLParser

    found: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(value or "" for name, value in attrs if name in ("href", "xlink:href", "src", "action"))

    Links().feed(path.read_text(encoding="utf-8"))
    return found
