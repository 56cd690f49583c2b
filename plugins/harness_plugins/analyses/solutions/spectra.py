"""The spectral density of the Hessian of the train loss at the solutions, an arm's seeds together on one axis.

It describes and never decides: eigenvalues change when a layer is scaled up and the next one down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness_plugins.analyses.solutions._solutions import networks, solutions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    Values = NDArray[np.float64]

POINTS = 401
WIDTH = 0.01
COLUMNS = ("network", "arm", "eigenvalue", "density", "seeds")


def compute(records: Records) -> DataFrame:
    """Return a row per network, arm (controls too) and eigenvalue: the density there, its mean over seeds.

    The eigenvalues are the same for all arms of a network, evenly spaced from below the lowest to above the highest of any
    run. A density integrates to 1, and is smoothed by a Gaussian ``WIDTH`` of that range wide, for all arms alike.
    """
    import numpy as np
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for sources in networks(records):
        found: dict[str, list[tuple[Values, Values]]] = {}
        for arm, _, row in solutions(sources.cell):
            arrays = records.probed("hessian", str(row["run_id"]))
            if "nodes" in arrays and np.isfinite(arrays["nodes"]).all():
                found.setdefault(arm, []).append((arrays["nodes"], arrays["weights"]))
        if not found:
            continue
        every = np.concatenate([nodes for runs in found.values() for nodes, _ in runs])
        width = WIDTH * float(np.ptp(every)) or 1e-6 * max(float(np.abs(every).max()), 1e-6)
        axis = np.linspace(every.min() - 4 * width, every.max() + 4 * width, POINTS)
        for arm, runs in found.items():
            heights = np.stack([density(axis, nodes, weights, width) for nodes, weights in runs])
            about = {"network": sources.cell.network, "arm": arm, "seeds": len(runs)}
            rows += [{**about, "eigenvalue": at, "density": d} for at, d in zip(axis, heights.mean(0), strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def density(axis: Values, nodes: Values, weights: Values, width: float) -> Values:
    """Return the density [A] on ``axis`` of weighted nodes [M], each a Gaussian of that width."""
    import numpy as np

    found: Values = np.exp(-(((axis[:, None] - nodes) / width) ** 2) / 2) @ weights / (width * (2 * np.pi) ** 0.5)
    return found


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer spectra."""
    return [Analysis(name="spectra", compute=compute)]
