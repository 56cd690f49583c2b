"""How the tune score depends on the learning rate: the trials of the searches, as they were asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ["arm", "number", "lr", "value", "state", "chosen", "params"]


def compute(records: Records) -> DataFrame:
    """Return a row per trial that has a learning rate: ``lr``, ``value`` (NaN without a score), ``chosen``, ``params`` as JSON.

    The trials of an arm that searches no "lr" are left out.
    """
    import pandas as pd

    trials = records.trials[records.trials["params"].map(lambda params: "lr" in params).astype(bool)]
    chosen = dict(zip(records.arms["arm"], records.arms["tuned_trial"], strict=True))
    table = trials[["arm", "number", "value", "state"]].assign(
        lr=[params["lr"] for params in trials["params"]],
        chosen=[n == chosen.get(arm) for arm, n in zip(trials["arm"], trials["number"], strict=True)],
        params=[json.dumps(params, sort_keys=True) for params in trials["params"]],
    )
    for column in ("lr", "value"):
        table[column] = pd.to_numeric(table[column], errors="coerce").astype(float)
    return table.astype({"chosen": bool})[COLUMNS].reset_index(drop=True)


MEANINGS = {  # of the columns that are not the same in every table
    "number": "the number of the trial",
    "value": "its score; NaN without one",
    "chosen": "whether the search chose it",
    "params": "its hyperparameters, as JSON",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer sensitivity."""
    return [Analysis(name="sensitivity", compute=compute, columns=MEANINGS)]
