"""Every solution and what was measured of it alone: its scores, its sharpness, its Hessian, its weights, its gradient.

They describe. Sharpness alone has a part in the verdict, and in no case is flatter better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness_plugins.analyses.solutions._solutions import kind_of, networks
from harness_plugins.analyses.solutions._solutions import solutions as solutions_of

if TYPE_CHECKING:
    from pandas import DataFrame

PROBED = {  # column: names of the numbers, the first that there is; an early probe's are columns of records.comparison
    "sharpness": ("sharpness.value",),
    "lambda_max": ("hessian.lambda_max",),
    "lambda_max_residual": ("hessian.lambda_max_residual",),
    "trace": ("hessian.trace",),
    "trace_se": ("hessian.trace_se",),
    "edge_ratio": ("hessian.edge_ratio",),
    "weight_norm": ("distance.weight_norm", "sharpness.weight_norm"),
    "moved": ("distance.moved",),
    "gradient_norm": ("gradient_norm.value",),
    "gradient_relative": ("gradient_norm.relative",),
}
COLUMNS = ("network", "arm", "kind", "of", "seed", "run_id", "score", "train_loss", *PROBED)


def compute(records: Records) -> DataFrame:
    """Return a row per network and solution, the arms' first, NaN for what was not measured.

    ``kind`` is "arm", "aa" or "different", ``of`` the arm a control belongs to. ``score`` is the deciding metric on test;
    ``sharpness`` adaptive and worst-case, in the task's loss; ``lambda_max`` the largest eigenvalue of the Hessian of the
    train loss, with its relative residual, ``trace`` its trace with standard error; ``weight_norm`` and ``moved``, from
    the initial weights, are Euclidean; ``gradient_norm`` is of the whole objective, ``gradient_relative`` in parts of its
    start.
    """
    import pandas as pd

    late = _late(records)
    rows: list[dict[str, Any]] = []
    for sources in networks(records):
        cell = sources.cell
        for arm, seed, row in solutions_of(cell):
            known: Mapping[str, Any] = {**row, **late.get(str(row["run_id"]), {})}
            rows.append(
                {
                    "network": cell.network, "arm": arm, "kind": kind_of(cell, arm),
                    "of": cell.controls[arm][1] if arm in cell.controls else arm, "seed": seed,
                    "run_id": str(row["run_id"]), "score": _number(row.get(records.deciding.column)),
                    "train_loss": _number(row.get("train_loss")),
                    **{column: _first(known, names) for column, names in PROBED.items()},
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _late(records: Records) -> dict[str, dict[str, float]]:
    """Return what late probes measured of one network alone, by run."""
    table = records.measured
    alone = table[table["other"] == ""]
    found: dict[str, dict[str, float]] = {}
    for probe, run, name, value in zip(alone["probe"], alone["one"], alone["name"], alone["value"], strict=True):
        found.setdefault(str(run), {})[f"{probe}.{name}"] = float(value)
    return found


def _first(known: Mapping[str, Any], names: tuple[str, ...]) -> float:
    return next((value for name in names if not math.isnan(value := _number(known.get(name)))), math.nan)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer solutions."""
    return [Analysis(name="solutions", compute=compute)]
