"""All arms of a network at once, by every primary distance: do they differ at all, in place or in spread?

PERMANOVA takes both for one, so PERMDISP, of spread alone, and the mean distance within each arm stand beside it. It
decides nothing: the verdict is made of pairs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.statistics import pairwise
from harness.statistics.omnibus import Omnibus, permanova, permdisp
from harness.verdict.design import Cell, cells
from harness.verdict.measurements import Sources
from harness.verdict.measures import MEASURES
from harness.verdict.protocol import registered_protocols

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

COLUMNS = (
    "hash", "network", "facet", "measure", "arm", "within", "within_over_error", "f", "p", "r2", "omega2", "spread_f",
    "spread_p", "arms", "seeds", "note",
)  # fmt: skip
UNKNOWN = Omnibus(math.nan, math.nan, math.nan, math.nan)
FEWEST = 3  # seeds
USUAL = (0.5, 1.5)  # of disagreement within an arm over its test error, elsewhere: Jiang et al. 2022, arXiv:2106.13799


def compute(records: Records) -> DataFrame:
    """Return a row per protocol (``hash``), network, measure of distance and arm.

    ``within`` is the arm's mean distance between its own seeds, ``within_over_error`` the same over its test error, for
    disagreement alone: about 1 where networks are as unsure as they are wrong. The rest is the same for all arms of a
    measure: the pseudo-``f`` and ``p`` of PERMANOVA, ``r2`` and ``omega2``, the arms' part of the squared distances, and
    PERMDISP's ``spread_f`` and ``spread_p``. They are NaN, and ``note`` says why, where pairs are missing.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for registered in registered_protocols(records.meta):
        for cell in cells(records, registered.protocol):
            sources = Sources(records, cell)
            about = {"hash": registered.protocol.hash, "network": cell.network}
            for measure in (m for names in registered.protocol.primaries.values() for m in names):
                every = (
                    None if cell.convex and MEASURES[measure].facet == "representation" else sources.distances(measure)
                )
                if every is not None and len(cell.arms) > 1:
                    rows += [{**about, **row} for row in _rows(cell, sources, measure, every)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(cell: Cell, sources: Sources, measure: str, every: NDArray[np.float64]) -> list[dict[str, Any]]:
    import numpy as np

    runs = {arm: cell.done(arm) for arm in cell.arms}
    seeds = [seed for seed in cell.seeds if all(seed in each for each in runs.values())]
    places = [sources.runs[str(runs[arm][seed]["run_id"])] for arm in cell.arms for seed in seeds]
    chosen = every[np.ix_(places, places)].copy()
    np.fill_diagonal(chosen, 0.0)
    note = _same_seeds(chosen, len(cell.arms), len(seeds))
    whole = len(seeds) >= FEWEST and bool(np.isfinite(chosen).all())
    if not whole:
        note = f"fewer than {FEWEST} seeds" if len(seeds) < FEWEST else "not every pair of networks was measured"
    square = chosen.reshape(len(cell.arms), len(seeds), len(cell.arms), len(seeds))
    arms, spread = (permanova(square), permdisp(square)) if whole else (UNKNOWN, UNKNOWN)
    rows = []
    for i, arm in enumerate(cell.arms):
        own = square[i, :, i]
        within = pairwise.between(own, own, own)
        over = math.nan
        if measure == "disagreement" and seeds:
            error = float(np.mean([1 - float(runs[arm][seed].get("test_accuracy", math.nan)) for seed in seeds]))
            over = within / error if error > 0 else math.nan
        odd = not cell.convex and math.isfinite(over) and not USUAL[0] <= over <= USUAL[1]
        warning = "unusual: seeds of one arm mostly disagree 0.5 to 1.5 times as often as they err" if odd else ""
        rows.append(
            {
                "facet": MEASURES[measure].facet, "measure": measure, "arm": arm, "within": within,
                "within_over_error": over, "f": arms.f, "p": arms.p, "r2": arms.r2, "omega2": arms.omega2,
                "spread_f": spread.f, "spread_p": spread.p, "arms": len(cell.arms), "seeds": len(seeds),
                "note": "; ".join(filter(None, (note, warning))),
            }
        )  # fmt: skip
    return rows


def _same_seeds(chosen: NDArray[np.float64], arms: int, seeds: int) -> str:
    """Fill in, in place, what no probe measures: the distances of two arms' networks of one seed; return a note on it.

    No arrangement within seeds has them in one group, so no p-value depends on them. They have a part in the total alone, and take the root mean square of the pairs of different seeds.
    """
    import numpy as np

    square = chosen.reshape(arms, seeds, arms, seeds)
    filled = False
    for i in range(arms):
        for j in range(arms):
            block = square[i, :, j]
            holes = np.isnan(block) & np.eye(seeds, dtype=bool)
            known = block[~np.eye(seeds, dtype=bool)]
            if holes.any() and np.isfinite(known).all() and len(known):
                block[holes] = float(np.sqrt((known**2).mean()))
                filled = True
    return "pairs of one seed were not measured, and stand in the total like the others" if filled else ""


ANALYSIS = Analysis(name="omnibus", compute=compute, reference="Anderson 2001, doi:10.1111/j.1442-9993.2001.01070.pp.x")
