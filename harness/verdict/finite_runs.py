"""The numbers that an average may be over: of runs that ended well, without those that are missing or not finite."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.records import Records

if TYPE_CHECKING:
    from pandas import DataFrame

Finite = tuple[str, float]  # a run_id and a finite number of that run


def finite_runs(records: Records, arm: str, column: str) -> dict[int, Finite]:
    """Return run_id and value of an arm's comparison runs that ended well with a finite value in a column, by seed."""
    runs = records.compared()
    return finite_values(runs[runs["arm"] == arm], column)


def finite_values(runs: DataFrame, column: str) -> dict[int, Finite]:
    """Return the same of these runs, no two of which have one seed; nothing where they have no such column."""
    done = runs[runs["state"] == "done"]
    if column not in done:
        return {}
    columns = zip(done["seed"], done["run_id"], done[column], strict=True)
    return {int(seed): (str(run), float(value)) for seed, run, value in columns if math.isfinite(value)}
