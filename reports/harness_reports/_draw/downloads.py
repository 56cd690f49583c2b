"""The data of a figure, beside it in the page: a button under every figure saves them as CSV, another the SVG."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness_reports._draw.interactive import embedded, packed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

DIGITS = 7


def carried(data: DataFrame) -> str:
    """Return a table as JSON, packed where it is long, for the ``<metadata>`` of its figure."""
    rows = [[_cell(value) for value in row] for row in data.itertuples(index=False)]
    return packed(embedded({"columns": [str(column) for column in data.columns], "rows": rows}))


def drawn(figure: Figure) -> DataFrame:
    """Return every named line of a figure, point by point: series, x and y, named as the axes are."""
    import numpy as np
    import pandas as pd

    rows: list[tuple[str, Any, Any]] = []
    axes = figure.axes[0]
    for line in axes.get_lines():
        name = str(line.get_label())
        if not name.startswith("_child"):
            rows += [(name, x, y) for x, y in np.asarray(line.get_xydata(), dtype=float)]
    y = axes.get_ylabel() or axes.get_title(loc="left") or axes.get_title()
    return pd.DataFrame(rows, columns=["series", axes.get_xlabel() or "x", y or "y"])


def _cell(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else str(value)
