"""The deciding metric on the whole test split, and on it without the photos that the benchmark excludes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl
from harness.results.tables.leaderboard import ranked
from harness.statistics.intervals import mean_interval, standard_deviation

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("arm", "metric", "unit", "seeds", "split", "examples", "mean", "low", "high")


def compute(records: Records) -> DataFrame:
    """Return two rows per arm, the best first, ``split`` "test" and "test without excluded"; none where no test example is excluded.

    The mean over seeds, with its 95 % interval as the leaderboard has it. Without scores per example (``Metric.each``) there is nothing to
    take them from.
    """
    import numpy as np
    import pandas as pd

    test = records.examples[records.examples["split"] == "test"].sort_values("row")
    kept = ~test["excluded"].to_numpy(dtype=bool)
    rows = []
    if not kept.all() and kept.any():
        about = (records.deciding.column, records.deciding.unit)
        compared = records.compared()
        for arm in ranked(records):
            mine = [
                records.scores[run] for run in compared.loc[compared["arm"] == arm, "run_id"] if run in records.scores
            ]
            for split, inside in (("test", np.ones(len(kept), dtype=bool)), ("test without excluded", kept)):
                means = np.array([float(scores[inside].mean(dtype=np.float64)) for scores in mine])
                if len(means):
                    sd = standard_deviation(means)
                    many = int(inside.sum()) if records.examples_of(about[0]) else 0
                    ends = map(float, mean_interval(means.mean(), sd, len(means), records.bounds_of(about[0]), many))
                    rows.append((arm, *about, len(means), split, int(inside.sum()), float(means.mean()), *ends))
    return pd.DataFrame(rows, columns=list(COLUMNS))


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer cleaned."""
    return [Analysis(name="cleaned", compute=compute)]
