"""The test score without the excluded photos.

The deciding metric on the whole test split, and on it without the photos that the benchmark excludes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.results.tables.draws import draw_means, draw_numbers
from harness.results.tables.leaderboard import ranked
from harness.statistics.intervals import mean_interval, standard_deviation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

COLUMNS = ("arm", "metric", "unit", "seeds", "split", "examples", "mean", "low", "high")


def compute(records: Records) -> DataFrame:
    """Return two rows per arm, the best arm first: ``split`` is "test" and "test without excluded".

    ``mean`` is over draws, with its 95 % interval as the leaderboard has it. There are no rows where no test example is excluded,
    or where the metric has no scores per example (``Metric.each``).
    """
    import numpy as np
    import pandas as pd

    test = records.examples[records.examples["split"] == "test"].sort_values("row")
    is_kept = ~test["excluded"].to_numpy(dtype=bool)
    rows: list[tuple[Any, ...]] = []
    if not is_kept.all() and is_kept.any():
        splits = {"test": np.ones(len(is_kept), dtype=bool), "test without excluded": is_kept}
        for arm in ranked(records):
            rows += [(arm, *_row(records, arm, split, inside)) for split, inside in splits.items()]
    rows = [row for row in rows if row[COLUMNS.index("seeds")]]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(records: Records, arm: str, split: str, inside: NDArray[np.bool_]) -> tuple[Any, ...]:
    """Return an arm's columns over the test examples for which ``inside`` [N] is true."""
    import numpy as np

    metric, compared = records.deciding.column, records.compared()
    runs = compared[(compared["arm"] == arm) & compared["run_id"].isin(list(records.scores))]
    scores = [float(records.scores[run][inside].mean(dtype=np.float64)) for run in runs["run_id"]]
    place = (metric, records.deciding.unit, len(scores), split, int(inside.sum()))
    if not scores:
        return *place, np.nan, np.nan, np.nan
    means = draw_means(np.array(scores), draw_numbers(records, runs).to_numpy())
    examples = int(inside.sum()) if records.examples_of(metric) else 0
    sd = standard_deviation(means)
    low, high = map(float, mean_interval(means.mean(), sd, len(means), records.bounds_of(metric), examples))
    return *place, float(means.mean()), low, high


MEANINGS = {  # of the columns that are not the same in every table
    "split": "test, or test without excluded",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer cleaned."""
    return [Analysis(name="cleaned", compute=compute, columns=MEANINGS)]
