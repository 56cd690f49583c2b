"""The figures of the page as matplotlib figures: for a notebook and for a paper."""

from __future__ import annotations

import io
import re

from harness_reports import html
from harness_reports._draw.svg import collected, house_style, new_panel, to_svg
from harness_reports._draw.theme import GRID, INK, MUTED, PLAIN, SURFACE
from matplotlib.colors import to_hex


def draw(name="a name", title="a title"):
    with house_style():
        figure, axes = new_panel(2.0)
        axes.plot([1, 2, 3], [3, 1, 2], color=INK, marker="o", mec=SURFACE)
        axes.scatter([1, 2], [1, 2], color=[MUTED, "#ff0000"])
        axes.text(1, 2, "words", color=INK, bbox={"facecolor": SURFACE, "edgecolor": GRID})
        axes.set(xscale="log", xlabel="rate")
        return figure, to_svg(figure, name, title, {})


def test_a_figure_that_is_collected_has_its_title_and_plain_colours():
    with collected() as figures:
        figure, markup = draw()
    assert markup == ""
    assert figures == {"a-name": figure}
    assert figure.get_label() == "a title"
    out = io.StringIO()
    figure.savefig(out, format="svg")
    assert not re.search(f"{INK}|{MUTED}|{GRID}|{SURFACE}", out.getvalue())
    assert {PLAIN[INK], PLAIN[MUTED], PLAIN[GRID]} <= set(re.findall("#[0-9a-f]{6}", out.getvalue()))
    assert to_hex(figure.axes[0].collections[0].get_facecolors()[1]) == "#ff0000"


def test_what_has_no_title_is_part_of_a_legend_and_no_figure():
    with collected() as figures:
        draw(title="")
    assert figures == {}


def test_outside_a_figure_becomes_svg_as_before():
    with collected():
        pass
    assert draw()[1].startswith("<svg")


def test_the_page_has_the_same_figures_as_svg_and_as_figures(monkeypatch, make_records, analysed):
    """Whatever the page draws is collected, also what stands in no section."""
    some = [section for section in html.sections() if section.id in ("curves", "leaderboard")]
    monkeypatch.setattr(html, "sections", lambda: some)
    results = analysed(make_records())
    titles = re.findall(r'<svg[^>]* role="img" aria-label="([^"]+)"', html.render(results))
    figures = html.figures(results)
    assert len(titles) > 2
    assert sorted(figure.get_label() for figure in figures.values()) == sorted(titles)
