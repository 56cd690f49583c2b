"""The spectral density of the Hessian of the train loss at the solutions, an arm's seeds together on one axis.

It describes and never decides: eigenvalues change when a layer is scaled up and the next one down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness_plugins.analyses._solutions import networks, solutions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

POINTS = 301
COLUMNS = ("network", "arm", "eigenvalue", "median", "low", "high", "seeds")


def compute(records: Records) -> DataFrame:
    """Return a row per network, arm (controls too) and eigenvalue: the density there, its median and range over seeds.

    The eigenvalues are the same for all arms of a network, evenly spaced from the lowest to the highest of any run. A
    density integrates to 1. Each run's was smoothed by a Gaussian a hundredth of that run's range wide, so a range ten
    times as wide is ten times as blurred.
    """
    import numpy as np
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for sources in networks(records):
        found: dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {}
        for arm, _, row in solutions(sources.cell):
            arrays = records.probed_together("hessian", str(row["run_id"]))
            if "density" in arrays and np.isfinite(arrays["grid"]).all():
                found.setdefault(arm, []).append((arrays["grid"], arrays["density"]))
        if not found:
            continue
        ends = [grid[[0, -1]] for densities in found.values() for grid, _ in densities]
        axis = np.linspace(np.min(ends), np.max(ends), POINTS)
        for arm, densities in found.items():
            heights = np.stack([np.interp(axis, grid, density, left=0.0, right=0.0) for grid, density in densities])
            about = {"network": sources.cell.network, "arm": arm, "seeds": len(densities)}
            parts = zip(axis, np.median(heights, 0), heights.min(0), heights.max(0), strict=True)
            rows += [{**about, "eigenvalue": at, "median": m, "low": lo, "high": hi} for at, m, lo, hi in parts]
    return pd.DataFrame(rows, columns=list(COLUMNS))


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer spectra."""
    return [Analysis(name="spectra", compute=compute)]
