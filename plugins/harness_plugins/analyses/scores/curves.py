"""Learning curves: every metric of an epoch, averaged over the seeds of an arm's comparison runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl
from harness.statistics.intervals import mean_interval

if TYPE_CHECKING:
    from pandas import DataFrame

KEY = ["arm", "metric", "epoch"]
COLUMNS = ["arm", "phase", "epoch", "metric", "mean", "low", "high", "lowest", "highest", "n"]
PREFIXES = ("running_", "train_", "tune_", "test_")


def compute(records: Records) -> DataFrame:
    """Return a row per arm, metric and epoch: mean, 95 % interval and range over ``n`` seeds.

    The interval is Student's, within the metric's bounds. Where all seeds are equal, it is that of a proportion of the examples
    of the tune split, or there is none (``mean_interval``). Only runs that ended well count: otherwise the mean would jump where
    a seed diverges.
    """
    import numpy as np
    import pandas as pd

    runs = records.compared()
    done = runs.loc[runs["state"] == "done", "run_id"]
    epochs = records.epochs[records.epochs["run_id"].isin(done)]
    metrics = [str(column) for column in epochs.columns if str(column).startswith(PREFIXES)]
    if epochs.empty or not metrics:
        return pd.DataFrame(columns=COLUMNS)
    values = epochs.melt(id_vars=["arm", "epoch"], value_vars=metrics, var_name="metric")
    values = values[np.isfinite(values["value"].to_numpy(dtype=float))]
    table = (
        values.groupby(KEY)["value"].agg(mean="mean", sd="std", lowest="min", highest="max", n="count").reset_index()
    )
    for metric, rows in table.groupby("metric").groups.items():
        of_metric, name = table.loc[rows], str(metric)
        table.loc[rows, "low"], table.loc[rows, "high"] = mean_interval(
            of_metric["mean"], of_metric["sd"], of_metric["n"], records.bounds_of(name), records.examples_of(name)
        )
    return pd.DataFrame(table.assign(phase="compare")[COLUMNS])


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer curves."""
    return [Analysis(name="curves", compute=compute)]
