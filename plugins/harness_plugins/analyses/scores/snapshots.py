"""Snapshots at the ends of a schedule's cycles: each one's score, and the ensemble's against the final weights'.

Huang et al. 2017, arXiv:1704.00109. The ensemble is the mean of the predictions of the snapshots and of the final weights. Its gain
is taken seed by seed, because both come out of one training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.results.tables.draws import draw_means, draw_numbers
from harness.statistics.intervals import difference_interval, mean_interval, standard_deviation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

COLUMNS = ("arm", "what", "epoch", "metric", "unit", "seeds", "mean", "low", "high")


def compute(records: Records) -> DataFrame:
    """Return a row per arm and snapshot, then the rows "final", "ensemble", and "gain" of the ensemble over the final weights.

    Each is the mean of the deciding metric on test, with its 95 % interval, NaN for one draw. The interval is Student's over
    replicates, each the mean of its seeds, or over the seeds of a single replicate. Where these are all equal, it is that of a
    proportion of the test examples. ``epoch`` is the one after
    which the weights were kept; the ensemble and the gain have none. An arm that kept no snapshots has no rows.
    """
    import pandas as pd

    runs, ensemble = records.compared(), f"snapshots_test_{records.deciding.name}"
    rows: list[tuple[Any, ...]] = []
    for arm in records.arms["arm"] if ensemble in runs else ():
        done = runs[(runs["arm"] == arm) & (runs["state"] == "done") & runs[ensemble].notna()]
        if len(done):
            rows += _arm_rows(records, str(arm), done, ensemble)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"epoch": float})


def _arm_rows(records: Records, arm: str, runs: DataFrame, ensemble: str) -> list[tuple[Any, ...]]:
    """Return the rows of an arm; ``ensemble`` is the column with the ensemble's score."""
    import numpy as np

    name, final = records.deciding.name, records.deciding.column
    snapshots = [f"snapshot{number}_test_{name}" for number in range(1, 1 + len(runs.columns))]
    snapshots = [column for column in snapshots if column in runs and runs[column].notna().all()]
    epochs = records.meta.schedules.get(arm, {}).get("kept", [])
    if len(epochs) != len(snapshots) + 1:
        epochs = [np.nan] * (len(snapshots) + 1)
    columns = [(f"snapshot {i}", epochs[i - 1], column) for i, column in enumerate(snapshots, 1)]
    columns += [("final", epochs[-1], final), ("ensemble", np.nan, ensemble)]
    metric = (final, records.deciding.unit)
    draws = draw_numbers(records, runs).to_numpy()
    rows = [(arm, kind, epoch, *metric, *_mean(records, runs[column], draws)) for kind, epoch, column in columns]
    return [*rows, (arm, "gain", np.nan, *metric, *_gain(records, runs[ensemble], runs[final], draws))]


def _mean(records: Records, scores: Series[Any], draws: NDArray[np.int64]) -> tuple[int, float, float, float]:
    """Return how many seeds there are, and the mean of their draws with its interval."""
    metric, values = records.deciding.column, draw_means(scores.to_numpy(dtype=float), draws)
    sd, bounds = standard_deviation(values), records.bounds_of(metric)
    low, high = mean_interval(values.mean(), sd, len(values), bounds, records.examples_of(metric))
    return len(scores), float(values.mean()), float(low), float(high)


def _gain(
    records: Records, ensemble: Series[Any], final: Series[Any], draws: NDArray[np.int64]
) -> tuple[int, float, float, float]:
    """Return how many seeds there are, and the mean difference of their draws with its interval."""
    metric = records.deciding.column
    bounds, examples = records.bounds_of(metric), records.examples_of(metric)
    of_ensemble, of_final = (draw_means(scores.to_numpy(dtype=float), draws) for scores in (ensemble, final))
    return (
        len(final),
        float((of_ensemble - of_final).mean()),
        *difference_interval(of_ensemble, of_final, bounds, examples),
    )


MEANINGS = {  # of the columns that are not the same in every table
    "what": "a snapshot, final, ensemble, or gain of the ensemble over the final weights",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer snapshots."""
    return [Analysis(name="snapshots", compute=compute, reference="arXiv:1704.00109", columns=MEANINGS)]
