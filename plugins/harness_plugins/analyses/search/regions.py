"""How wide the region of good learning rates is, in decades.

A rate is good if some trial with it, whatever its other parameters were, scored within a tolerance of the arm's best. If the
scores rise to one peak along the rates and fall again, the trials bound the region of good rates from both sides: it reaches at
least from the lowest to the highest good trial, and at most to the next trials beyond them. The upper envelope of the trials,
the least curve with one peak that no trial lies above, shows that region at every tolerance at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness import Analysis, Records, hookimpl
from harness.verdict.trials import SPENT, scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

POINTS = 0.01  # the tolerance of a score in "%": one point
PART = 0.05  # the tolerance of any other score, as a part of the best one
COLUMNS = ("arm", "lr", "envelope", "best", "tolerance", "low", "high", "least", "most", "trials")


def compute(records: Records) -> DataFrame:
    """Return a row per arm and tried learning rate, rising: the ``envelope`` of the tune scores there.

    The other columns are the same in all rows of an arm: its ``best`` score, the ``tolerance``, the ``low`` and ``high`` end of
    the region of good rates, and its width in decades, at ``least`` and at ``most``. The region ends with the searched range,
    beyond which nothing is known.
    """
    import numpy as np
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    sign = records.searched.sign
    for arm in map(str, records.arms["arm"]):
        rates, values = _by_rate(records, arm)
        if not np.isfinite(values).any():
            continue
        best = float(values.max())
        tolerance = POINTS if records.searched.is_share else PART * abs(best)
        ends = records.meta.spaces.get(arm, {}).get("lr", {})
        bounds = float(ends.get("low", rates[0])), float(ends.get("high", rates[-1]))
        region = (sign * best, tolerance, *width(rates, values, tolerance, bounds), len(rates))
        envelope = peak(values)
        envelope = np.where(np.isfinite(envelope), envelope, np.nan)
        rows += [(arm, float(lr), sign * float(e), *region) for lr, e in zip(rates, envelope, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _by_rate(records: Records, arm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the learning rates of an arm's spent trials, rising, and their scores, -inf for a trial without one."""
    import numpy as np

    trials = records.trials[records.trials["arm"] == arm].sort_values("number")
    trials = trials[trials["state"].isin(SPENT)]
    rates = np.array([float(params.get("lr", math.nan)) for params in trials["params"]], dtype=float)
    values = scores(records, trials)[rates > 0]
    rates = rates[rates > 0]
    order = np.argsort(rates, kind="stable")
    return rates[order], values[order]


def peak(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least curve ``[n]`` with one peak that lies nowhere below these scores, higher is better."""
    import numpy as np

    rising, falling = np.maximum.accumulate(values), np.maximum.accumulate(values[::-1])[::-1]
    return np.minimum(rising, falling)


def width(
    rates: NDArray[np.float64], values: NDArray[np.float64], tolerance: float, bounds: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return the lowest and the highest good rate, and the region's width in decades at least and at most.

    ``rates`` rise; a score of -inf is no score. ``bounds`` are the ends of the searched range.
    """
    import numpy as np

    good = np.flatnonzero(values >= values.max() - tolerance * (1 + 1e-9))
    first, last = int(good[0]), int(good[-1])
    before = rates[first - 1] if first else min(bounds[0], rates[first])
    after = rates[last + 1] if last + 1 < len(rates) else max(bounds[1], rates[last])
    low, high = float(rates[first]), float(rates[last])
    return low, high, math.log10(high / low), math.log10(after / before)


MEANINGS = {  # of the columns that are not the same in every table
    "envelope": "the best score to be had at that rate",
    "best": "the arm's best score",
    "tolerance": "how far below the best a rate is still good",
    "low": "the low end of the good rates",
    "high": "the high end of the good rates",
    "least": "the width of their region in decades, at the least",
    "most": "the width at the most",
    "trials": "how many trials there are",
}


@hookimpl
def harness_analyses() -> list[Analysis]:
    """Offer regions."""
    return [Analysis(name="regions", compute=compute, columns=MEANINGS)]
