"""All arms of a network at once, by every primary distance: do they differ at all, in location or in spread?

PERMANOVA cannot tell the two apart. So PERMDISP, which is of spread alone, and the mean distance within each arm stand
beside it. This table decides nothing: the verdict is made of pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.statistics import pairwise
from harness.statistics.omnibus import UNKNOWN, permanova, permdisp
from harness.verdict.design import Row, networks_of
from harness.verdict.distance_blocks import OF_NAMES
from harness.verdict.measurements import Measurements
from harness.verdict.measures import MEASURES, Measure
from harness.verdict.protocol import registered_protocols

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

COLUMNS = (
    "hash", "network", "facet", "measure", "arm", "within", "within_over_error", "f", "p", "r2", "omega2", "spread_f",
    "spread_p", "arms", "replicates", "note",
)  # fmt: skip
FEWEST = 3  # replicates
USUAL = (0.5, 1.5)  # disagreement within an arm over its test error, as elsewhere: Jiang et al. 2022, arXiv:2106.13799


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network, measure of distance and arm.

    ``within`` is the arm's mean distance between its own replicates. For disagreement alone, ``within_over_error`` is the same over
    the arm's test error: about 1 where networks disagree as often as they err. The other columns are the same for all arms of
    a measure: the pseudo-``f`` and ``p`` of PERMANOVA, ``r2`` and ``omega2``, which are the arms' part of the squared
    distances, and PERMDISP's ``spread_f`` and ``spread_p``. They are NaN where pairs are missing, and ``note`` says why.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        for network in networks_of(records, registered.protocol):
            place = {"hash": registered.protocol.hash, "network": network.name}
            rows += [{**place, **row} for row in _network_rows(Measurements(records, network))]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _network_rows(measurements: Measurements) -> list[dict[str, Any]]:
    """Return the rows of every primary measure that is a distance and was measured; none for a single arm."""
    network, rows = measurements.network, []
    names = [name for names in network.protocol.primaries.values() for name in names]
    for measure in (MEASURES[name] for name in names):
        frozen = network.convex and measure.facet == "representation"
        distances = None if frozen or measure.scale not in OF_NAMES else measurements.distances_of(measure)
        if distances is not None and len(network.arms) > 1:
            rows += _measure_rows(measurements, measure, distances.matrix)
    return rows


def _measure_rows(measurements: Measurements, measure: Measure, matrix: NDArray[np.float64]) -> list[dict[str, Any]]:
    import numpy as np

    network = measurements.network
    runs = {arm: network.first_runs(arm) for arm in network.arms}
    units = [unit for unit in network.replicates if all(unit in of_arm for of_arm in runs.values())]
    places = [measurements.run_places[str(runs[arm][unit]["run_id"])] for arm in network.arms for unit in units]
    shape = (len(network.arms), len(units), len(network.arms), len(units))
    square, filled = fill_same_replicates(_without_diagonal(matrix[np.ix_(places, places)]).reshape(shape))
    note = "pairs of one replicate were not measured, and count in the total like the others" if filled else ""
    complete = len(units) >= FEWEST and bool(np.isfinite(square).all())
    if not complete:
        note = f"fewer than {FEWEST} replicates" if len(units) < FEWEST else "not every pair of networks was measured"
    location, spread = (permanova(square), permdisp(square)) if complete else (UNKNOWN, UNKNOWN)
    rows = []
    for place, arm in enumerate(network.arms):
        block = square[place, :, place]
        within = pairwise.between(block, block, block)
        over_error = _over_error(within, runs[arm], units) if measure.name == "disagreement" else math.nan
        warning = "" if network.convex else _unusual(over_error)
        rows.append(
            {
                "facet": measure.facet, "measure": measure.name, "arm": arm, "within": within,
                "within_over_error": over_error, "f": location.f, "p": location.p, "r2": location.r2,
                "omega2": location.omega2, "spread_f": spread.f, "spread_p": spread.p, "arms": len(network.arms),
                "replicates": len(units), "note": "; ".join(filter(None, (note, warning))),
            }
        )  # fmt: skip
    return rows


def _without_diagonal(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a copy of a matrix with zeros on its diagonal."""
    import numpy as np

    copy = matrix.copy()
    np.fill_diagonal(copy, 0.0)
    return copy


def _over_error(within: float, runs: Mapping[int, Row], units: Sequence[int]) -> float:
    """Return an arm's mean disagreement over its mean test error; NaN where it has none."""
    import numpy as np

    if not units:
        return math.nan
    error = float(np.mean([1 - float(runs[unit].get("test_accuracy", math.nan)) for unit in units]))
    return within / error if error > 0 else math.nan


def _unusual(over_error: float) -> str:
    """Return a warning for a disagreement that is unusual for the test error, else ""."""
    if not math.isfinite(over_error) or USUAL[0] <= over_error <= USUAL[1]:
        return ""
    return "unusual: networks of one arm mostly disagree 0.5 to 1.5 times as often as they err"


def fill_same_replicates(square: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Return distances [A, R, A, R] with those of two arms' networks of one replicate filled in, and whether any was missing.

    No probe measures these pairs, for their networks share the initial weights. No arrangement of names within replicates puts
    them into one group, so no p-value depends on them: they count in the total alone. There they take the root mean square of
    the two arms' pairs of different replicates.
    """
    import numpy as np

    full, filled = square.copy(), False
    arms, replicates = square.shape[:2]
    diagonal = np.eye(replicates, dtype=bool)
    for i in range(arms):
        for j in range(arms):
            block = full[i, :, j]
            missing, measured = np.isnan(block) & diagonal, block[~diagonal]
            if missing.any() and np.isfinite(measured).all() and len(measured):
                block[missing] = float(np.sqrt((measured**2).mean()))
                filled = True
    return full, filled


MEANINGS = {  # of the columns that are not the same in every table
    "within": "the arm's mean distance between its replicates",
    "within_over_error": "the same over the arm's test error",
    "f": "the pseudo-F of PERMANOVA",
    "p": "its p value",
    "r2": "the arms' part of the squared distances",
    "omega2": "the same without the part of chance",
    "spread_f": "the F of PERMDISP",
    "spread_p": "its p value",
    "arms": "how many arms",
    "note": "why numbers are missing",
}
ANALYSIS = Analysis(
    name="omnibus",
    compute=compute,
    reference="Anderson 2001, doi:10.1111/j.1442-9993.2001.01070.pp.x",
    columns=MEANINGS,
)
