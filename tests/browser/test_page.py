"""The report in a real browser, from ``file://``."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

TRIALS = 60
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)> \"'",
    "L" * 300,
    "\U0001f980 & {{ 7*7 }}",
]
BAD = "</script><script>alert(3)</script><b title=\"'>"

BOARD = "#leaderboard table:has(caption:text-is('leaderboard'))"


@pytest.fixture
def plain(written: Callable[..., Path]) -> Path:
    return written("plain", optimizers=["sgd", "adam"], seeds=3, trials=TRIALS, epochs=3)


@pytest.fixture
def hostile(written: Callable[..., Path]) -> Path:
    def change(records: Any) -> Any:
        records.meta.benchmark["name"] = BAD
        records.meta.data["left_out"] = [f"{BAD}.jpg: truncated"]
        records = replace(records, meta=replace(records.meta, plugins={BAD: {"origin": BAD, "sha256": "ab" * 32}}))
        records.trials.at[0, "reason"] = BAD
        for params in records.trials["params"]:
            params[BAD] = params["lr"]
        return records

    return written("hostile", change, optimizers=HOSTILE, seeds=2, trials=3, epochs=2)


@pytest.fixture
def open_page(open_page: Any) -> Any:
    """Return the function that opens a page, and unfolds the table of every trial in it."""

    def unfolded(path: Path, **about: Any) -> Any:
        opened = open_page(path, **about)
        if about.get("script", True):
            opened.show("#trials")
        return opened

    return unfolded


def column(page: Any, place: int, table: str = "#trials") -> list[str]:
    texts: list[str] = page.locator(f"{table} tbody tr td:nth-child({place})").all_inner_texts()
    return texts


def head(page: Any, name: str) -> Any:
    return page.locator("#trials thead th", has_text=name)


def test_it_opens_without_a_complaint_or_a_request(plain: Path, open_page: Any) -> None:
    opened = open_page(plain)
    assert opened.page.locator("html").get_attribute("data-live") == "yes"  # the script ran to its end
    for details in opened.page.locator("details").all():
        details.evaluate("(e) => { if (!e.dataset.view) e.open = true; }")
    assert opened.complaints == []
    assert opened.barred() == []
    assert opened.requests == [plain.as_uri()]


def test_tables_sort_by_mouse_and_by_keyboard_and_numbers_as_numbers(plain: Path, open_page: Any) -> None:
    page = open_page(plain).page
    rate = head(page, "learning rate")
    rate.locator("button").click()
    assert rate.get_attribute("aria-sort") == "ascending"
    first = [float(text) for text in column(page, 7)]
    assert first == sorted(first)
    assert min(first) < 1e-3  # as text, 9e-04 would come after 0.1
    rate.locator("button").focus()
    page.keyboard.press("Enter")
    assert rate.get_attribute("aria-sort") == "descending"
    down = [float(text) for text in column(page, 7)]
    assert down == sorted(down, reverse=True)
    assert down[0] > first[-1]
    head(page, "trial").locator("button").click()
    assert rate.get_attribute("aria-sort") is None
    assert [text.split()[0] for text in column(page, 3)] == [str(1 + i // 2) for i in range(50)]


def test_a_first_click_sorts_the_best_first_and_a_third_one_returns_to_the_first_order(
    plain: Path, open_page: Any
) -> None:
    page = open_page(plain).page
    first = column(page, 13)
    score = head(page, "tune accuracy").locator("button")
    score.click()
    values = [float(text.removesuffix(" %")) for text in column(page, 5)]
    assert values == sorted(values, reverse=True)
    score.click()
    assert float(column(page, 5)[0].removesuffix(" %")) < values[-1]
    score.click()
    assert head(page, "tune accuracy").get_attribute("aria-sort") is None
    assert column(page, 13) == first
    board = page.locator(BOARD)
    accuracy = board.locator("thead th", has_text="test accuracy")
    accuracy.locator("button").click()  # higher is better
    assert accuracy.get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize(
    ("typed", "place", "fits"),
    [
        ("lr > 0.1", 7, lambda value: value > 0.1),
        ("epochs <= 8", 8, lambda value: value <= 8),
        ("learning rate >= 0.001 lr < 0.01", 7, lambda value: 0.001 <= value < 0.01),
        ("sgd tune accuracy > 85 %", 5, lambda value: value > 85),
    ],
)
def test_trials_are_filtered_by_ranges(
    plain: Path, open_page: Any, expect: Any, typed: str, place: int, fits: Callable[[float], bool]
) -> None:
    page = open_page(plain).page
    section = page.locator("#every-trial")
    before = section.get_by_role("status").inner_text()
    section.get_by_role("searchbox").fill(typed)
    expect(section.get_by_role("status")).not_to_have_text(before)
    shown = column(page, place)
    if typed.startswith("epochs"):  # all trials have twelve
        assert column(page, 1) == ["No row fits this filter."]
        return
    assert 0 < len(shown) < 50
    assert all(fits(float(text.removesuffix(" %"))) for text in shown)
    if typed.startswith("sgd"):
        assert set(column(page, 1)) == {"sgd"}


def test_a_filter_by_a_column_that_is_not_there_says_so(plain: Path, open_page: Any, expect: Any) -> None:
    page = open_page(plain).page
    section = page.locator("#every-trial")
    section.get_by_role("searchbox").fill("weight > 3")
    expect(section.get_by_role("status")).to_contain_text(
        "no column of numbers is called “weight”; there is replicate, trial,"
    )


def test_what_has_no_number_comes_last_whichever_way(plain: Path, open_page: Any) -> None:
    page = open_page(plain).page
    for _ in range(2):
        head(page, "tune accuracy").locator("button").click()
        page.get_by_role("button", name="Next").last.click()
        while page.get_by_role("button", name="Next").last.is_enabled():
            page.get_by_role("button", name="Next").last.click()
        assert column(page, 4)[-1] == "diverged"


def test_trials_filter_and_turn_pages(plain: Path, open_page: Any, expect: Any) -> None:
    page = open_page(plain).page
    section = page.locator("#every-trial")
    status, turn = section.get_by_role("status"), section.get_by_role("button", name="Next")
    assert status.inner_text() == f"{2 * TRIALS} rows, page 1 of 3"
    assert len(column(page, 1)) == 50
    assert section.get_by_role("button", name="Back").is_disabled()
    turn.click()
    turn.click()
    assert status.inner_text() == f"{2 * TRIALS} rows, page 3 of 3"
    assert len(column(page, 1)) == 2 * TRIALS - 100
    assert turn.is_disabled()
    section.get_by_role("searchbox").fill("ADAM chosen")
    expect(page.locator("#trials tbody tr")).to_have_count(1)
    assert column(page, 1) == ["adam"]
    assert "◀" in column(page, 3)[0]
    assert status.inner_text() == f"1 of {2 * TRIALS} rows"
    assert page.locator("#trials .spark").count() == 0  # these records have no epochs of trials
    section.get_by_role("searchbox").fill("no such thing")
    expect(page.locator("#trials tbody tr.none")).to_have_text("No row fits this filter.")


def test_the_theme_turns_and_figures_follow(plain: Path, open_page: Any) -> None:
    page = open_page(plain).page
    ground = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('svg[role=img] text')).fill"
    light = page.evaluate(ground), page.evaluate(ink)
    page.locator("#theme").click()
    dark = page.evaluate(ground), page.evaluate(ink)
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    assert page.locator("#theme").inner_text() == "Light"
    page.locator("#theme").click()
    assert (page.evaluate(ground), page.evaluate(ink)) == light
    other = open_page(plain, dark=True).page  # without a choice it is the system's
    assert (other.evaluate(ground), other.evaluate(ink)) == dark


def test_a_figure_and_its_data_are_saved(plain: Path, open_page: Any) -> None:
    page = open_page(plain).page
    card = page.locator(".first figure").first
    with page.expect_download() as caught:
        card.get_by_role("button", name="SVG").click()
    assert caught.value.suggested_filename.startswith("made-up-test-accuracy-every-seed")
    assert caught.value.suggested_filename.endswith(".svg")
    text = Path(caught.value.path()).read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in text
    assert len(root.findall(".//{*}use")) == card.locator("svg use").count() > 6
    with page.expect_download() as caught:
        card.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(caught.value.path()).read_text(encoding="utf-8"))))
    assert [row["seed"] for row in rows] == ["0", "1", "2"] * 2
    assert {row["arm"] for row in rows} == {"sgd", "adam"}  # as on the page
    assert all(0.8 < float(row["test_accuracy"]) < 1 for row in rows)


def test_a_table_is_saved_as_it_is_filtered(plain: Path, open_page: Any, expect: Any) -> None:
    page = open_page(plain).page
    section = page.locator("#every-trial")
    section.get_by_role("searchbox").fill("adam")
    expect(section.get_by_role("status")).to_have_text(f"{TRIALS} of {2 * TRIALS} rows, page 1 of 2")
    with page.expect_download() as caught:
        section.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(caught.value.path()).read_text(encoding="utf-8"))))
    assert len(rows) == TRIALS
    assert set(rows[0]) == {
        "arm", "replicate", "trial", "state", "score", "confirmed", "lr", "epochs", "seconds", "momentum", "nesterov", "reason", "run",
    }  # fmt: skip
    assert all(float(row["lr"]) > 0 for row in rows)


def test_a_view_is_drawn_when_it_is_opened_and_not_before(plain: Path, open_page: Any, expect: Any) -> None:
    opened = open_page(plain)
    page = opened.page
    assert page.evaluate("typeof Plotly") == "undefined"
    opened.show("#curves [data-view]")
    page.wait_for_selector("#curves [data-view] .plot[data-drawn]")
    assert page.locator("#curves [data-view] .scatterlayer .trace").count() == 6  # a line a seed
    paper = page.locator("#curves [data-view] .main-svg").first
    light = paper.evaluate("(e) => getComputedStyle(e).backgroundColor")
    page.locator("#theme").click()
    expect(paper).not_to_have_css("background-color", light)
    opened.show("#tuned [data-view]")
    page.wait_for_selector("#tuned [data-view] .plot[data-drawn]")
    page.evaluate(  # what a later section may add: a surface that turns
        "Plotly.newPlot(document.querySelector('#tuned .plot'), [{type: 'surface', z: [[1, 2], [3, 5]]}])"
    )
    page.wait_for_selector("#tuned .plot .gl-container, #tuned .plot canvas", state="attached")
    assert opened.complaints == []
    assert opened.barred() == []
    assert opened.requests == [plain.as_uri()]


def test_hostile_names_stay_text(hostile: Path, open_page: Any) -> None:
    opened = open_page(hostile)
    page = opened.page
    assert page.locator("button.turn:visible").count() == 0  # no table is longer than a page
    assert page.locator("h1").inner_text() == BAD
    arms = page.locator(BOARD).locator("tbody th").all_inner_texts()
    assert {HOSTILE[0], HOSTILE[1], HOSTILE[3]} <= set(arms)
    assert any(text.startswith("LLL") and len(text) <= 40 for text in arms)
    assert set(column(page, 1)) == set(arms)
    assert BAD in column(page, 12)
    assert any(text.startswith(f"{BAD} ") or f", {BAD} " in text for text in column(page, 10))
    opened.show("#curves [data-view]")
    page.wait_for_selector("#curves [data-view] .plot[data-drawn]")
    legend = page.locator("#curves [data-view] .legendtext").all_text_contents()
    assert {HOSTILE[0], HOSTILE[3]} <= set(legend)
    opened.show("#tuned [data-view]")
    page.wait_for_selector("#tuned [data-view] .plot[data-drawn]")
    assert BAD in page.locator("#tuned .parallel .name").all_text_contents()
    assert page.locator("img, b[title], script[src]").count() == 0
    assert opened.complaints == []
    assert opened.barred() == []
    with page.expect_download() as caught:
        page.locator(".first figure").first.get_by_role("button", name="SVG").click()
    root = ElementTree.fromstring(Path(caught.value.path()).read_text(encoding="utf-8"))
    assert not root.findall(".//{*}script")
    assert HOSTILE[0] in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_without_scripts_everything_can_be_read(plain: Path, open_page: Any) -> None:
    page = open_page(plain, script=False).page
    assert page.locator("#trials tbody tr").count() == 2 * TRIALS
    assert page.locator("#theme").is_hidden()
    assert page.locator("#leaderboard figure svg").count() >= 2
    assert page.locator("button:visible").count() == 0


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_screen(plain: Path, hostile: Path, open_page: Any, width: int) -> None:
    for path in (plain, hostile):
        page = open_page(path, width=width).page
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_table_of_trials_is_no_wider_than_its_frame(plain: Path, open_page: Any) -> None:
    page = open_page(plain, width=1440).page
    page.evaluate("document.querySelectorAll('#every-trial details').forEach((e) => { e.open = true; })")
    frame = page.locator(".scroll:has(> #trials)")
    assert frame.evaluate("(e) => e.scrollWidth - e.clientWidth") <= 0


def test_a_head_of_a_long_board_is_repeated_on_paper(sixteen: Path, open_page: Any) -> None:
    """Chromium leaves a button out, and any positioned box, where it paints a head again on the next page."""
    page = open_page(sixteen).page
    page.wait_for_selector("html[data-live]")
    page.emulate_media(media="print")
    found = page.evaluate(
        """() => {
          const style = (element) => getComputedStyle(element);
          const board = document.querySelector("#leaderboard table.board");
          const boxes = [...board.tHead.querySelectorAll("*")].filter((each) => each.closest("th") !== each);
          const around = [];
          for (let each = board; each !== document.body; each = each.parentElement) around.push(style(each).overflow);
          return {
            rows: board.tBodies[0].rows.length, head: style(board.tHead).display, around,
            buttons: [...board.tHead.querySelectorAll("button")].map((each) => style(each).display),
            positions: boxes.map((each) => style(each).display === "contents" ? "static" : style(each).position),
          };
        }"""
    )
    assert found["rows"] > 12
    assert found["head"] == "table-header-group"
    assert set(found["buttons"]) == {"contents"}
    assert set(found["positions"]) <= {"static"}
    assert set(found["around"]) == {"visible"}
