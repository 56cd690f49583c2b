"""How many seeds have reached the target by when.

The part of an arm's seeds that have reached the target, against the time they took (Kaplan and Meier 1958).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.results.tables import times
from harness_plugins.analyses.scores._targets import arm_survival

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("arm", "unit", "at", "part", "low", "high")


def compute(records: Records) -> DataFrame:
    """Return a row per arm, unit (epochs, steps, seconds) and time ``at``, when a run reached the target or ended.

    ``part`` of the arm's seeds have reached it by then, with its 95 % interval over replicates.
    """
    import pandas as pd

    runs = times.compute(records)
    rows: list[tuple[Any, ...]] = []
    for unit in times.UNITS:
        for arm in dict.fromkeys(runs["arm"]):
            of_arm = runs[runs["arm"] == arm]
            curve = arm_survival(records, of_arm, unit)
            steps = zip(curve.at, 1 - curve.left, 1 - curve.high, 1 - curve.low, strict=True)
            rows += [(arm, unit, *map(float, step)) for step in steps]
    return pd.DataFrame(rows, columns=list(COLUMNS))


MEANINGS = {  # of the columns that are not the same in every table
    "unit": "what time is counted in",
    "at": "the time",
    "part": "the part of the seeds that have reached the target by then",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer reached."""
    return [Analysis(name="reached", compute=compute, reference="doi:10.1080/01621459.1958.10501452", columns=MEANINGS)]
