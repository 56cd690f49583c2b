"""The templates of the page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from harness_reports import _page
from harness_reports._draw.theme import definitions

if TYPE_CHECKING:
    from jinja2 import Environment


OPTION = Markup('<span class="option">{}</span>')
SCRIPTS = ("base", "theme", "tables", "figures", "seeds", "photos", "parallel", "views", "finding", "start")


@cache  # compiling a template takes longer than filling it
def environment() -> Environment:
    """Return what fills the templates; text is escaped, and a name that a template does not get is an error."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    loader = FunctionLoader(read)
    templates = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["tight"] = tight
    templates.filters["unbroken"] = unbroken
    templates.globals["hues"] = definitions
    return templates


def read(name: str) -> str:
    """Return the text of a template, a style sheet or a script of this package; raises FileNotFoundError where there is none."""
    folders = [Path(folder) for folder in _page.__path__]
    folder = next((folder for folder in folders if (folder / name).is_file()), folders[0])
    return (folder / name).read_text(encoding="utf-8")


def unbroken(text: str) -> Markup:
    """Return a sentence in which no line ends inside an option like ``--data``."""
    words = text.split(" ")
    return Markup(" ").join(OPTION.format(word) if word.startswith("--") else escape(word) for word in words)


@cache
def script() -> str:
    """Return the script of every page: its parts in one block, so that each sees the others and the page sees none."""
    parts = [read(f"_scripts/{name}.js") for name in SCRIPTS]
    return "\n".join(['"use strict";', "{", *parts, "}"])


def tight(text: str) -> str:
    """Return a sentence in which no line ends between a number and its "%", "points" or "±"."""
    return text.replace(" %", "\u00a0%").replace(" points", "\u00a0points").replace("± ", "±\u00a0")
