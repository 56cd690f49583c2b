"""The data of a figure, which the page carries: buttons under every figure save it as CSV or as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from harness_reports._draw.interactive import embedded, packed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

DIGITS = 7


class Labelled(Protocol):
    """What has a name on the page."""

    @property
    def label(self) -> str:
        """The name."""


def packed_data(data: DataFrame) -> str:
    """Return a table as JSON for the ``<metadata>`` of its figure, packed where it is long."""
    rows = [list(map(_plain_cell, row)) for row in data.itertuples(index=False)]
    return packed(embedded({"columns": [str(column) for column in data.columns], "rows": rows}))


def named_arms(data: DataFrame, looks: Mapping[str, Labelled]) -> DataFrame:
    """Return a table in which every arm has the name that the page gives it."""
    labels = {arm: look.label for arm, look in looks.items()}
    columns = [column for column in ("arm", "other", "optimizer") if column in data]
    return data.assign(**{column: data[column].map(lambda arm: labels.get(arm, arm)) for column in columns})


def lines_of(figure: Figure) -> DataFrame:
    """Return every named line of a figure, point by point: series, x and y, named as the axes are."""
    import numpy as np
    import pandas as pd

    points: list[tuple[str, Any, Any]] = []
    axes = figure.axes[0]
    for line in axes.get_lines():
        name = str(line.get_label())
        if not name.startswith("_child"):
            points += [(name, x, y) for x, y in np.asarray(line.get_xydata(), dtype=float)]
    y_name = axes.get_ylabel() or axes.get_title(loc="left") or axes.get_title()
    return pd.DataFrame(points, columns=["series", axes.get_xlabel() or "x", y_name or "y"])


def _plain_cell(value: Any) -> Any:
    """Return a value that JSON can hold; a number that is not finite becomes None."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else str(value)
