"""Score against seconds: which trials nothing beats in both.

A trial is on the front unless another trial has a score at least as good in no more seconds of training, and is better in one of
the two. Each arm has a front, and all arms of a network have one together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl
from harness.verdict.arms import network_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

COLUMNS = ("arm", "network", "number", "score", "seconds", "front", "front_of_all")


def compute(records: Records) -> DataFrame:
    """Return a row per trial that ended well: its tune score, its seconds of training, and the fronts it is on."""
    import numpy as np
    import pandas as pd

    done = records.trials[(records.trials["state"] == "done") & records.trials["value"].notna()]
    table = pd.DataFrame(
        {
            "arm": done["arm"].astype(str),
            "network": [network_of(str(arm)) for arm in done["arm"]],
            "number": done["number"].astype(int),
            "score": done["value"].astype(float),
            "seconds": done["seconds"].astype(float),
        }
    ).reset_index(drop=True)
    scores = records.searched.sign * table["score"].to_numpy()
    for column, grouping in (("front", "arm"), ("front_of_all", "network")):
        table[column] = False
        for rows in table.groupby(grouping, sort=False).indices.values():
            indices = np.asarray(rows)
            table.loc[indices, column] = front(scores[indices], table["seconds"].to_numpy()[indices])
    return table[list(COLUMNS)]


def front(scores: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether each trial is on the front [N], from scores [N], higher is better, and seconds [N]."""
    import numpy as np

    order = np.lexsort((-scores, seconds))  # the fastest first, and of equally fast trials the best first
    best = np.maximum.accumulate(scores[order])
    before = np.concatenate([[-np.inf], best[:-1]])
    on_front = np.zeros(len(scores), dtype=bool)
    on_front[order] = scores[order] > before
    first = np.searchsorted(seconds[order], seconds[order])  # of the trials that took as long
    equal_to_first = (scores[order] == best) & (scores[order] == scores[order][first])
    on_front[order] |= equal_to_first & on_front[order][first]
    return on_front


MEANINGS = {  # of the columns that are not the same in every table
    "number": "the number of the trial",
    "score": "its score on the tune split",
    "front": "whether no trial of the arm is better in score and in seconds",
    "front_of_all": "the same among all trials of the network",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer pareto."""
    return [Analysis(name="pareto", compute=compute, columns=MEANINGS)]
