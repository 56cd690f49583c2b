"""The work of each arm: gradient evaluations, examples and operations, so that arms are compared by steps and by work.

Equal steps need not be equal work. SAM evaluates two gradients a step, L-BFGS up to twenty, and Muon multiplies matrices. The
evaluations are those that each comparison run counted. The operations of one evaluation were counted once for each arm, from
the shapes of its tensors, so that no machine and no other work on it has a part in them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.arms import network_of

if TYPE_CHECKING:
    from pandas import DataFrame

PER_STEP = ("gradients", "examples", "network", "own")
COLUMNS = ("arm", "batch", "weights", *PER_STEP, "steps", "all_gradients", "operations", "times_least", "problem")


def compute(records: Records) -> DataFrame:
    """Return a row per arm. The first columns are of a step, the mean over its comparison runs:

    - ``gradients`` evaluations of the objective's gradient, and the ``examples`` that these see;
    - ``network``: the operations of these evaluations, forward and backward, as torch counts those of matrix products and
      convolutions (a multiplication and an addition are two); ``own``: the optimizer's own operations, with its matrix
      products counted alike, and one for each number that another operation makes.

    ``batch`` is the number of examples in a batch, ``weights`` that of trained numbers. The last columns are of a whole
    comparison run: ``steps``, ``all_gradients`` and ``operations`` (the network's and the optimizer's), and ``times_least``,
    the operations as a multiple of those of the arm of the same network that needs least. What was not counted is NaN, and
    ``problem`` says why. In the regime "features" the one pass through the frozen backbone is not counted, and the first
    epochs that train the head alone are counted as all others.
    """
    import pandas as pd

    ends = _ends(records)
    rows = [_row(records, arm, ends) for arm in records.arms.to_dict("records")]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    least = table.groupby(table["arm"].map(network_of))["operations"].transform("min")
    return table.assign(times_least=table["operations"] / least)


def _ends(records: Records) -> DataFrame:
    """Return the steps and the gradient evaluations of every comparison run that ended well, by its arm."""
    runs = records.compared()
    done = runs[runs["state"] == "done"]
    last = records.epochs.groupby("run_id")[["steps", "gradients"]].max()
    return done[["run_id", "arm"]].merge(last, left_on="run_id", right_index=True)


def _row(records: Records, arm: Mapping[Any, Any], ends: DataFrame) -> dict[str, Any]:
    """Return the row of an arm, without how it compares with the others."""
    name = str(arm["arm"])
    work = records.meta.work.get(name, {})
    row = {"arm": name, "weights": work.get("weights", 0), "problem": work.get("problem", "")}
    runs = ends[ends["arm"] == name]
    if runs.empty:
        return {**row, "problem": row["problem"] or "no comparison run has ended well"}
    batch = batch_of(records, arm, arm["tuned_params"])
    steps, evaluations = float(runs["steps"].mean()), float(runs["gradients"].mean())
    a_step = evaluations / steps
    network, of_optimizer = operations_of_gradient(records, name, batch)
    counted = {
        "gradients": a_step,
        "examples": a_step * batch,
        "network": a_step * network,
        "own": a_step * of_optimizer,
    }
    total = steps * (counted["network"] + counted["own"])
    if not work and not row["problem"]:
        row["problem"] = "its operations were not counted"
    return {**row, "batch": batch, **counted, "steps": steps, "all_gradients": evaluations, "operations": total}


def operations_of_gradient(records: Records, arm: str, batch: int) -> tuple[float, float]:
    """Return the operations of one gradient evaluation: the network's, and the optimizer's own; NaN where not counted."""
    work = records.meta.work.get(arm, {})
    network, of_optimizer = (work.get(part) for part in ("network", "own"))
    return math.nan if network is None else batch * network, math.nan if of_optimizer is None else of_optimizer


def batch_of(records: Records, arm: Mapping[Any, Any], params: Mapping[str, Any]) -> int:
    """Return the number of examples in a batch of an arm: that of these parameters, or of its head, or of the file."""
    benchmark = records.meta.benchmark
    of_head = benchmark.get("heads", {}).get(arm.get("head", ""), {}).get("train", {}).get("batch_size")
    batch = params.get("batch_size") or of_head or benchmark["train"]["batch_size"]
    return min(int(batch), int(records.meta.data["counts"]["train"]))


MEANINGS = {  # of the columns that are not the same in every table
    "batch": "examples of a batch",
    "weights": "how many weights the network has",
    "gradients": "evaluations of the gradient per step",
    "examples": "examples that these evaluations see",
    "network": "operations of these evaluations, forward and backward: of matrix products and convolutions",
    "steps": "steps of a whole comparison run",
    "own": "the optimizer's own operations, per step",
    "all_gradients": "evaluations of the gradient in the whole training",
    "operations": "operations of the whole training, the network's and the optimizer's",
    "times_least": "the operations over those of the arm with the fewest",
    "problem": "why the operations are not known; empty where they are",
}
ANALYSIS = Analysis(name="work", compute=compute, columns=MEANINGS)
