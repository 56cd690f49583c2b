"""Every solution and what was measured of it alone: its scores, its sharpness, its Hessian, its weights, its gradient.

These numbers describe. Only sharpness has a part in the verdict, and flatter never counts as better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness_plugins.analyses.solutions._solutions import kind_of, measured_networks, solutions_of

if TYPE_CHECKING:
    from pandas import DataFrame

PROBED = {  # column: names of the numbers, of which the first known one counts
    "sharpness": ("sharpness.value_0.001",),
    "sharpness_002": ("sharpness.value_0.002",),
    "sharpness_005": ("sharpness.value_0.005",),
    "lambda_max": ("hessian.lambda_max",),
    "lambda_max_residual": ("hessian.lambda_max_residual",),
    "trace": ("hessian.trace",),
    "trace_se": ("hessian.trace_se",),
    "stability": ("stability.ratio",),
    "weight_norm": ("distance.weight_norm", "sharpness.weight_norm"),
    "moved": ("distance.moved",),
    "gradient_norm": ("gradient_norm.value",),
    "gradient_relative": ("gradient_norm.relative",),
}
COLUMNS = ("network", "arm", "kind", "of", "seed", "run_id", "score", "train_loss", *PROBED)


def compute(records: Records) -> DataFrame:
    """Return a row per network and solution, the arms' first; a number that was not measured is NaN.

    - ``kind`` is "arm", "aa" or "different"; ``of`` is the arm that a control belongs to.
    - ``score`` is the deciding metric on test.
    - ``sharpness`` is adaptive and worst-case, in the task's loss, where every weight moves by a thousandth of itself;
      ``sharpness_002`` and ``sharpness_005`` are the same for two and five thousandths.
    - ``lambda_max`` is the largest eigenvalue of the Hessian of the train loss, with its relative residual; ``trace`` is the
      Hessian's trace, with its standard error.
    - ``stability`` is the rate times the largest curvature that the optimizer meets, in parts of what it can bear: 1 is the
      edge of its own stability.
    - ``weight_norm``, and ``moved`` from the initial weights, are Euclidean.
    - ``gradient_norm`` is of the whole objective, and ``gradient_relative`` the same in parts of its start.
    """
    import pandas as pd

    late = _late_numbers(records)
    rows: list[dict[str, Any]] = []
    for measurements in measured_networks(records):
        network = measurements.network
        for arm, seed, run in solutions_of(network):
            numbers: Mapping[str, Any] = {**run, **late.get(str(run["run_id"]), {})}
            rows.append(
                {
                    "network": network.name, "arm": arm, "kind": kind_of(network, arm),
                    "of": network.controls[arm][1] if arm in network.controls else arm, "seed": seed,
                    "run_id": str(run["run_id"]), "score": _number(run.get(records.deciding.column)),
                    "train_loss": _number(run.get("train_loss")),
                    **{column: _first_known(numbers, names) for column, names in PROBED.items()},
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _late_numbers(records: Records) -> dict[str, dict[str, float]]:
    """Return what probes measured of one network alone, by run_id and by ``PROBE.NAME``."""
    table = records.measured
    rows = table[table["other"] == ""]
    numbers: dict[str, dict[str, float]] = {}
    for probe, run, name, value in zip(rows["probe"], rows["one"], rows["name"], rows["value"], strict=True):
        numbers.setdefault(str(run), {})[f"{probe}.{name}"] = float(value)
    return numbers


def _first_known(numbers: Mapping[str, Any], names: tuple[str, ...]) -> float:
    """Return the first of these numbers that is known, NaN where none is."""
    values = [_number(numbers.get(name)) for name in names]
    return next((value for value in values if not math.isnan(value)), math.nan)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


MEANINGS = {  # of the columns that are not the same in every table
    "kind": "arm, aa or different",
    "of": "the arm that a control belongs to",
    "score": "the deciding metric on test",
    "train_loss": "the loss on the train split",
    "sharpness": "by how much the loss can rise when every weight moves by a thousandth of itself",
    "sharpness_002": "the same for two thousandths",
    "sharpness_005": "the same for five thousandths",
    "lambda_max": "the largest eigenvalue of the Hessian of the train loss",
    "lambda_max_residual": "its relative residual",
    "trace": "the trace of the Hessian",
    "trace_se": "its standard error",
    "stability": "the curvature in parts of what the optimizer can bear; 1 is the edge",
    "weight_norm": "the length of the weights",
    "moved": "how far the weights are from the initial ones",
    "gradient_norm": "the length of the gradient of the whole objective",
    "gradient_relative": "the same in parts of its start",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer solutions."""
    return [Analysis(name="solutions", compute=compute, columns=MEANINGS)]
