"""What tuning was worth: each arm compared with its own optimizer with the defaults, untuned.

Schmidt et al. 2021 (arXiv:2007.01547): trying several optimizers with their defaults does about as well as tuning one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.results.tables.draws import draw_means, draw_of_seed
from harness.statistics.intervals import difference_interval, standard_deviation
from harness.verdict.arms import arms_alike

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "arm", "control", "metric", "tuned", "untuned", "sd_untuned", "gain", "low", "high", "draws", "seeds", "failed", "unit",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per arm that has an untuned control, of the deciding test metric.

    ``tuned`` and ``untuned`` are means over seeds. ``gain`` is by how much tuning was better, above zero where it helped: a mean
    over the ``seeds`` that both have, with its 95 % interval; NaN for fewer than two ``draws``. The interval is Student's over
    replicates, each the mean of its seeds, or over the seeds of a single replicate. Where the gains of all of these are equal, it is Newcombe's for two proportions of the test examples. ``failed`` counts the untuned runs
    that failed or diverged.
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
    untuned = controls[controls["state"] == "done"]
    by_seed = [dict(zip(runs["init_seed"], runs[metric], strict=True)) for runs in (tuned, untuned)]
    draw_of = draw_of_seed(records)
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    draws = np.array([draw_of.get(int(seed), int(seed)) for seed in seeds], dtype=int)
    one, other = (draw_means(np.array([scores[seed] for seed in seeds], dtype=float), draws) for scores in by_seed)
    gain = sign * float((one - other).mean()) if seeds else math.nan
    ends = difference_interval(one, other, records.bounds_of(metric), records.examples_of(metric))
    low, high = ends if sign > 0 else (-ends[1], -ends[0])
    sd = float(standard_deviation(untuned[metric].dropna().to_numpy(dtype=float)))
    means = float(tuned[metric].mean()), float(untuned[metric].mean())
    lost = int(controls["state"].isin(["failed", "diverged"]).sum())
    return *means, sd, gain, low, high, len(one), len(seeds), lost, records.deciding.unit


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer untuned."""
    return [Analysis(name="untuned", compute=compute, reference="arXiv:2007.01547")]
