"""What a checker of accessibility looks for, counted in the browser: contrast, names, structure, tables, and the keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

RULES = (Path(__file__).parent / "accessibility.js").read_text(encoding="utf-8")
OPEN = "document.querySelectorAll('details:not([data-view])').forEach((e) => { e.open = true; })"
RING = """(e) => { e.focus(); const s = getComputedStyle(e);
    return document.activeElement === e && s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2; }"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("which", ["everything", "photographed", "searched"])
def test_a_page_breaks_no_rule_that_can_be_computed(request: Any, open_page: Any, which: str, dark: bool) -> None:
    page = open_page(request.getfixturevalue(which), width=1440, dark=dark).page
    page.wait_for_selector("html[data-live]")
    page.evaluate(OPEN)
    assert page.evaluate(RULES) == []


def test_whatever_has_the_focus_shows_it(searched: Path, open_page: Any) -> None:
    opened = open_page(searched)
    page = opened.page
    page.wait_for_selector("html[data-live]")
    page.evaluate(OPEN)
    opened.show("#tuned [data-view]")
    page.wait_for_selector("#tuned .parallel .field")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the sections"
    for kind in ("#theme", "nav a", "#seed", "summary", "th .sort", "input", "button.save", "#tuned .parallel .field"):
        assert page.locator(kind).first.evaluate(RING), kind


def test_the_keyboard_brushes_as_the_pointer_does(searched: Path, open_page: Any) -> None:
    opened = open_page(searched)
    page = opened.page
    opened.show("#tuned [data-view]")
    page.wait_for_selector("#tuned .plot[data-drawn] .parallel")
    parallel = page.locator("#tuned .parallel").first
    field, trials = parallel.locator(".field").last, parallel.locator(".trial")
    assert field.get_attribute("aria-valuetext") == "all"
    field.focus()
    for _ in range(3):
        page.keyboard.press("PageUp")
    assert field.get_attribute("aria-valuetext") == "from 60 % to 100 % of the axis"
    out = parallel.locator(".trial.out").count()
    assert 0 < out < trials.count()
    page.keyboard.press("Shift+PageDown")
    assert field.get_attribute("aria-valuetext") == "from 60 % to 80 % of the axis"
    assert parallel.locator(".trial.out").count() >= out
    status = page.locator("#tuned .plot [role=status]").first.inner_text()
    assert status.startswith(f"{trials.count() - parallel.locator('.trial.out').count()} of ")
    page.keyboard.press("Delete")
    assert (field.get_attribute("aria-valuetext"), parallel.locator(".trial.out").count()) == ("all", 0)
    assert opened.complaints == []


def test_a_photo_says_its_label_and_its_probability(photographed: Path, open_page: Any) -> None:
    page = open_page(photographed).page
    said = page.locator("#looking .thumb[aria-label]").evaluate_all(
        "all => all.map((e) => e.getAttribute('aria-label'))"
    )
    assert len(said) > 8
    assert [text for text in said if not re.search(r"^(cat|dog)\b.*\d\s%", text)] == []
