"""How far apart every two solutions are: in what they predict, in what they represent, and by the barrier between them.

It describes; ``facets`` judges, from the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.statistics import pairwise
from harness.verdict.matrices import Matrices
from harness.verdict.measurements import Sources
from harness.verdict.measures import PROBES, Measure
from harness_plugins.analyses.solutions._solutions import networks, solutions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    Matrix = NDArray[np.float64]

FUNCTION = ("disagreement", "root_jsd", "prediction_distance")
LAYERS = ("block1", "block2", "block3", "penultimate")
PROBED = {
    "representation": tuple(f"cka_{layer}" for layer in LAYERS),
    "connectivity": tuple(
        f"{way}_{what}" for way in ("naive", "aligned", "repaired") for what in ("loss", "error")
    ),
}  # fmt: skip
COLUMNS = ("network", "measure", "arm", "seed", "other", "other_seed", "distance")
BLOCKS = (
    "network", "measure", "kind", "arm", "other", "within", "within_other", "between", "rho", "excess", "seeds", "pairs",
)  # fmt: skip
MOST = 400  # solutions of a network beyond which a row for every two is more than anyone reads


def compute(records: Records) -> DataFrame:
    """Return a row per network, measure and pair of solutions: ``arm`` and ``seed``, ``other`` and ``other_seed``.

    Measures of the function: disagreement, in parts of the test examples, and root_jsd, in root nats, or
    prediction_distance, in SDs of the test targets. Of the representation: cka_block1 to cka_penultimate, sqrt(1 - CKA).
    Of connectivity: barriers in the task's loss and in error, ``naive``, ``aligned`` and ``repaired``. A pair that was
    not measured has no row, nor has a barrier that cannot be trusted, nor any pair of more than 400 solutions.
    """
    import numpy as np
    import pandas as pd

    parts = []
    for sources in networks(records):
        places = [(arm, seed) for arm, seed, _ in solutions(sources.cell)]
        arms, seeds = np.array([arm for arm, _ in places], dtype=object), np.array([seed for _, seed in places])
        for name, _, matrix in measures(sources) if len(places) <= MOST else ():
            i, j = np.nonzero(np.triu(np.isfinite(matrix), 1))
            about = {"network": sources.cell.network, "measure": name, "arm": arms[i], "seed": seeds[i]}
            parts.append(pd.DataFrame({**about, "other": arms[j], "other_seed": seeds[j], "distance": matrix[i, j]}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def blocks(records: Records) -> DataFrame:
    """Return a row per network, measure and pair of arms: means over the pairs of solutions of different seeds.

    ``kind`` is "arms", or "aa" or "different" for a control and its arm. ``within`` and ``within_other`` are the means
    within the arms, ``between`` that between them, over ``seeds`` that both have and ``pairs`` between them; ``rho`` is
    between / mean of both within, ``excess`` the difference, NaN where that means nothing. As in ``facets``.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for sources in networks(records):
        for name, facet, matrix in measures(sources):
            for pair in sources.cell.pairs:
                found = sources.between(matrix, Measure(name, facet, "log rho", ""), pair)
                if not isinstance(found, Matrices) or len(found.units) < 2:
                    continue
                within, other = found.within()
                three = found.aa, found.bb, found.ab
                rows.append(
                    {
                        "network": sources.cell.network, "measure": name, "kind": pair.kind, "arm": pair.one,
                        "other": pair.other, "within": within, "within_other": other,
                        "between": pairwise.between(*three), "rho": _rho(three, facet),
                        "excess": pairwise.excess(*three), "seeds": len(found.units), "pairs": _across(found.ab),
                    }
                )  # fmt: skip
    return pd.DataFrame(rows, columns=list(BLOCKS))


def measures(sources: Sources) -> Iterator[tuple[str, str, Matrix]]:
    """Yield name, facet and distances of every measure that there is of a network's solutions."""
    every = [("function", name) for name in FUNCTION]
    every += [(facet, name) for facet, names in PROBED.items() for name in names]
    for facet, name in every:
        matrix = sources.distances(name) if facet == "function" else sources.probed(PROBES[facet], name)
        if matrix is not None:
            yield name, facet, matrix


def _rho(three: tuple[Matrix, Matrix, Matrix], facet: str) -> float:
    return math.exp(pairwise.log_rho(*three)) if facet != "connectivity" else math.nan


def _across(between: Matrix) -> int:
    import numpy as np

    return int((np.isfinite(between) & ~np.eye(len(between), dtype=bool)).sum())


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer distances, of every two solutions, and blocks, their means within and between arms."""
    return [Analysis(name="distances", compute=compute), Analysis(name="blocks", compute=blocks)]
