"""The draws that a mean is over: replicates, each the mean of its seeds; in a run of one replicate its seeds.

The seeds of one replicate share a search, and so its luck. They are no independent draws of what an optimizer does, and an
interval that counted them as such would be too narrow. A run of a single replicate has no other draws than its seeds, and what it
says holds for that one search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.records import Records
from harness.verdict.replicates import replicate_of_run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

REPLICATE, SEED = "replicate", "seed"


def draw_word(records: Records) -> str:
    """Return what a draw is: "replicate", or "seed" where there is a single replicate.

    >>> draw_word(records)
    'seed'
    """
    return REPLICATE if records.meta.planned_replicates > 1 else SEED


def draw_of_seed(records: Records) -> dict[int, int]:
    """Return the number of the draw of every comparison seed."""
    runs = records.compared()
    draws = draw_numbers(records, runs)
    return {int(seed): int(draw) for seed, draw in zip(runs["seed"], draws, strict=True)}


def draw_numbers(records: Records, runs: DataFrame) -> Series[Any]:
    """Return the number of the draw of each of these comparison runs, with their index."""
    import pandas as pd

    if draw_word(records) == SEED:
        return pd.Series(runs["seed"].astype(int), index=runs.index)
    numbers = replicate_of_run(records)
    return pd.Series([numbers.get(str(run), 0) for run in runs["run_id"]], index=runs.index, dtype=int)


def draw_means(values: NDArray[np.float64], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean value of every draw, in rising order of their numbers.

    Args:
        values: Numbers ``[S, ...]``, one per seed.
        draws: The number of the draw ``[S]`` of each.

    Returns:
        Means ``[D, ...]`` of the D draws. A draw of one value keeps that value to the last bit.

    >>> import numpy as np
    >>> draw_means(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]))
    array([2., 5.])
    """
    import numpy as np

    means = [values[draws == draw].mean(axis=0) for draw in np.unique(draws)]
    return np.stack(means) if means else np.zeros((0, *values.shape[1:]))
