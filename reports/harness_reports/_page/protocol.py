"""The rules of the verdict: the project's page about them, as part of this one."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from markupsafe import Markup

from harness_reports._page._section import Page, Section
from harness_reports._page._templates import read

SOURCE = "protocol.md"  # a link to the page in docs/
HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>")
LINK = re.compile(r'<a href="(.*?)">(.*?)</a>', re.DOTALL)
ADDRESS = re.compile(r"https?://\S+")
TABLE = re.compile(r"<table>.*?</thead>", re.DOTALL)


def protocol(page: Page) -> dict[str, Any] | None:
    """Return the page of the rules; None where nothing was judged by them."""
    if page.outcome.table("verdict") is None or len(page.looks) < 2:
        return None
    return {"rules": rules()}


@cache
def rules() -> Markup:
    """Return the page as HTML: its headings two levels deeper, links inside of it kept, and all others as text."""
    from markdown_it import MarkdownIt

    body = read(SOURCE).partition("\n")[2]
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(body)
    html = HEADING.sub(_deeper, html)
    html = LINK.sub(_inside_or_text, html)
    html = TABLE.sub(_with_caption, ADDRESS.sub("", html))
    return Markup(html.replace("<th>", '<th scope="col">').replace("</table>", "</table></div>"))


def _with_caption(match: re.Match[str]) -> str:
    """Return the beginning of a table with a caption for readers who do not see it: the names of its first two columns."""
    heads = re.findall(r"<th>(.*?)</th>", match[0])[:2]
    caption = " and ".join(re.sub(r"<[^>]+>", "", head) for head in heads)
    return match[0].replace(
        "<table>", f'<div class="scroll"><table class="rules"><caption class="sr">{caption}</caption>'
    )


def _deeper(match: re.Match[str]) -> str:
    level = min(6, int(match[1]) + 1)
    return f'<h{level} id="{_anchor(match[2])}">{match[2]}</h{level}>'


def _anchor(text: str) -> str:
    """Return the anchor of a heading as Markdown renderers make it, kept apart from those of the page."""
    plain = re.sub(r"<[^>]+>|&[a-z]+;", "", text).lower()
    return "rules-" + re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def _inside_or_text(match: re.Match[str]) -> str:
    target, text = match[1], match[2]
    return f'<a href="#rules-{target[1:]}">{text}</a>' if target.startswith("#") else text


SECTION = Section(id="protocol", title="Rules", place=165, data=protocol, template="protocol.html.j2")
