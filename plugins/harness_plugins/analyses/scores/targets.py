"""Time to target per arm, over its seeds, with those that never reached it counted as such (Kaplan and Meier 1958)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.results.tables import times
from harness.verdict.arms import network_of
from harness_plugins.analyses.scores._targets import arm_survival

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "arm", "network", "metric", "target", "rule", "unit", "reached", "seeds", "median", "low", "high", "mean", "until",
    "seen",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per arm and unit (epochs, steps, seconds): the ``median`` over seeds, with its 95 % interval over replicates.

    The median is infinite where fewer than half of the seeds reached the target. Then it is more than ``seen``, the longest time
    for which an unsuccessful run was trained. ``mean`` is the mean time to the target or to ``until``, whichever comes first.
    ``until`` is the same for all arms of a network, none of which was trained for less.
    """
    import pandas as pd

    runs = times.compute(records)
    rows: list[tuple[Any, ...]] = []
    for unit, column in zip(times.UNITS, times.RECORDED, strict=True):
        trained = records.epochs[records.epochs["phase"] == "compare"].groupby("arm")[column].max()
        networks = [network_of(str(arm)) for arm in trained.index]
        until = trained.groupby(networks).min() if len(trained) else trained
        for arm in dict.fromkeys(runs["arm"]):
            of_arm = runs[runs["arm"] == arm]
            first = of_arm.iloc[0]
            curve = arm_survival(records, of_arm, unit)
            horizon = float(until[first["network"]])
            target = (arm, *(first[name] for name in ("network", "metric", "target", "rule")), unit)
            counts = (int(of_arm["reached"].sum()), len(of_arm))
            seen = float(of_arm.loc[~of_arm["reached"], unit].max())
            rows.append((*target, *counts, curve.median, *curve.interval, curve.mean(horizon), horizon, seen))
    return pd.DataFrame(rows, columns=list(COLUMNS))


MEANINGS = {  # of the columns that are not the same in every table
    "target": "the tune score to reach",
    "rule": "where the target comes from",
    "unit": "what time is counted in",
    "reached": "how many seeds reached it",
    "median": "the median time; infinite where fewer than half of the seeds reached it",
    "mean": "the mean time to the target or to the column until, whichever comes first",
    "until": "the time up to which all arms of the network were trained",
    "seen": "the longest time for which a run without success was trained",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer targets."""
    return [Analysis(name="targets", compute=compute, reference="doi:10.1080/01621459.1958.10501452", columns=MEANINGS)]
