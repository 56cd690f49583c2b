"""The train loss along straight lines between solutions: how high it rises above the line through its two ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.verdict.measurements import Sources
from harness_plugins.analyses.solutions._solutions import networks, solutions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    Curve = NDArray[np.float64]

WAYS = ("naive", "aligned", "repaired")
POOLED = ""  # in the place of the arms' names: all arms together
COLUMNS = ("network", "way", "quantity", "kind", "arm", "alpha", "median", "low", "high", "pairs")


def compute(records: Records) -> DataFrame:
    """Return a row per network, ``way``, ``quantity``, kind of pair and point ``alpha`` of the line, in [0, 1].

    The way is naive, aligned or repaired, the quantity loss (in the task's units) or error (in [0, 1]), the kind "within"
    (two seeds of one ``arm``; of all arms together where ``arm`` is "") or "between" (of different arms, all together).
    ``median``, ``low`` and ``high`` (a tenth and nine tenths) are over that many ``pairs`` of different seeds. At each
    point it is the loss less that of the straight line between the losses at both ends, so 0 at the ends. A line has no
    direction, so each counts both ways round. Controls have no part in it, nor has a pair that cannot be trusted: batch
    norm that was not recalibrated, or an end that is no longer the network it was.
    """
    import numpy as np
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for sources in networks(records):
        for (way, quantity, kind, arm), (alphas, curves) in sorted(_grouped(sources, records).items()):
            both = np.concatenate([curves, np.stack(curves)[:, ::-1]])
            low, median, high = np.quantile(both, [0.1, 0.5, 0.9], axis=0)
            about = {"network": sources.cell.network, "way": way, "quantity": quantity, "kind": kind, "arm": arm}
            rows += [
                {**about, "alpha": at, "median": m, "low": lo, "high": hi, "pairs": len(curves)}
                for at, m, lo, hi in zip(alphas, median, low, high, strict=True)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _grouped(sources: Sources, records: Records) -> dict[tuple[str, str, str, str], tuple[Curve, list[Curve]]]:
    """Return the points and the curves by way, quantity, kind and arm."""
    found: dict[tuple[str, str, str, str], tuple[Curve, list[Curve]]] = {}
    for one, other, arrays in _lines(sources, records):
        for way in WAYS:
            for quantity in ("loss", "error"):
                curve = arrays.get(f"{way}_curve_{quantity}")
                if curve is None:
                    continue
                names = [("within", POOLED), ("within", one)] if one == other else [("between", POOLED)]
                for kind, arm in names:
                    points, curves = found.setdefault((way, quantity, kind, arm), (arrays["alphas"], []))
                    if len(points) == len(curve):
                        curves.append(above_ends(points, curve))
    return found


def above_ends(alphas: Curve, curve: Curve) -> Curve:
    """Return a curve [A] less the straight line between its ends, at the points ``alphas`` [A] from 0 to 1."""
    found: Curve = curve - (1 - alphas) * curve[0] - alphas * curve[-1]
    return found


def _lines(sources: Sources, records: Records) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield both arms and the arrays of every pair of solutions of the arms that was measured and may be used."""
    import numpy as np

    cell = sources.cell
    usable = [each for way in WAYS if (each := sources.probed("connectivity", f"{way}_loss")) is not None]
    if not usable:
        return
    measured = np.asarray(np.isfinite(np.stack(usable)).any(axis=0))
    mine = [(arm, seed, str(row["run_id"])) for arm, seed, row in solutions(cell) if arm in cell.arms]
    for (arm, seed, run), (other, other_seed, other_run) in combinations(mine, 2):
        if seed == other_seed or not measured[sources.runs[run], sources.runs[other_run]]:
            continue
        arrays = records.probed("connectivity", run, other_run)
        arrays = arrays or records.probed("connectivity", other_run, run)
        if arrays:
            yield arm, other, arrays


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer barriers."""
    return [Analysis(name="barriers", compute=compute)]
