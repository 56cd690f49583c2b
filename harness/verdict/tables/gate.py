"""Is every arm at a minimum? Where one is not, nothing is said of its minimum, only of its loss.

A convex network: the gradient of the whole objective, as a part of its start, is at most ``gradient_limit`` in every run.
Any other: the un-augmented train error is at most ``fit``, and a run that went on, from the peak of its schedule for a fifth
of its steps, lowered the train loss by less than ``gain_limit``: 5 % or .005 nats, whichever is more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.design import cells
from harness.verdict.gate import gate
from harness.verdict.protocol import registered_protocols

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    "hash", "network", "convex", "arm", "state", "reason", "gradient", "gradient_limit", "train_error", "fit", "train_loss",
    "restarted", "gain", "gain_limit", "seeds",
)  # fmt: skip


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network and arm: its ``state``, and what it was judged by.

    The state is "at a minimum", "not at a minimum" or "not judged", which counts as not at one; ``reason`` says why. NaN is
    what has no part in it. ``gradient`` is the largest over the seeds, ``train_error`` the mean over them; ``train_loss``,
    without the regulariser, is that of the run that went on, before, ``restarted`` after, ``gain`` the difference.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        protocol = registered.protocol
        for cell in cells(records, protocol):
            for arm in cell.arms:
                found = gate(cell, arm, records.meta)
                rows.append(
                    {
                        "hash": protocol.hash, "network": cell.network, "convex": cell.convex, "arm": arm,
                        "state": found.state, "reason": found.reason, "gradient": found.gradient,
                        "gradient_limit": protocol.gate["gradient"] if cell.convex else math.nan,
                        "train_error": found.error, "fit": math.nan if cell.convex else protocol.fit,
                        "train_loss": found.loss, "restarted": found.restarted, "gain": found.gain,
                        "gain_limit": found.gain_limit, "seeds": len(cell.done(arm)),
                    }
                )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


ANALYSIS = Analysis(name="gate", compute=compute)
