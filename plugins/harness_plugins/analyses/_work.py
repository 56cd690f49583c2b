"""The work of an arm's trials: what analyses that compare by work have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Records
from harness.results.tables.work import batch_of, operations_of_gradient

if TYPE_CHECKING:
    from pandas import DataFrame

SPENDING = ("steps", "gradients", "operations")


def spent_by_trials(records: Records, arm: Mapping[Any, Any], trials: DataFrame) -> DataFrame:
    """Return what each of these trials of an arm has taken, in their order: ``steps``, ``gradients`` and ``operations``.

    A trial of several seeds is taken to spend in each what it has spent in the first.
    """
    import pandas as pd

    columns = ["epoch", "steps", "gradients"]
    last = records.epochs[records.epochs["run_id"].isin(trials["run_id"])].groupby("run_id")[columns].max()
    epochs = trials["run_id"].map(last["epoch"])
    spent = pd.DataFrame({name: trials["run_id"].map(last[name]) for name in ("steps", "gradients")}, dtype=float)
    spent = spent.mul(trials["trained"] / epochs, axis=0)
    batches = [batch_of(records, arm, params) for params in trials["params"]]
    operations = [sum(operations_of_gradient(records, str(arm["arm"]), batch)) for batch in batches]
    return spent.assign(operations=spent["gradients"] * operations).reset_index(drop=True)
