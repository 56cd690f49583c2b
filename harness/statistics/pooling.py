"""Effects of several studies pooled: their mean, how much they vary from study to study, and what the next one will show.

    y[i] = mu + u[i] + e[i],   u[i] ~ N(0, tau^2),   e[i] ~ N(0, se[i]^2)

This is the random-effects model. A study is here a workload: a dataset with its backbone and its sizes. The interval of mu
speaks of the mean over workloads. The *prediction* interval speaks of one more workload. Only the second one carries over to
a problem that nobody has tried, so the words of several workloads are read from it.

- tau^2 is that of Paule and Mandel 1982 (doi:10.6028/jres.087.022), which needs no normal distribution of the effects.
- The interval of mu is that of Hartung and Knapp 2001 (doi:10.1002/sim.1009) with k - 1 degrees of freedom. Its standard
  error is never below that of known variances (Knapp and Hartung 2003, doi:10.1002/sim.1482).
- The prediction interval is that of Higgins, Thompson and Spiegelhalter 2009 (doi:10.1111/j.1467-985X.2008.00552.x) with
  k - 2 degrees of freedom, around the standard error of Hartung and Knapp (Partlett and Riley 2017, doi:10.1002/sim.7140).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics import scale
from harness.statistics.intervals import half_width

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

FEWEST = 3  # studies: a prediction has as many degrees of freedom as there are studies, less two


@dataclass(frozen=True)
class Pooled:
    """The mean effect of several studies, and the effect that one more study is predicted to have.

    All fields but ``studies`` are in the unit of the effects.

    >>> Pooled(0.1, 0.05, -0.1, 0.3, 0.1, -0.3, 0.5, studies=6).spread > 0.1
    True
    """

    mean: float
    se: float  # standard error of the mean
    low: float  # end of the interval of the mean
    high: float
    tau: float  # standard deviation of the true effects between studies
    predicted_low: float  # end of the interval in which the true effect of one more study lies
    predicted_high: float
    studies: int

    @property
    def spread(self) -> float:
        """The standard error of a prediction: the root of tau^2 + se^2."""
        return math.hypot(self.tau, self.se)


def paule_mandel(effects: ArrayLike, errors: ArrayLike) -> float:
    """Return tau, the standard deviation of the true effects between studies.

    tau^2 is the number at which the weighted squares sum((y - mu)^2 / (se^2 + tau^2)) are k - 1, or 0 where they are fewer
    already without it.

    Args:
        effects: One effect per study ``[K]``, in any unit.
        errors: Their standard errors ``[K]``, in the same unit, at least 0. One of 0 counts as the least of the others.

    Returns:
        tau in the unit of the effects; NaN where a number is not finite.

    Raises:
        ValueError: There are fewer than three studies, the lengths do not agree, or an error is below 0.

    Source: Paule and Mandel 1982, doi:10.6028/jres.087.022.

    >>> print(f"{paule_mandel([0.1, 0.5, 0.9], [0.1, 0.1, 0.1]):.4f}")  # the root of .4^2 - .1^2
    0.3873
    """
    values, variances, exponent = _checked(effects, errors)
    if not (np.isfinite(values).all() and np.isfinite(variances).all()):
        return math.nan
    return float(np.ldexp(math.sqrt(_tau_squared(values, variances)), exponent))


def random_effects(effects: ArrayLike, errors: ArrayLike, confidence: float = 0.9) -> Pooled:
    """Return the random-effects mean with the interval of Hartung and Knapp, and the prediction interval.

    Args:
        effects: One effect per study ``[K]``, in any unit.
        errors: Their standard errors ``[K]``, in the same unit, at least 0. One of 0 counts as the least of the others.
        confidence: The coverage of both intervals, in (0, 1). A one-sided test at alpha goes with ``1 - 2 * alpha``.

    Returns:
        Everything in the unit of the effects; all of it is NaN where a number is not finite.

    Raises:
        ValueError: There are fewer than three studies, the lengths do not agree, or an error is below 0.

    Source: Hartung and Knapp 2001, doi:10.1002/sim.1009; Partlett and Riley 2017, doi:10.1002/sim.7140.

    >>> pooled = random_effects([0.1, 0.5, 0.9, 0.5], [0.1, 0.1, 0.1, 0.1])
    >>> print(f"{pooled.mean:.2f} from {pooled.low:.2f} to {pooled.high:.2f}")
    0.50 from 0.12 to 0.88
    >>> print(f"one more study: {pooled.predicted_low:.2f} to {pooled.predicted_high:.2f}")
    one more study: -0.51 to 1.51
    """
    values, variances, exponent = _checked(effects, errors)
    confidence, studies = arguments.share("confidence", confidence), len(values)
    if not (np.isfinite(values).all() and np.isfinite(variances).all()):
        return Pooled(*[math.nan] * 7, studies)
    tau_squared = _tau_squared(values, variances)
    weights, mean = _weighted(values, variances, tau_squared)
    ratio = float(np.sum(weights * (values - mean) ** 2)) / (studies - 1)
    se = math.sqrt(max(ratio, 1.0) / float(weights.sum())) if np.isfinite(weights).all() else 0.0
    tau = math.sqrt(tau_squared)
    reach = float(half_width(se, studies - 1, confidence))
    predicted = float(half_width(math.hypot(tau, se), studies - 2, confidence))
    numbers = (mean, se, mean - reach, mean + reach, tau, mean - predicted, mean + predicted)
    return Pooled(*(float(np.ldexp(number, exponent)) for number in numbers), studies)


def within_p(pooled: Pooled, margin: float, two_sided: bool = True) -> float:
    """Return the p-value of "in one more study the effect is beyond the margin": small where it surely lies within.

    Args:
        pooled: What ``random_effects`` returned.
        margin: The largest effect that does not matter, in the unit of the effects, at least 0.
        two_sided: Whether the effect may be too large in both directions. A distance may well be below its margin.

    Returns:
        P(T > (margin - size) / spread) with K - 2 degrees of freedom, where the size of a two-sided effect is its absolute
        value. In [0, 1]; NaN for a NaN.

    >>> print(f"{within_p(random_effects([0.1, 0.0, -0.1, 0.0], [0.1, 0.1, 0.1, 0.1]), margin=0.5):.4f}")
    0.0049
    """
    pooled, margin, size = _checked_test(pooled, margin, two_sided)
    return _tail(margin - size, pooled)


def beyond_p(pooled: Pooled, margin: float, two_sided: bool = True) -> float:
    """Return the p-value of "in one more study the effect is within the margin": small where it surely lies beyond.

    Args:
        pooled: What ``random_effects`` returned.
        margin: The largest effect that does not matter, in the unit of the effects, at least 0.
        two_sided: Whether the effect may be too large in both directions.

    Returns:
        P(T > (size - margin) / spread) with K - 2 degrees of freedom, in [0, 1]; NaN for a NaN.

    >>> print(f"{beyond_p(random_effects([0.9, 1.0, 1.1, 1.0], [0.1, 0.1, 0.1, 0.1]), margin=0.5):.4f}")
    0.0049
    """
    pooled, margin, size = _checked_test(pooled, margin, two_sided)
    return _tail(size - margin, pooled)


def _checked(effects: ArrayLike, errors: ArrayLike) -> tuple[Array, Array, int]:
    """Return effects and variances [K] divided by a power of two and by its square, and its exponent."""
    values, widths = arguments.arrays(("effects", effects, "K"), ("errors", errors, "K"))
    if len(values) < FEWEST:
        raise ValueError(f"effects: must be of {FEWEST} or more studies, got {len(values)}")
    if (widths < 0).any():
        raise ValueError(f"errors: must be at least 0, got {widths.min():g}")
    exponent = max(int(scale.exponents(values).item()), int(scale.exponents(widths).item()))
    values, widths = np.ldexp(values, -exponent), np.ldexp(widths, -exponent)
    above = widths[widths > 0]
    least = float(above.min()) if len(above) else 0.0  # a number that came out equal every time is not known exactly
    return values, np.maximum(widths, least) ** 2, exponent


def _tau_squared(values: Array, variances: Array) -> float:
    """Return Paule and Mandel's variance between studies."""
    from scipy.optimize import brentq

    freedom = len(values) - 1

    def surplus(tau_squared: float) -> float:
        weights, mean = _weighted(values, variances, tau_squared)
        return float(np.sum(weights * (values - mean) ** 2)) - freedom

    most = float(np.var(values, ddof=1))  # at this number the squares are at most k - 1, whatever the variances are
    if most == 0 or not variances.all():  # without an error of their own, all variance is between the studies
        return most
    if surplus(0.0) <= 0:
        return 0.0
    return most if surplus(most) >= 0 else float(brentq(surplus, 0.0, most, xtol=1e-300, rtol=1e-14, maxiter=500))


def _weighted(values: Array, variances: Array, tau_squared: float) -> tuple[Array, float]:
    """Return the weights [K] and the weighted mean."""
    with np.errstate(divide="ignore"):
        weights: Array = 1 / (variances + tau_squared)
    if not np.isfinite(weights).all():  # neither the studies nor their effects vary
        return weights, float(values.mean())
    return weights, float(np.sum(weights * values) / weights.sum())


def _checked_test(pooled: Pooled, margin: float, two_sided: bool) -> tuple[Pooled, float, float]:
    """Return the pooled effect, the margin, and how large the effect is in the direction that matters."""
    arguments.instance("pooled", pooled, Pooled, "what random_effects returned")
    margin = arguments.number("margin", margin, 0, nan=True)
    return pooled, margin, abs(pooled.mean) if arguments.flag("two_sided", two_sided) else pooled.mean


def _tail(distance: float, pooled: Pooled) -> float:
    """Return P(T > distance / spread) of a prediction."""
    from scipy import stats

    if not (math.isfinite(distance) and math.isfinite(pooled.spread)):
        return math.nan
    if pooled.spread == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / pooled.spread, pooled.studies - 2))
