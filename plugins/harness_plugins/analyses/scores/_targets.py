"""Times to a target that not every run reached: Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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


def survival(times: NDArray[np.float64], reached: NDArray[np.bool_]) -> Survival:
    """Return the estimate from times [n]. ``reached`` says which of them are times to the target; the others are lower bounds.

    The interval has Greenwood's variance on the scale log(-log). Where no run is left, that is not defined, and the upper end
    stays where it was. So with few runs the interval of the median often has no end.
    """
    import warnings

    import numpy as np
    from scipy.stats import CensoredData, ecdf

    estimate = ecdf(CensoredData.right_censored(times, ~reached)).sf
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # where no run is left
        ends: Any = estimate.confidence_interval(LEVEL, method="log-log")
    left = estimate.probabilities
    low = np.where(np.isfinite(ends.low.probabilities), ends.low.probabilities, left)
    high = np.where(np.isfinite(ends.high.probabilities), ends.high.probabilities, 1.0)
    return Survival(estimate.quantiles, left, low, np.minimum.accumulate(high))
