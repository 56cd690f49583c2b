"""The records' tables as a reader has them in a notebook: a column for each hyperparameter, and times as times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts.tables import PARAMETER
from harness.records import Records

if TYPE_CHECKING:
    from pandas import DataFrame

TIMES = ("started", "ended")
PARAMS = ("params", "tuned_params")  # columns of the records that hold hyperparameters by name


def readable(name: str, records: Records) -> DataFrame:
    """Return one of the records' tables with a column ``params_NAME`` for each hyperparameter, and with times in UTC.

    The columns are named as in Optuna's own table of trials (``optuna.Study.trials_dataframe``).
    """
    import pandas as pd

    table: DataFrame = getattr(records, name).copy()
    for column in table.columns.intersection(list(TIMES)):
        table[column] = pd.to_datetime(table[column], utc=True, format="ISO8601", errors="coerce")
    searched = {key: "low" in entry for space in records.meta.spaces.values() for key, entry in space.items()}
    for column in table.columns.intersection(list(PARAMS)):
        table = _spread(table, column, searched)
    return table


def _spread(table: DataFrame, column: str, searched: Mapping[str, bool]) -> DataFrame:
    """Return a table with columns for the parameters in the place of the column with their dicts.

    What is ``searched`` has a column in any case; whether it is a number says the kind of a column without a row.
    """
    import pandas as pd

    rows = [row if isinstance(row, dict) else {} for row in table[column]]
    names = dict.fromkeys([*searched, *(key for row in rows for key in row)])
    values: dict[str, Any] = {}
    for name in names:
        cells = pd.Series([row.get(name) for row in rows], index=table.index, dtype=object)
        values[f"{PARAMETER}{name}"] = (
            cells.astype(float) if cells.empty and searched.get(name) else cells.infer_objects()
        )
    place = list(table.columns).index(column)
    before, after = table.iloc[:, :place], table.iloc[:, place + 1 :]
    return pd.concat([before, pd.DataFrame(values, index=table.index), after], axis=1)
