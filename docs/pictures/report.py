"""Make report.png, report-minima.png and report-phone.png: a run's report, as headless Chromium shows it.

python docs/pictures/report.py runs/dogscats-HASH
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
COLOURS = 256  # of a picture
PATIENCE = 600_000  # milliseconds that a busy machine may take


def shoot(page: Page, name: str, top: str, height: int) -> None:
    """Save the page from an element on, ``height`` pixels high."""
    box = page.locator(top).first.bounding_box()
    start = max(0, (box["y"] if box else 0) - 24)
    file = HERE / f"{name}.png"
    view = page.viewport_size
    assert view is not None
    page.screenshot(path=file, full_page=True, clip={"x": 0, "y": start, "width": view["width"], "height": height})
    Image.open(file).convert("P", palette=Image.Palette.ADAPTIVE, colors=COLOURS).save(file, optimize=True)


def main(folder: Path) -> None:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        address = (folder / "report.html").resolve().as_uri()
        wide = browser.new_page(viewport={"width": 1100, "height": 900})
        wide.set_default_timeout(PATIENCE)
        wide.goto(address)
        shoot(wide, "report", "header", 1180)
        shoot(wide, "report-leaderboard", "#leaderboard", 1250)
        shoot(wide, "report-minima", "#minima", 1900)
        phone = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        phone.set_default_timeout(PATIENCE)
        phone.goto(address)
        shoot(phone, "report-phone", "header", 1300)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
