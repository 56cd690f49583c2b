"""What tuning was worth: each arm compared with its own optimizer with the defaults, untuned.

Schmidt et al. 2021 (arXiv:2007.01547): trying several optimizers with their defaults does about as well as tuning one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.results.tables.draws import SEED, draw_means, draw_of_seed, draw_word
from harness.statistics.intervals import difference_interval, half_width, standard_deviation
from harness.verdict.arms import arms_alike

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

COLUMNS = (
    "arm", "control", "metric", "tuned", "untuned", "sd_untuned", "gain", "low", "high", "draws", "seeds", "failed", "unit",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per arm that has an untuned control, of the deciding test metric.

    ``tuned`` and ``untuned`` are means, ``gain`` is by how much tuning was better, above zero where it helped, with its 95 %
    interval. In a run of one replicate the gain is over the ``seeds`` that both have, and the interval is Student's over them, or
    Newcombe's for two proportions of the test examples where the gains of all seeds are equal. With several replicates the gain is
    the difference of the means, and the interval is Welch's for ``draws`` replicates, each the mean of its seeds, and ``seeds`` of
    the defaults, which have no search. The ends are NaN for fewer than two numbers. ``failed`` counts the untuned runs that failed
    or diverged.
    """
    import pandas as pd

    metric, runs = records.deciding.column, records.comparison
    rows = []
    for arm in map(str, records.arms["arm"]) if metric in runs else ():
        controls = runs[(runs["role"] == "untuned") & runs["of"].isin(arms_alike(records, arm))]
        if len(controls):
            tuned = runs[(runs["role"] == "fresh") & (runs["arm"] == arm) & (runs["state"] == "done")]
            rows.append((arm, str(controls["arm"].iloc[0]), metric, *_row(records, tuned, controls)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(records: Records, tuned: DataFrame, controls: DataFrame) -> tuple[Any, ...]:
    """Return an arm's columns, from its runs and those of its untuned control."""
    import numpy as np

    metric, sign = records.deciding.column, records.deciding.sign
    by_seed = [_by_seed(runs, metric) for runs in (tuned, controls[controls["state"] == "done"])]
    paired = draw_word(records) == SEED
    of_tuned, of_untuned = _by_common_seed(*by_seed) if paired else _by_draw(records, *by_seed)
    means = [float(np.mean(list(scores.values()))) if scores else math.nan for scores in by_seed]
    gain = float(of_tuned.mean() - of_untuned.mean()) if len(of_tuned) and len(of_untuned) else math.nan
    bounds, examples = records.bounds_of(metric), records.examples_of(metric)
    ends = (
        difference_interval(of_tuned, of_untuned, bounds, examples)
        if paired
        else _unpaired(of_tuned, of_untuned, bounds)
    )
    low, high = ends if sign > 0 else (-ends[1], -ends[0])
    sd = float(standard_deviation(np.array(list(by_seed[1].values()))))
    lost = int(controls["state"].isin(["failed", "diverged"]).sum())
    return *means, sd, sign * gain, low, high, len(of_tuned), len(of_untuned), lost, records.deciding.unit


def _by_common_seed(
    tuned: Mapping[int, float], untuned: Mapping[int, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of the seeds that both have."""
    import numpy as np

    common = sorted(tuned.keys() & untuned.keys())
    of_tuned, of_untuned = (np.array([scores[seed] for seed in common], dtype=float) for scores in (tuned, untuned))
    return of_tuned, of_untuned


def _by_draw(
    records: Records, tuned: Mapping[int, float], untuned: Mapping[int, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean score of each replicate, and the scores of the seeds of the defaults."""
    import numpy as np

    draw_of = draw_of_seed(records)
    draws = np.array([draw_of[seed] for seed in tuned], dtype=int)
    return draw_means(np.array(list(tuned.values()), dtype=float), draws), np.array(list(untuned.values()), dtype=float)


def _by_seed(runs: DataFrame, metric: str) -> dict[int, float]:
    """Return the finite scores of these runs by the seed of their initial weights."""
    pairs = zip(runs["init_seed"], runs[metric], strict=True)
    return {int(seed): float(value) for seed, value in pairs if math.isfinite(value)}


def _unpaired(one: NDArray[np.float64], other: NDArray[np.float64], bounds: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of Welch's 95 % interval of the difference of two means, [D] and [S]; NaN for one number in either."""
    if min(len(one), len(other)) < 2:
        return math.nan, math.nan
    squares = [float(standard_deviation(values)) ** 2 / len(values) for values in (one, other)]
    spread = sum(square**2 / (len(values) - 1) for square, values in zip(squares, (one, other), strict=True))
    if not spread > 0:
        return math.nan, math.nan
    half = float(half_width(math.sqrt(sum(squares)), sum(squares) ** 2 / spread))
    mean, most = float(one.mean() - other.mean()), bounds[1] - bounds[0]
    return max(mean - half, -most), min(mean + half, most)


MEANINGS = {  # of the columns that are not the same in every table
    "control": "the untuned control",
    "tuned": "the mean score of the tuned seeds",
    "untuned": "the mean score of the untuned seeds",
    "sd_untuned": "the standard deviation of the untuned seeds",
    "gain": "by how much tuning was better: of one replicate over the seeds that both have, of several the difference of the means",
    "failed": "untuned runs that failed or diverged",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer untuned."""
    return [Analysis(name="untuned", compute=compute, reference="arXiv:2007.01547", columns=MEANINGS)]
