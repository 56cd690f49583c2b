"""Times to a target that not every run reached: Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import Records
from harness.results.tables.draws import draw_numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

LEVEL = 0.95


@dataclass(frozen=True)
class Survival:
    """The part of runs that have not reached the target, a step function: at a time of ``at`` it falls to a part of ``left``."""

    at: NDArray[np.float64]  # [m] rising
    left: NDArray[np.float64]  # [m]
    low: NDArray[np.float64]  # [m] of its 95 % interval
    high: NDArray[np.float64]

    @property
    def median(self) -> float:
        """When half of the runs have reached it; infinite where they have not."""
        return self._falls(self.left)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the median, Brookmeyer and Crowley 1982, doi:10.2307/2530286; its end may be infinite."""
        return self._falls(self.low), self._falls(self.high)

    def mean(self, until: float) -> float:
        """Return the mean time to the target or ``until``, whichever comes first: the area below the steps."""
        import numpy as np

        inside = self.at < until
        times = np.concatenate([[0.0], self.at[inside], [until]])
        return float((np.concatenate([[1.0], self.left[inside]]) * np.diff(times)).sum())

    def _falls(self, steps: NDArray[np.float64]) -> float:
        below = steps <= 0.5 + 1e-12
        return float(self.at[below.argmax()]) if below.any() else math.inf


def arm_survival(records: Records, runs: DataFrame, unit: str) -> Survival:
    """Return the estimate from rows of the table ``times`` that are of one arm, in one of its units; the replicates are the draws."""
    times, reached = runs[unit].to_numpy(dtype=float), runs["reached"].to_numpy(dtype=bool)
    return survival(times, reached, draw_numbers(records, runs).to_numpy())


def survival(
    times: NDArray[np.float64], reached: NDArray[np.bool_], draws: NDArray[np.int64] | None = None
) -> Survival:
    """Return the estimate from times [n]. ``reached`` says which of them are times to the target; the others are lower bounds.

    Runs of one of the ``draws`` [n] share something, as the seeds of a replicate share its search. The interval is over draws
    then, and never narrower than that over runs. Without ``draws`` every run is one. Where no run is left, there is no variance,
    and the upper end stays where it was. So with few runs the interval of the median often has no end.
    """
    import numpy as np

    moments = np.unique(times)
    events = reached & (times == moments[:, None])
    at_risk = times >= moments[:, None]
    left = np.cumprod(1 - events.sum(axis=1) / at_risk.sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):  # where no run is left, or all are
        half = _half_width(_influence(events, at_risk), draws) / np.abs(np.log(left))
        low, high = left ** np.exp(half), left ** np.exp(-half)
    low, high = np.where(np.isfinite(low), low, left), np.where(np.isfinite(high), high, 1.0)
    return Survival(moments, left, low, np.minimum.accumulate(high))


def _influence(events: NDArray[np.bool_], at_risk: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how much the logarithm of the part that is left [m] hangs on each run [m, n]; the squares add up to Greenwood's variance."""
    import numpy as np

    many, falls = at_risk.sum(axis=1, keepdims=True), events.sum(axis=1, keepdims=True)
    steps: NDArray[np.float64] = (at_risk * falls / many - events) / (many - falls)
    return np.cumsum(steps, axis=0)


def _half_width(influence: NDArray[np.float64], draws: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return half the width [m] of the interval of the logarithm: Greenwood's over runs, or where it is wider, that over draws.

    Over draws, what their runs have in common adds up, and the quantile is Student's. Williams 1995,
    doi:10.1007/BF00985768.
    """
    import numpy as np
    from scipy.stats import norm, t

    over_runs: NDArray[np.float64] = norm.ppf((1 + LEVEL) / 2) * np.sqrt((influence**2).sum(axis=1))
    if draws is None:
        return over_runs
    names = np.unique(draws)
    if not 1 < len(names) < len(draws):
        return over_runs
    sums = np.stack([influence[:, draws == name].sum(axis=1) for name in names], axis=1)
    many = len(names)
    variance = (sums**2).sum(axis=1) * many / (many - 1)
    over_draws: NDArray[np.float64] = t.ppf((1 + LEVEL) / 2, many - 1) * np.sqrt(variance)
    return np.fmax(over_runs, over_draws)
