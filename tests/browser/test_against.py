"""The arm that the others are compared with is chosen above the leaderboard, with scripts and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def three(written: Callable[..., Path]) -> Path:
    return written("against", optimizers=["sgd", "adam", "rmsprop"], seeds=4, trials=4, epochs=3)


@pytest.mark.parametrize("script", [True, False])
def test_another_arm_is_chosen_to_compare_with(three: Path, open_page: Any, expect: Any, script: bool) -> None:
    opened = open_page(three, script=script)
    panels, choices = opened.page.locator(".against .panel"), opened.page.locator(".against input")
    assert choices.count() == panels.count() == 3
    expect(panels.nth(0)).to_be_visible()
    expect(panels.nth(1)).to_be_hidden()
    name = opened.page.locator(".against label").nth(1).inner_text()
    opened.page.locator(".against label").nth(1).click()
    expect(opened.page.locator(".against").get_by_role("radio", name=name, exact=True)).to_be_checked()
    expect(panels.nth(0)).to_be_hidden()
    expect(panels.nth(1)).to_be_visible()
    texts = panels.nth(1).locator("li").all_inner_texts()
    assert len(texts) == 2
    assert all(f" {name}" in text for text in texts)
    opened.page.keyboard.press("ArrowRight")
    expect(panels.nth(2)).to_be_visible()
    assert opened.complaints == []


def test_it_fits_a_phone(three: Path, open_page: Any) -> None:
    page = open_page(three, width=360).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
