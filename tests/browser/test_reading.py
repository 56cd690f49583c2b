"""What a reader does with the page: brushes ranges, follows a seed, enlarges a photo, prints, reads it without scripts."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HEADINGS_ALONE = """() => [...document.querySelectorAll("main section, main h3")].filter((e) => e.checkVisibility()).filter((e) => {
    const parts = e.tagName === "H3" ? [e.nextElementSibling] : [...e.children].filter((part) => !part.matches("h2, h3, h4, script"));
    for (let next = parts[0]; e.tagName === "H3" && next && !next.checkVisibility(); next = next.nextElementSibling) parts.push(next.nextElementSibling);
    return !parts.some((part) => part?.checkVisibility());
}).map((e) => e.id || e.textContent)"""  # on paper what is folded is not there


@pytest.fixture
def plain(written: Callable[..., Path]) -> Path:
    return written("plain", optimizers=["sgd", "adam"], seeds=3, trials=60, epochs=3)


def test_a_range_on_an_axis_of_parallel_coordinates_keeps_the_trials_within(plain: Path, open_page: Any) -> None:
    opened = open_page(plain)
    page = opened.page
    opened.show("#tuned [data-view]")
    page.wait_for_selector("#tuned .plot[data-drawn] .parallel")
    trials = page.locator("#tuned .parallel").first.locator(".trial")
    status = page.locator("#tuned .plot [role=status]").first
    assert status.inner_text().startswith(f"{trials.count()} of {trials.count()} trials; the best: trial ")
    assert page.evaluate("typeof Plotly") == "undefined"  # it needs no library
    axis = page.locator("#tuned .parallel .field").last
    axis.scroll_into_view_if_needed()
    field = axis.bounding_box()
    middle = field["x"] + field["width"] / 2
    page.mouse.move(middle, field["y"] + 2)
    page.mouse.down()
    page.mouse.move(middle, field["y"] + field["height"] / 3, steps=3)
    page.mouse.up()
    out = page.locator("#tuned .parallel .trial.out").count()
    assert 0 < out < trials.count()
    assert status.inner_text().startswith(f"{trials.count() - out} of ")
    page.locator("#tuned").get_by_role("button", name="Clear ranges").first.click()
    assert page.locator("#tuned .parallel .trial.out").count() == 0
    assert opened.complaints == []
    assert opened.barred() == []


def test_a_seed_is_highlighted_in_every_figure(everything: Path, open_page: Any) -> None:
    page = open_page(everything).page
    seed = page.locator("#leaderboard [data-seed]").first.get_attribute("data-seed")
    page.locator("#seed").select_option(seed)
    places = f"svg:has([data-seed='{seed}'].on)"
    assert page.locator(places).count() > 2
    assert page.locator(f"#minima {places}").count() > 0
    assert page.locator(f"[data-seed].on:not([data-seed='{seed}'])").count() == 0
    page.keyboard.press("Escape")
    assert page.locator(".on").count() == 0
    page.locator("#leaderboard [data-seed]").first.dispatch_event("click")
    assert page.locator("#seed").input_value() == seed


def test_a_table_is_saved_with_one_value_a_cell_and_under_its_name(plain: Path, open_page: Any) -> None:
    page = open_page(plain).page
    with page.expect_download() as caught:
        page.locator("#leaderboard").get_by_role("button", name="CSV").first.click()
    assert caught.value.suggested_filename == "made-up-leaderboard.csv"
    rows = list(csv.DictReader(io.StringIO(Path(caught.value.path()).read_text(encoding="utf-8"))))
    assert [row["arm"] for row in rows] == ["sgd", "adam"]
    for row in rows:
        mean, low, high = (float(row[f"test accuracy, %{part}"]) for part in ("", ": low", ": high"))
        assert low < mean < high


def test_without_scripts_nothing_is_an_empty_box(everything: Path, open_page: Any) -> None:
    page = open_page(everything, script=False).page
    assert page.locator("details.explore").count() > 5
    assert page.locator("details.explore:visible").count() == 0
    page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    assert page.locator("summary:visible", has_text="Explore").count() == 0
    assert page.locator("details.views").count() > 2


def test_links_to_sections_stay_in_sight_and_the_first_stop_skips_them(everything: Path, open_page: Any) -> None:
    page = open_page(everything).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#minima").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#minima').scrollIntoView()")
    assert page.locator("nav").bounding_box()["y"] == pytest.approx(0, abs=1)
    anchor = page.locator("#minima h2 .anchor")
    assert anchor.get_attribute("href") == "#minima"


def test_the_boxes_of_the_first_page_are_not_cut_on_paper(everything: Path, open_page: Any) -> None:
    page = open_page(everything).page
    page.emulate_media(media="print")
    for box in (".verdict", ".doubts"):
        assert page.locator(box).first.evaluate("(e) => getComputedStyle(e).breakInside") == "avoid"


def test_paper_has_the_colours_and_no_controls(everything: Path, open_page: Any) -> None:
    page = open_page(everything, dark=True).page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("nav:visible, .bar:visible, #theme:visible, .explore:visible").count() == 0
    key = page.locator(".key").first
    assert key.evaluate("(e) => getComputedStyle(e).printColorAdjust") == "exact"
    hue = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--hue-0')")
    assert hue.strip() == "#0173b2"  # of a light page
    assert page.locator(".card").first.evaluate("(e) => getComputedStyle(e).breakInside") == "avoid"
    assert page.evaluate(HEADINGS_ALONE) == []
    boards = page.locator(".scroll:has(> .board):visible")
    assert {
        boards.nth(place).evaluate("(e) => getComputedStyle(e).breakInside") for place in range(boards.count())
    } == {"avoid"}
