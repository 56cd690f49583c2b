"""Does the optimizer move the solution more than the order of the data does?

Twins have the same initial weights and see the examples in another order. Of two arms, at one start,

    rho = mean distance between a run of the one and a twin of the other / mean distance between twins

so that both distances have equal starts and unequal orders. 1 means that to change the optimizer is no more than to shuffle
the data again. It decides nothing: most of what networks differ in, they differ in by their start.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.statistics.intervals import EQUAL, half_width, jackknife_se
from harness.statistics.pairwise import Estimate
from harness.verdict.columns import numbers
from harness.verdict.design import ARMS, Cell, Pair, cells
from harness.verdict.measurements import distances_of
from harness.verdict.protocol import registered_protocols

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

COLUMNS = (
    "hash", "network", "facet", "measure", "arm", "other", "rho", "rho_low", "rho_high", "estimate", "low", "high", "se",
    "between", "within", "inits",
)  # fmt: skip
FEWEST = 3  # starts, below which there is no interval


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network, measure of the function and pair of arms that have twins.

    ``between`` and ``within`` are the two mean distances, ``rho`` their ratio with its interval from leaving out one of the
    ``inits`` starts at a time, of level 1 - 2 alpha; ``estimate``, ``low`` and ``high`` are their logs.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        for cell in cells(records, registered.protocol):
            for pair in (pair for pair in cell.pairs if pair.kind == ARMS):
                about = {
                    "hash": registered.protocol.hash,
                    "network": cell.network,
                    "arm": pair.one,
                    "other": pair.other,
                }
                rows += [{**about, **row} for row in _rows(records, cell, pair)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(records: Records, cell: Cell, pair: Pair) -> list[dict[str, Any]]:
    import numpy as np

    found: dict[str, list[tuple[float, float]]] = {}  # per start: between, within
    for seed in cell.seeds:
        runs = [cell.done(arm).get(seed) for arm in (pair.one, pair.other)]
        twins = [cell.twins.get(arm, {}).get(seed) for arm in (pair.one, pair.other)]
        four = [each for each in (*runs, *twins) if each is not None and each["state"] == "done"]
        if len(four) < 4:
            continue
        for measure, d in _distances(records, [str(each["run_id"]) for each in four]).items():
            found.setdefault(measure, []).append(((d[0, 3] + d[1, 2]) / 2, (d[0, 2] + d[1, 3]) / 2))
    return [_row(measure, np.array(pairs), cell.protocol.alpha) for measure, pairs in found.items()]


def _row(measure: str, pairs: NDArray[np.float64], alpha: float) -> dict[str, Any]:
    """Return the columns of [T, 2] distances between and within."""
    between, within = (float(each) for each in pairs.mean(axis=0))
    about = {"facet": "function", "measure": measure, "between": between, "within": within, "inits": len(pairs)}
    return {**about, **numbers(_ratio(pairs, alpha), "log rho")}


def _ratio(pairs: NDArray[np.float64], alpha: float) -> Estimate:
    import numpy as np

    count = len(pairs)
    every = [np.delete(pairs, i, axis=0) for i in range(count)] if count >= FEWEST else []
    means = [each.mean(axis=0) for each in (pairs, *every)]
    logs = np.array([math.log(b / w) if b > 0 and w > 0 else math.nan for b, w in means])
    if not every:
        return Estimate(float(logs[0]), -math.inf, math.inf, math.nan, count)
    se = float(jackknife_se(logs[1:]))
    if se <= EQUAL:  # the ratio is the same without any of the starts, which says nothing of another start
        return Estimate(float(logs[0]), -math.inf, math.inf, math.nan, count)
    reach = float(half_width(se, count - 1, 1 - 2 * alpha))
    return Estimate(float(logs[0]), float(logs[0]) - reach, float(logs[0]) + reach, se, count)


def _distances(records: Records, run_ids: list[str]) -> dict[str, NDArray[np.float64]]:
    import numpy as np

    try:
        predictions = np.stack([records.predictions(run_id) for run_id in run_ids])
    except (HarnessError, ValueError):
        return {}
    return distances_of(records, predictions)


ANALYSIS = Analysis(name="twins", compute=compute)
