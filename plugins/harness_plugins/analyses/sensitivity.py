"""How the tune score depends on the learning rate: the trials of the searches, as they were asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ["arm", "number", "lr", "value", "state", "chosen", "params"]


def compute(records: Records) -> DataFrame:
    """Return a row per trial that has a learning rate: ``lr``, ``value`` (NaN without one), ``chosen``, and
    ``params`` as JSON. Trials of an arm that searches no "lr" are left out.
    """
    import pandas as pd

    trials = records.trials[["lr" in params for params in records.trials["params"]]]
    chosen = dict(zip(records.arms["arm"], records.arms["tuned_trial"], strict=True))
    rows = [
        (t.arm, t.number, t.params["lr"], t.value, t.state, t.number == chosen.get(t.arm), json.dumps(t.params, sort_keys=True))
        for t in trials.itertuples()
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for column in ("lr", "value"):
        table[column] = pd.to_numeric(table[column], errors="coerce").astype(float)
    return table.astype({"chosen": bool})


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer sensitivity."""
    return [Analysis(name="sensitivity", compute=compute)]
