"""How far apart every two solutions are: in what they predict, in what they represent, and by the barrier between them.

This table describes; ``facets`` judges, from the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.statistics import pairwise
from harness.verdict.distance_blocks import DistanceBlocks
from harness.verdict.distances import Distances
from harness.verdict.measurements import Measurements
from harness.verdict.measures import Measure, facet_of
from harness_plugins.analyses.solutions._solutions import measured_networks, solutions_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    Matrix = NDArray[np.float64]

FUNCTION = ("disagreement", "root_jsd", "prediction_distance")
LAYERS = ("block1", "block2", "block3", "penultimate")
PROBED = (
    *(f"cka_{layer}" for layer in LAYERS), "cka_within_penultimate",
    *(f"{way}_{metric}" for way in ("naive", "aligned", "repaired") for metric in ("loss", "error")),
)  # fmt: skip
COLUMNS = ("network", "measure", "arm", "seed", "other", "other_seed", "distance")
BLOCKS = (
    "network", "measure", "kind", "arm", "other", "within", "within_other", "between", "rho", "excess", "replicates", "pairs",
)  # fmt: skip
MOST = 400  # solutions of a network; nobody reads a row for every two of more


def compute(records: Records) -> DataFrame:
    """Return a row per network, measure and pair of solutions: ``arm`` and ``seed``, ``other`` and ``other_seed``.

    - Measures of the function: disagreement, in parts of the test examples, and root_jsd, in root nats; or
      prediction_distance, in SDs of the test targets.
    - Measures of the representation: cka_block1 to cka_penultimate, sqrt(1 - CKA); cka_within_penultimate is the same with
      the means of the classes taken away.
    - Measures of connectivity: barriers in the task's loss and in error, ``naive``, ``aligned`` and ``repaired``.

    A pair that was not measured has no row, nor has a barrier that cannot be trusted. A network with more than 400 solutions
    has no rows.
    """
    import numpy as np
    import pandas as pd

    parts = []
    for measurements in measured_networks(records):
        solutions = list(solutions_of(measurements.network))
        arms = np.array([arm for arm, _, _ in solutions], dtype=object)
        seeds = np.array([seed for _, seed, _ in solutions])
        places = [measurements.run_places[str(run["run_id"])] for _, _, run in solutions]
        for name, _, distances in measured_distances(measurements) if len(solutions) <= MOST else ():
            matrix = distances.matrix[np.ix_(places, places)]
            i, j = np.nonzero(np.triu(np.isfinite(matrix), 1))
            columns = {
                "network": measurements.network.name, "measure": name, "arm": arms[i], "seed": seeds[i],
                "other": arms[j], "other_seed": seeds[j], "distance": matrix[i, j],
            }  # fmt: skip
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def blocks(records: Records) -> DataFrame:
    """Return a row per network, measure and pair of arms: means over the pairs of solutions of different replicates.

    ``kind`` is "arms", or "aa" or "different" for a control and its arm. ``within`` and ``within_other`` are the means within
    the arms, and ``between`` is the mean between them, over the ``replicates`` that both have and the ``pairs`` between
    them, with the first seed of each. ``rho`` is between / mean of both within, and NaN for barriers, where a ratio means nothing. ``excess`` is the difference.
    All are as in the table ``facets``.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for measurements in measured_networks(records):
        for name, facet, distances in measured_distances(measurements):
            for pair in measurements.network.pairs:
                compared = measurements.compare_distances(distances, Measure(name, facet, "log rho", ""), pair)
                if isinstance(compared, DistanceBlocks) and len(compared.units) > 1:
                    place = {
                        "network": measurements.network.name, "measure": name, "kind": pair.kind, "arm": pair.one,
                        "other": pair.other,
                    }  # fmt: skip
                    rows.append({**place, **_means(compared, facet)})
    return pd.DataFrame(rows, columns=list(BLOCKS))


def _means(compared: DistanceBlocks, facet: str) -> dict[str, Any]:
    """Return the means within and between two arms, with their ratio and their difference."""
    within, within_other = compared.within()
    blocks = compared.aa, compared.bb, compared.ab
    return {
        "within": within, "within_other": within_other, "between": pairwise.between(*blocks),
        "rho": math.exp(pairwise.log_rho(*blocks)) if facet != "connectivity" else math.nan,
        "excess": pairwise.excess(*blocks), "replicates": len(compared.units), "pairs": _count_across(compared.ab),
    }  # fmt: skip


def measured_distances(measurements: Measurements) -> Iterator[tuple[str, str, Distances]]:
    """Yield name, facet and distances of every measure by which a network's solutions were compared."""
    for name in (*FUNCTION, *PROBED):
        distances = measurements.distances.by(name)
        if distances is not None:
            yield name, facet_of(name) or "function", distances


def _count_across(between: Matrix) -> int:
    """Return how many pairs of different replicates were measured."""
    import numpy as np

    return int((np.isfinite(between) & ~np.eye(len(between), dtype=bool)).sum())


MEANINGS = {  # of the columns that are not the same in every table
    "seed": "the seed of the one solution",
    "other_seed": "the seed of the other solution",
    "distance": "their distance",
}


BLOCKS_MEANINGS = {  # of the columns that are not the same in every table
    "kind": "arms, or the role of a control",
    "within": "the mean distance within the arm",
    "within_other": "the mean distance within the other arm",
    "between": "the mean distance between them",
    "rho": "between, over the mean of both within",
    "excess": "between, less the mean of both within",
    "pairs": "how many pairs of solutions are between them",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer distances, of every two solutions, and blocks, their means within and between arms."""
    return [
        Analysis(name="distances", compute=compute, columns=MEANINGS),
        Analysis(name="blocks", compute=blocks, columns=BLOCKS_MEANINGS),
    ]
