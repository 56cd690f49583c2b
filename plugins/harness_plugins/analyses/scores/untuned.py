"""What tuning was worth: each arm beside its own optimizer with the defaults, as nobody has tuned it.

Schmidt et al. 2021 (arXiv:2007.01547): trying several optimizers with their defaults does about as well as tuning one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl
from harness.statistics.intervals import difference_interval, standard_deviation
from harness.verdict.arms import arms_alike

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "arm",
    "control",
    "metric",
    "tuned",
    "untuned",
    "sd_untuned",
    "gain",
    "low",
    "high",
    "seeds",
    "failed",
    "unit",
)


def compute(records: Records) -> DataFrame:
    """Return a row per arm that has an untuned control, of the deciding test metric.

    ``tuned`` and ``untuned`` are means over seeds. ``gain`` is the mean over the seeds that both have of what tuning was
    worth, above zero where it helped, with its 95 % interval; NaN for fewer than two. The interval is Student's over seeds,
    or where the gains of all are equal, Newcombe's for two proportions of the test examples. ``failed`` counts the untuned
    runs that came to nothing.
    """
    import numpy as np
    import pandas as pd

    metric, rows, found = records.deciding.column, records.comparison, []
    for arm in map(str, records.arms["arm"]) if metric in rows else ():
        controls = rows[(rows["role"] == "untuned") & rows["of"].isin(arms_alike(records, arm))]
        if not len(controls):
            continue
        fresh = rows[(rows["role"] == "fresh") & (rows["arm"] == arm) & (rows["state"] == "done")]
        done = controls[controls["state"] == "done"]
        tuned = dict(zip(fresh["init_seed"], fresh[metric], strict=True))
        untuned = dict(zip(done["init_seed"], done[metric], strict=True))
        seeds = sorted(tuned.keys() & untuned.keys())
        one, other = (np.array([scores[seed] for seed in seeds], dtype=float) for scores in (tuned, untuned))
        gain = records.deciding.sign * float((one - other).mean()) if seeds else math.nan
        ends = difference_interval(one, other, records.bounds_of(metric), records.examples_of(metric))
        low, high = ends if records.deciding.sign > 0 else (-ends[1], -ends[0])
        spread = float(standard_deviation(done[metric].dropna().to_numpy(dtype=float)))
        means = float(fresh[metric].mean()), float(done[metric].mean()), spread
        lost = int(controls["state"].isin(["failed", "diverged"]).sum())
        unit = records.deciding.unit
        control = str(controls["arm"].iloc[0])
        found.append((arm, control, metric, *means, gain, low, high, len(seeds), lost, unit))
    return pd.DataFrame(found, columns=list(COLUMNS))


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer untuned."""
    return [Analysis(name="untuned", compute=compute, reference="arXiv:2007.01547")]
