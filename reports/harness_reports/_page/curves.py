"""The learning curves of the comparison: the training objective and the deciding metric, epoch by epoch."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from harness_reports._draw.explore import seed_curves
from harness_reports._draw.scores import MOST_BANDS, learning_curves
from harness_reports._page._section import Page, Section
from harness_reports._words.names import metric_title


def curves(page: Page) -> dict[str, Any]:
    """Return a figure per metric and the views of every seed; ``figures`` is None where the analysis is missing."""
    outcome, table = page.outcome, page.results.tables.get("curves")
    units = {"running_loss": outcome.loss_unit, outcome.deciding.tune_column: outcome.deciding.unit}
    figures: list[Markup] | None = None if table is None else []
    for metric, unit in units.items():
        rows = None if table is None else table[table["metric"] == metric]
        if figures is not None and rows is not None and len(rows):
            name = f"learning-curve-{metric}"
            figures.append(learning_curves(rows, page.looks, metric_title(metric), unit, name))
    views = seed_curves(outcome, page.looks, page.views) if figures else []
    return {"figures": figures, "views": views, "banded": len(page.looks) <= MOST_BANDS}


SECTION = Section(id="curves", title="Curves", place=20, data=curves, template="curves.html.j2", tables=("curves",))
