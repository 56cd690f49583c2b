"""Is every arm at a minimum? If an arm is not, only its loss is compared, for it has no minimum to compare.

- Any network: the gradient of the whole objective, as a part of its start, is at most ``gradient_limit``: in every run of a
  convex network, and in the mean over the runs of any other.
- One that is not convex: the un-augmented train error is at most ``fit``, too. A run that went on, from the peak of its
  schedule for a fifth of its steps, lowered the objective by less than ``gain_limit``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.course import courses_of
from harness.verdict.design import Network
from harness.verdict.gate import Gate
from harness.verdict.protocol import registered_protocols

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "hash", "network", "convex", "arm", "state", "reason", "gradient", "gradient_limit", "train_error", "fit", "objective",
    "restarted", "gain", "gain_limit", "replicates",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network and arm: its ``state``, and what it was judged by.

    Each arm is judged once, by the replicates of the first look. The state is "at a minimum", "not at a minimum" or "not
    judged", which counts as not at one; ``reason`` says why. A number that has no part in it is NaN. ``gradient`` is the
    mean over the runs, or the largest of a convex network's, and ``train_error`` their mean. For the run that went on, ``objective`` is its objective
    before, on the un-augmented train split, ``restarted`` the same after, and ``gain`` the difference.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        for course in courses_of(records, registered):
            network = course.looks[0].network
            gates = course.looks[0].gates
            rows += [{"hash": registered.protocol.hash, **_row(network, arm, gates[arm])} for arm in network.arms]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(network: Network, arm: str, gate: Gate) -> dict[str, Any]:
    protocol = network.protocol
    return {
        "network": network.name, "convex": network.convex, "arm": arm, "state": gate.state, "reason": gate.reason,
        "gradient": gate.gradient, "gradient_limit": protocol.gate["gradient" if network.convex else "stationary"],
        "train_error": gate.error, "fit": math.nan if network.convex else protocol.fit, "objective": gate.objective,
        "restarted": gate.restarted, "gain": gate.gain, "gain_limit": gate.gain_limit,
        "replicates": len(network.replicates),
    }  # fmt: skip


MEANINGS = {  # of the columns that are not the same in every table
    "convex": "whether the objective is convex",
    "state": "at a minimum, not at a minimum, or not judged",
    "reason": "why",
    "gradient": "the relative gradient of its runs: of a convex network the largest, of any other the mean",
    "gradient_limit": "what it may be",
    "train_error": "the mean train error",
    "fit": "what the train error may be",
    "objective": "the objective of the run that went on, before",
    "restarted": "the same after",
    "gain": "the difference",
    "gain_limit": "what the gain may be",
}
ANALYSIS = Analysis(name="gate", compute=compute, columns=MEANINGS)
