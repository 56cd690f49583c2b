"""Performance profiles: on what part of the problems is an optimizer within a factor of the fastest?

    profile(tau) = part of the problems on which time <= tau * the fastest optimizer's time

Dolan and More 2002, doi:10.1007/s101070100263. A problem is a network under a schedule, of one workload or of
several. Its time is an arm's median over seeds to the network's target, infinite where most seeds never reach it. Seeds are no
problems of their own. The
score is AlgoPerf's (Dahl et al. 2023, arXiv:2306.07179): the mean height of the profile between 1 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness_plugins.analyses.scores import targets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

FEWEST = 3  # problems
FARTHEST = 4.0  # times the fastest: the score ends there
COLUMNS = ("optimizer", "unit", "tau", "part", "score", "problems")


def compute(records: Records) -> DataFrame:
    """Return a row per optimizer, unit and ``tau`` at which its profile rises, and at 1 and 4, with its ``score``.

    Only problems count that every optimizer has tried; there are no rows for fewer than three of them.
    """
    return _profile_table(_medians(records))


def across(workloads: Mapping[str, Records]) -> DataFrame:
    """Return the same table over the problems of several workloads."""
    import pandas as pd

    tables = [_medians(records, name) for name, records in workloads.items()]
    with_times = [table for table in tables if len(table)]
    return (
        _profile_table(pd.concat(with_times, ignore_index=True)) if with_times else pd.DataFrame(columns=list(COLUMNS))
    )


def _medians(records: Records, workload: str = "") -> DataFrame:
    """Return the median times of the arms, with workload, network and schedule."""
    arms = records.arms[["arm", "optimizer", "scheduler"]]
    return targets.compute(records).merge(arms, on="arm").assign(workload=workload)


def _profile_table(medians: DataFrame) -> DataFrame:
    """Return the profiles of median times; a problem that an optimizer has not tried is left out."""
    import numpy as np
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for unit, table in medians.groupby("unit", sort=False):
        grid = table.pivot(index=["workload", "network", "scheduler"], columns="optimizer", values="median").dropna()
        if len(grid) < FEWEST or grid.shape[1] < 2:
            continue
        by_optimizer = ratios(grid.to_numpy(dtype=float)).T
        for optimizer, problems in zip(grid.columns, by_optimizer, strict=True):
            total = score(problems)
            for tau in np.unique([1.0, *problems[problems <= FARTHEST], FARTHEST]):
                part = float((problems <= tau).mean())
                rows.append((optimizer, unit, float(tau), part, total, len(grid)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def ratios(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return times [problems, optimizers] over the fastest of each problem; infinite for a target that was never reached."""
    import numpy as np

    fastest = times.min(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        over_fastest = np.where(times == fastest, 1.0, times / fastest)
    return np.where(np.isfinite(times), over_fastest, np.inf)


def score(ratios: NDArray[np.float64]) -> float:
    """Return the mean height, in [0, 1], of the profile of these ratios [problems] between 1 and ``FARTHEST``."""
    import numpy as np

    return float(np.clip(FARTHEST - ratios, 0, None).mean() / (FARTHEST - 1))


MEANINGS = {  # of the columns that are not the same in every table
    "optimizer": "the optimizer",
    "unit": "what time is counted in",
    "tau": "how many times as long as the fastest",
    "part": "the part of the problems on which the optimizer is that fast",
    "score": "the mean height of the profile from 1 to 4",
    "problems": "how many problems there are",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer profiles."""
    return [
        Analysis(
            name="profiles",
            compute=compute,
            across=across,
            reference="doi:10.1007/s101070100263, arXiv:2306.07179",
            columns=MEANINGS,
        )
    ]
