"""newcomer: how early a run is nearly as good as it will be, a place to start from.

The first epoch whose deciding tune metric covers 95 % of the way from the first epoch's value to the run's best. An
analysis is pure: it sees the records and nothing else, and the same records give the same table. It may not import
torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Analysis, Records, hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas import DataFrame

PART = 0.95  # of the way


def compute(records: Records) -> DataFrame:
    """Return a row per arm: ``epochs``, the mean over the ``seeds`` that ended well of the epoch told above."""
    import pandas as pd

    name = records.deciding.name
    sign = records.deciding.sign
    compared = records.compared()
    rows = []
    for arm in records.arms["arm"]:
        done = compared.loc[(compared["arm"] == arm) & (compared["state"] == "done"), "run_id"]
        curves = [records.epochs.loc[records.epochs["run_id"] == run, f"tune_{name}"] for run in done]
        epochs = [early([sign * float(value) for value in curve]) for curve in curves]
        rows.append({"arm": arm, "epochs": sum(epochs) / len(epochs) if epochs else None, "seeds": len(epochs)})
    return pd.DataFrame(rows, columns=["arm", "epochs", "seeds"]).astype({"epochs": float})


def early(curve: Sequence[float]) -> int:
    """Return the first epoch, counted from 1, at which a curve that is to rise has come ``PART`` of its way."""
    goal = curve[0] + PART * (max(curve) - curve[0])
    return next(epoch for epoch, value in enumerate(curve, start=1) if value >= goal)


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer newcomer; its table goes to ``tables/`` and to the end of the HTML report."""
    return [Analysis(name="newcomer", compute=compute)]
