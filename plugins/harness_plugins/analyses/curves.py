"""Learning curves: every metric of an epoch, averaged over the seeds of an arm's comparison runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl

if TYPE_CHECKING:
    from pandas import DataFrame

KEY = ["arm", "metric", "epoch"]
COLUMNS = ["arm", "phase", "epoch", "metric", "mean", "low", "high", "lowest", "highest", "n"]
PREFIXES = ("running_", "train_", "tune_", "test_")


def compute(records: Records) -> DataFrame:
    """Return a row per arm, metric and epoch: mean, 95 % t-interval (NaN for one seed) and range over ``n`` seeds.

    Only runs that ended well count: else the mean would jump where a seed diverges and leaves it.
    """
    import numpy as np
    import pandas as pd

    from harness_plugins.analyses._intervals import t_interval

    runs = records.compared()
    done = runs.loc[runs["state"] == "done", "run_id"]
    epochs = records.epochs[records.epochs["run_id"].isin(done)]
    metrics = [str(column) for column in epochs.columns if str(column).startswith(PREFIXES)]
    if epochs.empty or not metrics:
        return pd.DataFrame(columns=COLUMNS)
    long = epochs.melt(id_vars=["arm", "epoch"], value_vars=metrics, var_name="metric")
    long = long[np.isfinite(long["value"].to_numpy(dtype=float))]
    table = long.groupby(KEY)["value"].agg(mean="mean", sd="std", lowest="min", highest="max", n="count").reset_index()
    table["low"], table["high"] = t_interval(table["mean"], table["sd"], table["n"])
    return pd.DataFrame(table.assign(phase="compare")[COLUMNS])


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer curves."""
    return [Analysis(name="curves", compute=compute)]
