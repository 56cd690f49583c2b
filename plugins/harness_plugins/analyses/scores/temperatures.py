"""How much too sure each network is, and what its class probabilities are worth when that is put right.

The verdict compares the calibrated loss, because the loss as it is measures above all how long a network was trained after
it was right. Guo et al. 2017, arXiv:1706.04599.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.verdict.loss_numbers import calibration_of

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "arm", "role", "replicate", "seed", "run_id", "temperature", "reason", "raw_loss", "calibrated_loss", "brier",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per comparison run that ended well and whose predictions are class probabilities, arm by arm.

    - ``temperature`` is fitted on the tune split: above 1, the network was too sure. ``reason`` says why it is no minimum of
      the tune loss; it is "" for one.
    - ``raw_loss`` and ``calibrated_loss`` are log losses on test, in nats, without and with that temperature. ``brier`` is
      the mean squared distance of the calibrated probabilities from what is right, in [0, 2].
    """
    import pandas as pd

    runs = records.comparison
    done = runs[runs["state"] == "done"] if len(runs) else runs
    rows = [row for run in done.to_dict("records") if (row := _row(records, run)) is not None]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(records: Records, run: dict[Any, Any]) -> dict[str, Any] | None:
    run_id = str(run["run_id"])
    result = calibration_of(records, run_id)
    if result is None:
        return None
    return {
        "arm": str(run["arm"]), "role": str(run["role"]), "replicate": int(run["replicate"]), "seed": int(run["init_seed"]),
        "run_id": run_id, "temperature": result.temperature.value, "reason": result.temperature.reason,
        "raw_loss": result.raw_loss, "calibrated_loss": result.loss, "brier": result.brier,
    }  # fmt: skip


MEANINGS = {  # of the columns that are not the same in every table
    "role": "what the run is for",
    "temperature": "what the logits are divided by; above 1 the network was too sure",
    "reason": "why the temperature is no minimum of the tune loss; empty for one",
    "raw_loss": "the log loss on test, in nats",
    "calibrated_loss": "the same with the temperature",
    "brier": "the mean squared distance of the calibrated probabilities from what is right",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer temperatures."""
    return [Analysis(name="temperatures", compute=compute, reference="arXiv:1706.04599", columns=MEANINGS)]
