"""Is every arm at a minimum? If an arm is not, only its loss is compared, for it has no minimum to compare.

- Any network: the gradient of the whole objective, as a part of its start, is at most ``gradient_limit`` in every run.
- One that is not convex: the un-augmented train error is at most ``fit``, too. A run that went on, from the peak of its
  schedule for a fifth of its steps, lowered the objective by less than ``gain_limit``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.design import Network, networks_of
from harness.verdict.gate import judge_gate
from harness.verdict.protocol import registered_protocols

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "hash", "network", "convex", "arm", "state", "reason", "gradient", "gradient_limit", "train_error", "fit", "objective",
    "restarted", "gain", "gain_limit", "seeds",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network and arm: its ``state``, and what it was judged by.

    The state is "at a minimum", "not at a minimum" or "not judged", which counts as not at one; ``reason`` says why. A number
    that has no part in it is NaN. ``gradient`` is the largest over the seeds and ``train_error`` the mean over them. For the
    run that went on, ``objective`` is its objective before, on the un-augmented train split, ``restarted`` the same after,
    and ``gain`` the difference.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        for network in networks_of(records, registered.protocol):
            rows += [{"hash": registered.protocol.hash, **_row(records, network, arm)} for arm in network.arms]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(records: Records, network: Network, arm: str) -> dict[str, Any]:
    gate, protocol = judge_gate(network, arm, records.meta), network.protocol
    return {
        "network": network.name, "convex": network.convex, "arm": arm, "state": gate.state, "reason": gate.reason,
        "gradient": gate.gradient, "gradient_limit": protocol.gate["gradient" if network.convex else "stationary"],
        "train_error": gate.error, "fit": math.nan if network.convex else protocol.fit, "objective": gate.objective,
        "restarted": gate.restarted, "gain": gate.gain, "gain_limit": gate.gain_limit,
        "seeds": len(network.done_runs(arm)),
    }  # fmt: skip


ANALYSIS = Analysis(name="gate", compute=compute)
