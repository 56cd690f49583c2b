"""The train loss on the plane through three solutions, and where they lie in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness_plugins.analyses.solutions._solutions import measured_networks, solutions_of

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("network", "what", "arm", "seed", "x", "y", "loss", "error")


def compute(records: Records) -> DataFrame:
    """Return a row per network and point of the grid (``what`` is "grid"), and one for each of the three solutions.

    ``x`` and ``y`` are Euclidean distances in weight space. ``loss`` is the un-regularised train loss in the task's units, and
    ``error`` the train error in [0, 1], NaN where the task has none. ``arm`` and ``seed`` are of a solution, "" and -1 for the
    grid. A network has the first plane that was measured of it, and none where the three solutions lie on a line.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    table = records.measured
    planes = table[(table["probe"] == "surface") & (table["third"] != "")]
    triples = list(dict.fromkeys(zip(planes["one"], planes["other"], planes["third"], strict=True)))
    for measurements in measured_networks(records):
        solutions = {str(run["run_id"]): (arm, seed) for arm, seed, run in solutions_of(measurements.network)}
        for triple in triples:
            arrays = records.probed("surface", *triple) if set(triple) <= set(solutions) else {}
            if "loss" in arrays:
                place = {"network": measurements.network.name}
                points = [*_grid_rows(arrays), *_solution_rows(arrays, [solutions[run] for run in triple])]
                rows += [{**place, **point} for point in points]
                break
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _grid_rows(arrays: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the columns of every point of the grid."""
    import numpy as np

    x, y = np.meshgrid(arrays["x"], arrays["y"])
    error = arrays.get("error", np.full(x.shape, np.nan))
    points = zip(x.ravel(), y.ravel(), arrays["loss"].ravel(), error.ravel(), strict=True)
    return [
        {"what": "grid", "arm": "", "seed": -1, "x": px, "y": py, "loss": loss, "error": wrong}
        for px, py, loss, wrong in points
    ]


def _solution_rows(arrays: dict[str, Any], solutions: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """Return the columns of the three solutions, which are given by arm and seed."""
    import numpy as np

    errors = arrays.get("solution_error", [np.nan] * 3)
    points = zip(solutions, arrays["solutions"], arrays["solution_loss"], errors, strict=True)
    return [
        {"what": "solution", "arm": arm, "seed": seed, "x": x, "y": y, "loss": loss, "error": error}
        for (arm, seed), (x, y), loss, error in points
    ]


MEANINGS = {  # of the columns that are not the same in every table
    "what": "grid, or solution",
    "arm": "the arm of a solution; empty for the grid",
    "seed": "the seed of a solution; -1 for the grid",
    "x": "the distance along the first axis of the plane",
    "y": "the distance along the second axis",
    "loss": "the train loss there",
    "error": "the train error there; NaN where the task has none",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer surfaces."""
    return [Analysis(name="surfaces", compute=compute, columns=MEANINGS)]
