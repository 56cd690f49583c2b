"""The tables of all analyses that no other section shows, as they are."""

from __future__ import annotations

from typing import Any

from harness_reports._page._grid import grid
from harness_reports._page._section import Page, Section, shown_tables


def analyses(page: Page) -> dict[str, Any] | None:
    """Return the tables by name; None where there is none."""
    shown = shown_tables()
    tables = [grid(name, table) for name, table in sorted(page.results.tables.items()) if name not in shown]
    return {"tables": tables} if tables else None


SECTION = Section(id="analyses", title="Others", place=150, data=analyses, template="analyses.html.j2")
