"""The table of an analysis as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import numbers

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_ROWS = 200  # on the page; tables/*.parquet have the whole table


def grid(name: str, table: DataFrame) -> dict[str, Any]:
    """Return any table as strings, the first rows of a long one."""
    rows = [list(map(numbers.number, row)) for row in table.head(MOST_ROWS).itertuples(index=False)]
    return {"name": name, "heads": [str(column) for column in table.columns], "rows": rows, "all": len(table)}
