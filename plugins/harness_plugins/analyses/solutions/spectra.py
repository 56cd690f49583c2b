"""The spectrum of the Hessian at the solutions.

The spectral density of the Hessian of the train loss at the solutions, an arm's seeds together on one axis.

This table describes and never decides: eigenvalues change when one layer is scaled up and the next one down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.verdict.measurements import Measurements
from harness_plugins.analyses.solutions._solutions import measured_networks, solutions_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    Values = NDArray[np.float64]

POINTS = 401
WIDTH = 0.01  # of the Gaussians, of the range of the nodes
BEYOND = 4.0  # so many of their widths the axis goes on
COLUMNS = ("network", "arm", "eigenvalue", "density", "seeds")


def compute(records: Records) -> DataFrame:
    """Return a row per network, arm (controls too) and eigenvalue: the density there, its mean over seeds.

    The eigenvalues are the same for all arms of a network, evenly spaced from below the lowest to above the highest of any
    run. A density integrates to 1. It is smoothed by a Gaussian whose width is ``WIDTH`` of that range, for all arms alike.
    """
    import numpy as np
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for measurements in measured_networks(records):
        spectra = _spectra(measurements)
        if not spectra:
            continue
        axis, width = axis_of(np.concatenate([nodes for runs in spectra.values() for nodes, _ in runs]))
        for arm, runs in spectra.items():
            heights = np.stack([density(axis, nodes, weights, width) for nodes, weights in runs]).mean(0)
            place = {"network": measurements.network.name, "arm": arm, "seeds": len(runs)}
            rows += [{**place, "eigenvalue": x, "density": y} for x, y in zip(axis, heights, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _spectra(measurements: Measurements) -> dict[str, list[tuple[Values, Values]]]:
    """Return the nodes and weights of each run's spectrum, by arm."""
    import numpy as np

    spectra: dict[str, list[tuple[Values, Values]]] = {}
    for arm, _, run in solutions_of(measurements.network):
        arrays = measurements.records.probed("hessian", str(run["run_id"]))
        if "nodes" in arrays and np.isfinite(arrays["nodes"]).all():
            spectra.setdefault(arm, []).append((arrays["nodes"], arrays["weights"]))
    return spectra


def axis_of(nodes: Values) -> tuple[Values, float]:
    """Return an axis ``[POINTS]`` that holds all nodes, and the width of the Gaussians that stand for them."""
    import numpy as np

    width = WIDTH * float(np.ptp(nodes)) or 1e-6 * max(float(np.abs(nodes).max()), 1e-6)
    return np.linspace(nodes.min() - BEYOND * width, nodes.max() + BEYOND * width, POINTS), width


def density(axis: Values, nodes: Values, weights: Values, width: float) -> Values:
    """Return the density [A] on ``axis`` of weighted nodes [M], each a Gaussian of that width."""
    import numpy as np

    kernel = np.exp(-(((axis[:, None] - nodes) / width) ** 2) / 2)
    heights: Values = kernel @ weights / (width * (2 * np.pi) ** 0.5)
    return heights


MEANINGS = {  # of the columns that are not the same in every table
    "eigenvalue": "the eigenvalue of the Hessian",
    "density": "the density there, the mean over seeds",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer spectra."""
    return [Analysis(name="spectra", compute=compute, columns=MEANINGS)]
