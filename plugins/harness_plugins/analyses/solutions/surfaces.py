"""The train loss on the plane through three solutions, and where they lie in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness_plugins.analyses.solutions._solutions import networks, solutions

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("network", "what", "arm", "seed", "x", "y", "loss", "error")


def compute(records: Records) -> DataFrame:
    """Return a row per network and point of the grid (``what`` is "grid"), and one for each of the three solutions.

    ``x`` and ``y`` are Euclidean distances in weight space, ``loss`` is the un-regularised train loss in the task's
    units, ``error`` the train error in [0, 1], NaN where the task has none. ``arm`` and ``seed`` are of a solution; of the
    grid they are "" and -1. The first plane that was measured of a network; none where the three lie on a line.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    table = records.measured
    planes = table[(table["probe"] == "surface") & (table["third"] != "")]
    threes = list(dict.fromkeys(zip(planes["one"], planes["other"], planes["third"], strict=True)))
    for sources in networks(records):
        names = {str(row["run_id"]): (arm, seed) for arm, seed, row in solutions(sources.cell)}
        for three in threes:
            arrays = records.probed("surface", *three) if set(three) <= set(names) else {}
            if "loss" in arrays:
                about = {"network": sources.cell.network}
                rows += [{**about, **row} for row in _rows(arrays, [names[run] for run in three])]
                break
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(arrays: dict[str, Any], names: list[tuple[str, int]]) -> list[dict[str, Any]]:
    import numpy as np

    x, y = np.meshgrid(arrays["x"], arrays["y"])
    error = arrays.get("error", np.full(x.shape, np.nan))
    four = zip(x.ravel(), y.ravel(), arrays["loss"].ravel(), error.ravel(), strict=True)
    grid = [{"what": "grid", "arm": "", "seed": -1, **dict(zip(COLUMNS[4:], row, strict=True))} for row in four]
    at = zip(
        names, arrays["solutions"], arrays["solution_loss"], arrays.get("solution_error", [np.nan] * 3), strict=True
    )
    return [
        *grid,
        *(
            {"what": "solution", "arm": arm, "seed": seed, "x": px, "y": py, "loss": loss, "error": wrong}
            for (arm, seed), (px, py), loss, wrong in at
        ),
    ]


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer surfaces."""
    return [Analysis(name="surfaces", compute=compute)]
