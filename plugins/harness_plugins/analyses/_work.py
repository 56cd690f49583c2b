"""The work of an arm's trials and runs: what analyses that compare by work have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Records

if TYPE_CHECKING:
    from pandas import DataFrame

SPENDING = ("steps", "gradients", "operations")


def operations_of_gradient(records: Records, arm: str, batch: int) -> tuple[float, float]:
    """Return the operations of one gradient evaluation: the network's, and the optimizer's own; NaN where not counted."""
    work = records.meta.work.get(arm, {})
    network, own = (work.get(part) for part in ("network", "own"))
    return math.nan if network is None else batch * network, math.nan if own is None else own


def batch_of(records: Records, arm: Mapping[Any, Any], params: Mapping[str, Any]) -> int:
    """Return the number of examples in a batch of an arm: that of these parameters, or of its head, or of the file."""
    benchmark = records.meta.benchmark
    of_head = benchmark.get("heads", {}).get(arm.get("head", ""), {}).get("train", {}).get("batch_size")
    wanted = params.get("batch_size") or of_head or benchmark["train"]["batch_size"]
    return min(int(wanted), int(records.meta.data["counts"]["train"]))


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
    each = [sum(operations_of_gradient(records, str(arm["arm"]), batch)) for batch in batches]
    return spent.assign(operations=spent["gradients"] * each).reset_index(drop=True)
