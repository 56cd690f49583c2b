"""Does the optimizer move the solution more than the order of the data does?

Twins have the same initial weights and see the examples in another order. For two arms at one start,

    rho = mean distance between a run of one arm and a twin of the other / mean distance between twins

so that both distances are between networks of equal starts and unequal orders. A rho of 1 means that another optimizer
changes no more than another shuffle of the data. This table decides nothing: most of what networks differ in comes from
their start.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.errors import RunFolderError
from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.statistics.intervals import EQUAL, half_width, jackknife_se
from harness.statistics.pairwise import Estimate
from harness.verdict.design import Network, Pair, networks_of
from harness.verdict.distances import distances_of
from harness.verdict.estimate_columns import estimate_columns
from harness.verdict.protocol import registered_protocols

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

COLUMNS = (
    "hash", "network", "facet", "measure", "arm", "other", "rho", "rho_low", "rho_high", "estimate", "low", "high", "se",
    "between", "within", "inits",
)  # fmt: skip
FEWEST = 3  # starts; with fewer there is no interval


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network, measure of the function and pair of arms that have twins.

    ``between`` and ``within`` are the two mean distances, and ``rho`` is their ratio. Its interval of level 1 - 2 alpha comes
    from leaving out one of the ``inits`` starts at a time; ``estimate``, ``low`` and ``high`` are logarithms.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        for network in networks_of(records, registered.protocol):
            for pair in network.arm_pairs:
                place = {
                    "hash": registered.protocol.hash, "network": network.name, "arm": pair.one, "other": pair.other,
                }  # fmt: skip
                rows += [{**place, **row} for row in _pair_rows(records, network, pair)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _pair_rows(records: Records, network: Network, pair: Pair) -> list[dict[str, Any]]:
    """Return a row per measure, over the starts from which both arms have a run and a twin."""
    import numpy as np

    by_start: dict[str, list[tuple[float, float]]] = {}  # by measure, then per start: between, within
    for seed in network.seeds:
        run_ids = _four_runs(network, pair, seed)
        if len(run_ids) < 4:
            continue
        for measure, d in _distances(records, run_ids).items():
            distances = (d[0, 3] + d[1, 2]) / 2, (d[0, 2] + d[1, 3]) / 2
            by_start.setdefault(measure, []).append(distances)
    return [_row(measure, np.array(starts), network.protocol.alpha) for measure, starts in by_start.items()]


def _four_runs(network: Network, pair: Pair, seed: int) -> list[str]:
    """Return the run_ids of both arms' runs and of both arms' twins at a start, without those that did not end well."""
    arms = (pair.one, pair.other)
    runs = [network.done_runs(arm).get(seed) for arm in arms]
    twins = [network.twins.get(arm, {}).get(seed) for arm in arms]
    return [str(run["run_id"]) for run in (*runs, *twins) if run is not None and run["state"] == "done"]


def _row(measure: str, starts: NDArray[np.float64], alpha: float) -> dict[str, Any]:
    """Return the columns of the distances [T, 2] between and within, at T starts."""
    between, within = map(float, starts.mean(axis=0))
    row = {"facet": "function", "measure": measure, "between": between, "within": within, "inits": len(starts)}
    return {**row, **estimate_columns(_log_ratio(starts, alpha), "log rho")}


def _log_ratio(starts: NDArray[np.float64], alpha: float) -> Estimate:
    """Return the logarithm of the ratio of the means of [T, 2] distances, with its jackknife interval over starts."""
    import numpy as np

    count = len(starts)
    left_out = [np.delete(starts, i, axis=0) for i in range(count)] if count >= FEWEST else []
    logs = [_log_of_means(table) for table in (starts, *left_out)]
    value = logs[0]
    if not left_out:
        return Estimate(value, -math.inf, math.inf, math.nan, count)
    se = float(jackknife_se(logs[1:]))
    if se <= EQUAL:  # the ratio is the same without any of the starts, which says nothing of another start
        return Estimate(value, -math.inf, math.inf, math.nan, count)
    reach = float(half_width(se, count - 1, 1 - 2 * alpha))
    return Estimate(value, value - reach, value + reach, se, count)


def _log_of_means(starts: NDArray[np.float64]) -> float:
    between, within = map(float, starts.mean(axis=0))
    return math.log(between / within) if between > 0 and within > 0 else math.nan


def _distances(records: Records, run_ids: list[str]) -> dict[str, NDArray[np.float64]]:
    """Return the distances [4, 4] between the test predictions of four runs, by measure; none without predictions."""
    import numpy as np

    try:
        predictions = np.stack([records.predictions(run_id) for run_id in run_ids])
    except (RunFolderError, ValueError):
        return {}
    return distances_of(records, predictions)


MEANINGS = {  # of the columns that are not the same in every table
    "rho": "between over within",
    "rho_low": "its lower end",
    "rho_high": "its upper end",
    "estimate": "the logarithm of rho",
    "between": "the mean distance between the arms from equal initial weights",
    "within": "the mean distance between an arm's twins",
    "inits": "how many starts",
}
ANALYSIS = Analysis(name="twins", compute=compute, columns=MEANINGS)
