"""Learning curves: every metric of an epoch, averaged over the replicates of an arm, or over the seeds of a single one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl
from harness.results.tables.draws import draw_numbers
from harness.statistics.intervals import mean_interval

if TYPE_CHECKING:
    from pandas import DataFrame

KEY = ["arm", "metric", "epoch"]
COLUMNS = ["arm", "phase", "epoch", "metric", "mean", "low", "high", "lowest", "highest", "n"]
PREFIXES = ("running_", "train_", "tune_", "test_")


def compute(records: Records) -> DataFrame:
    """Return a row per arm, metric and epoch: mean and 95 % interval over ``n`` replicates, and the range of all seeds.

    A replicate is the mean of its seeds; in a run of one replicate, ``n`` counts its seeds. The interval is Student's, within the metric's bounds. Where all seeds are equal, it is that of a proportion of the examples
    of the tune split, or there is none (``mean_interval``). Only runs that ended well count: otherwise the mean would jump where
    a seed diverges.
    """
    import numpy as np
    import pandas as pd

    runs = records.compared()
    done = runs[runs["state"] == "done"]
    draw_of = dict(zip(done["run_id"], draw_numbers(records, done), strict=True))
    epochs = records.epochs[records.epochs["run_id"].isin(done["run_id"])]
    epochs = epochs.assign(draw=epochs["run_id"].map(draw_of))
    metrics = [str(column) for column in epochs.columns if str(column).startswith(PREFIXES)]
    if epochs.empty or not metrics:
        return pd.DataFrame(columns=COLUMNS)
    values = epochs.melt(id_vars=["arm", "epoch", "draw"], value_vars=metrics, var_name="metric")
    values = values[np.isfinite(values["value"].to_numpy(dtype=float))]
    ends = values.groupby(KEY)["value"].agg(lowest="min", highest="max")
    draws = values.groupby([*KEY, "draw"])["value"].mean().groupby(KEY)
    table = draws.agg(mean="mean", sd="std", n="count").join(ends).reset_index()
    for metric, rows in table.groupby("metric").groups.items():
        of_metric, name = table.loc[rows], str(metric)
        table.loc[rows, "low"], table.loc[rows, "high"] = mean_interval(
            of_metric["mean"], of_metric["sd"], of_metric["n"], records.bounds_of(name), records.examples_of(name)
        )
    return pd.DataFrame(table.assign(phase="compare")[COLUMNS])


MEANINGS = {  # of the columns that are not the same in every table
    "lowest": "the value of the lowest seed",
    "highest": "the value of the highest seed",
    "n": "how many seeds ended well",
    "metric": "the column of the epochs",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer curves."""
    return [Analysis(name="curves", compute=compute, columns=MEANINGS)]
