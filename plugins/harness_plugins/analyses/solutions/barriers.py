"""The train loss along paths between solutions: how high it rises above the line through its two ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.verdict.measurements import Measurements
from harness_plugins.analyses.solutions._solutions import measured_networks, solutions_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    Curve = NDArray[np.float64]

WAYS = ("naive", "aligned", "repaired", "path")
POOLED = ""  # in the place of the arms' names: all arms together
COLUMNS = ("network", "way", "quantity", "kind", "arm", "alpha", "median", "low", "high", "pairs")


def compute(records: Records) -> DataFrame:
    """Return a row per network, ``way``, ``quantity``, kind of pair and point ``alpha`` of the path, in [0, 1].

    The way is naive, aligned, repaired or path (the better of straight lines and one with a bend). The quantity is loss, in the task's units, or error, in [0, 1]. The kind is "within"
    (two replicates of one ``arm``, or of any arm where ``arm`` is "") or "between" (two different arms, all together). ``median``,
    ``low`` and ``high`` (a tenth and nine tenths) are over that many ``pairs`` of different seeds. Each value is the loss at
    that point less the straight line between the losses at both ends, so it is 0 at the ends. A line has no direction, so
    each counts both ways round. Controls have no part in it. Nor has a pair that cannot be trusted: batch norm was not
    recalibrated, or recalibration changed an end of the line too much.
    """
    import numpy as np
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for measurements in measured_networks(records):
        for (way, quantity, kind, arm), group in sorted(_curves_by_kind(measurements).items()):
            both_ways = np.concatenate([group.curves, np.stack(group.curves)[:, ::-1]])
            low, median, high = np.quantile(both_ways, [0.1, 0.5, 0.9], axis=0)
            place = {"network": measurements.network.name, "way": way, "quantity": quantity, "kind": kind, "arm": arm}
            rows += [
                {**place, "alpha": alpha, "median": m, "low": lo, "high": hi, "pairs": len(group.curves)}
                for alpha, m, lo, hi in zip(group.alphas, median, low, high, strict=True)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True)
class _Curves:
    """Curves along lines, at the same points."""

    alphas: Curve
    curves: list[Curve] = field(default_factory=list)


def _curves_by_kind(measurements: Measurements) -> dict[tuple[str, str, str, str], _Curves]:
    """Return the curves by way, quantity, kind of pair and arm."""
    groups: dict[tuple[str, str, str, str], _Curves] = {}
    for first, second, arrays in _lines(measurements):
        kinds = [("within", POOLED), ("within", first)] if first == second else [("between", POOLED)]
        for way, quantity in product(WAYS, ("loss", "error")):
            curve = arrays.get(f"{way}_curve_{quantity}")
            if curve is None:
                continue
            for kind, arm in kinds:
                group = groups.setdefault((way, quantity, kind, arm), _Curves(arrays["alphas"]))
                if len(group.alphas) == len(curve):
                    group.curves.append(above_ends(group.alphas, curve))
    return groups


def above_ends(alphas: Curve, curve: Curve) -> Curve:
    """Return a curve [A] less the straight line between its ends, at the points ``alphas`` [A] from 0 to 1."""
    above: Curve = curve - (1 - alphas) * curve[0] - alphas * curve[-1]
    return above


def _lines(measurements: Measurements) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield both arms and the arrays of every pair of the arms' solutions that was measured and may be used."""
    import numpy as np

    network, records = measurements.network, measurements.records
    distances = [measurements.distances.probed("connectivity", f"{way}_loss") for way in WAYS]
    matrices = [of_way.matrix for of_way in distances if of_way is not None]
    if not matrices:
        return
    measured = np.asarray(np.isfinite(np.stack(matrices)).any(axis=0))
    solutions = [(arm, seed, str(row["run_id"])) for arm, seed, row in solutions_of(network) if arm in network.arms]
    for (arm, seed, run), (other_arm, other_seed, other_run) in combinations(solutions, 2):
        if seed == other_seed or not measured[measurements.run_places[run], measurements.run_places[other_run]]:
            continue
        arrays = records.probed("connectivity", run, other_run)
        arrays = arrays or records.probed("connectivity", other_run, run)
        if arrays:
            yield arm, other_arm, arrays


MEANINGS = {  # of the columns that are not the same in every table
    "way": "how the two networks are joined: naive, aligned, repaired or path",
    "quantity": "loss or error",
    "kind": "within an arm, or between two arms",
    "arm": "the arm; empty for all together",
    "alpha": "the point of the path, from 0 to 1",
    "median": "the median of the barrier over pairs",
    "low": "its first decile",
    "high": "its ninth decile",
    "pairs": "how many pairs of networks",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer barriers."""
    return [Analysis(name="barriers", compute=compute, columns=MEANINGS)]
