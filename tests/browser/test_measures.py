"""How long a page is, how many words and colours it has, and what no page may have, counted in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

MEASURES = (Path(__file__).parent / "measuring.js").read_text(encoding="utf-8")


@pytest.fixture(params=[False, True], ids=["light", "dark"])
def dark(request: Any) -> bool:
    return bool(request.param)


@pytest.mark.parametrize(
    ("which", "screens", "words"),
    [
        ("everything", 10, 1500),
        ("sixteen", 15, 2000),
        ("photographed", 10, 1500),
        ("real_photos", 10, 1500),
    ],
)
def test_a_page_is_short_and_can_be_read(
    request: Any, open_page: Any, dark: bool, which: str, screens: float, words: int
) -> None:
    opened = open_page(request.getfixturevalue(which), width=1440, dark=dark)
    opened.page.wait_for_selector("html[data-live]")
    found = opened.page.evaluate(MEASURES)
    assert found["twins"] == []  # neighbouring labels of an axis differ
    assert found["beyond"] == []  # no label is cut off
    assert found["faint"] == []  # 3:1 at least
    assert found["cut"] == []  # no board is wider than its frame
    assert found["unnamed"] == []  # every head of a table has its scope
    assert found["empty"] == []  # every picture has its words
    assert 2 <= len(found["colours"]) <= 11
    assert all(link.startswith("#") for link in found["links"])
    assert found["sideways"] <= 0
    assert opened.complaints == []
    assert len(opened.requests) == 1
    assert found["screens"] <= screens
    assert found["words"] <= words


@pytest.mark.parametrize("which", ["everything", "sixteen", "photographed"])
def test_a_phone_never_scrolls_sideways(request: Any, open_page: Any, which: str) -> None:
    opened = open_page(request.getfixturevalue(which), width=390)
    opened.page.wait_for_selector("html[data-live]")
    opened.page.evaluate("document.querySelectorAll('details:not([data-view])').forEach((e) => { e.open = true; })")
    found = opened.page.evaluate(MEASURES)
    assert found["sideways"] <= 0
    assert found["cut"] == []  # a board stands row by row there
