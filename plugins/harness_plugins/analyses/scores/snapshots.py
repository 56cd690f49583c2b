"""Snapshots at the ends of a schedule's cycles: each one's score, and the ensemble's against the final weights'.

Huang et al. 2017, arXiv:1704.00109. The ensemble is the mean of what the snapshots and the final weights predict. Its
gain is taken seed by seed, since both come out of one training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.statistics.intervals import difference_interval, mean_interval, standard_deviation

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

COLUMNS = ("arm", "what", "epoch", "metric", "unit", "seeds", "mean", "low", "high")


def compute(records: Records) -> DataFrame:
    """Return for every arm that kept snapshots a row per snapshot, then "final", "ensemble", and "gain" of the latter.

    Each is the mean over seeds of the deciding metric on test, with its 95 % interval, NaN for one seed: Student's over
    seeds, or where these are all equal, that of a proportion of the test examples. ``epoch`` is the one after which the weights were kept, NaN for what has none.
    """
    import numpy as np
    import pandas as pd

    name = records.deciding.name
    runs = records.compared()
    ensemble = f"snapshots_test_{name}"
    rows: list[tuple[Any, ...]] = []
    for arm in records.arms["arm"] if ensemble in runs else ():
        mine = runs[(runs["arm"] == arm) & (runs["state"] == "done") & runs[ensemble].notna()]
        if mine.empty:
            continue
        each = [f"snapshot{number}_test_{name}" for number in range(1, 1 + len(runs.columns))]
        each = [column for column in each if column in mine and mine[column].notna().all()]
        kept = records.meta.schedules.get(arm, {}).get("kept", [])
        epochs = kept if len(kept) == len(each) + 1 else [np.nan] * (len(each) + 1)
        values = {f"snapshot {i}": (epochs[i - 1], mine[column]) for i, column in enumerate(each, 1)}
        values["final"] = (epochs[-1], mine[f"test_{name}"])
        values["ensemble"] = (np.nan, mine[ensemble])
        about = (records.deciding.column, records.deciding.unit)
        rows += [
            (arm, what, epoch, *about, *_summary(records, column.to_numpy(dtype=float)))
            for what, (epoch, column) in values.items()
        ]
        rows.append((arm, "gain", np.nan, *about, *_gain(records, mine[ensemble], mine[f"test_{name}"])))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"epoch": float})


def _summary(records: Records, values: NDArray[Any]) -> tuple[int, float, float, float]:
    """Return how many seeds, and their mean of the deciding metric with its interval."""
    metric = records.deciding.column
    sd = standard_deviation(values)
    about = (records.bounds_of(metric), records.examples_of(metric))
    low, high = mean_interval(values.mean(), sd, len(values), *about)
    return len(values), float(values.mean()), float(low), float(high)


def _gain(records: Records, ensemble: Series[Any], final: Series[Any]) -> tuple[int, float, float, float]:
    """Return how many seeds, and the mean difference of their scores with its interval."""
    metric = records.deciding.column
    about = (records.bounds_of(metric), records.examples_of(metric))
    ends = difference_interval(ensemble.to_numpy(dtype=float), final.to_numpy(dtype=float), *about)
    return len(final), float((ensemble - final).mean()), *ends


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer snapshots."""
    return [Analysis(name="snapshots", compute=compute, reference="arXiv:1704.00109")]
