"""The report as one HTML file, made from records alone: no network, one script of its own, light and dark.

Without that script everything can still be read. The policy of the page lets two texts run, by their hashes: the script, and
plotly.js, which is unpacked when a reader opens the first interactive view.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Report, Results, hookimpl
from harness_reports._draw.interactive import Views, digest, library, packed
from harness_reports._draw.legend import add_legend
from harness_reports._draw.svg import collected
from harness_reports._page._first import CLAIM, first_screen
from harness_reports._page._section import Page, Section, sections
from harness_reports._page._several import render_several
from harness_reports._page._templates import environment, read, script
from harness_reports._page._workloads import render_workloads
from harness_reports._words.doubts import gravest, others
from harness_reports._words.names import capitalized

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def render(results: Results) -> str:
    """Return the page."""
    page = Page.of(results)
    shown = [(section, data) for section in sections() if (data := section.data(page))]
    bodies = [_fill_template(section, page, **data) for section, data in shown]
    styles = dict.fromkeys(chain.from_iterable(section.styles for section, _ in shown))
    parts = {
        **first_screen(page),
        "name": page.records.name,
        "claim": CLAIM,
        "crowded": page.crowded,
        "doubts": gravest(page.doubts),
        "more_doubts": len(others(page.doubts)),
        "banner": capitalized(page.records.meta.data["notice"]),
        "navigation": [section for section, _ in shown],
        "sections": bodies,
        "styles": [Markup(read(style)) for style in styles],
        "photos": Markup(page.thumbs.css),
    }
    return environment().get_template("_page.html.j2").render(parts | _allowed_scripts(page.views)) + "\n"


def figures(results: Results) -> Mapping[str, Figure]:
    """Return every static figure of the page by name, in the order of the page; its label is its title."""
    with collected() as drawn:
        render(results)
    looks = Page.of(results).looks
    for figure in drawn.values():
        add_legend(figure, looks)
    return drawn


def _fill_template(section: Section, page: Page, **data: Any) -> Markup:
    """Return a section as HTML."""
    return Markup(environment().get_template(section.template).render(page=page, **data))


def _allowed_scripts(views: Views) -> dict[str, Any]:
    """Return the script of the page, what its policy allows, and the views with plotly.js, "" where there is none."""
    text = script()
    allowed = [digest(text), *([library().source] if len(views) else [])]
    return {
        "script": Markup(text),
        "scripts": Markup(" ".join(allowed)),
        "views": packed(views.json) if len(views) else "",
        "plotly": Markup(library().packed) if len(views) else "",
    }


@hookimpl
def harness_reports() -> list[Report]:
    """Offer html."""
    return [
        Report(
            name="html",
            extension="html",
            render=render,
            compare=render_several,
            workloads=render_workloads,
            figures=figures,
        )
    ]
