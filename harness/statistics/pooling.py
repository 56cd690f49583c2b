"""Effects of several studies pooled: their mean, how much they vary from study to study, and what the next one will show.

    y[i] = mu + u[i] + e[i],   u[i] ~ N(0, tau^2),   e[i] ~ N(0, se[i]^2)

This is the random-effects model. A study is here a workload: a dataset with its backbone and its sizes. The interval of mu
speaks of the mean over workloads. The *prediction* interval speaks of one more workload. Only the second one carries over to
a problem that nobody has tried, so the words of several workloads are read from it.

- tau^2 is that of Paule and Mandel 1982 (doi:10.6028/jres.087.022), which needs no normal distribution of the effects.
- The interval of mu is that of Hartung and Knapp 2001 (doi:10.1002/sim.1009) with k - 1 degrees of freedom. Its standard
  error is never below that of known variances (Knapp and Hartung 2003, doi:10.1002/sim.1482).
- The prediction interval takes in that tau is hardly known from so few studies: it is that of mu + tau z, where tau has its
  confidence distribution and not one value (Nagashima, Noma and Furukawa 2019, doi:10.1177/0962280218773520). tau^2 is beyond
  t with the confidence that chi-squared of k - 1 is below Paule and Mandel's sum at t (Viechtbauer 2007,
  doi:10.1002/sim.2514), and given tau, mu is normal. The usual interval, with one value of tau and k - 2 degrees of freedom
  (Higgins, Thompson and Spiegelhalter 2009), covers .80 to .88 instead of .90 where the studies' errors are about as large as
  tau, as they are here; this one covers .86 to .98 there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics import scale
from harness.statistics.intervals import half_width

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

FEWEST = 3  # studies
VALUES = 600  # of tau^2, by which its distribution is summed up
DECADES = (-5, 5)  # of tau^2, around the variance of the effects
FAR = 40.0  # standard deviations in which all of a normal distribution lies


@dataclass(frozen=True)
class Pooled:
    """The mean effect of several studies, and the effect that one more study is predicted to have.

    All fields but ``studies`` are in the unit of the effects.

    >>> Pooled(0.1, 0.05, -0.1, 0.3, 0.1, -0.3, 0.5, studies=6).predicted_high
    0.5
    """

    mean: float
    se: float  # standard error of the mean
    low: float  # end of the interval of the mean
    high: float
    tau: float  # standard deviation of the true effects between studies
    predicted_low: float  # end of the interval in which the true effect of one more study lies
    predicted_high: float
    studies: int


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

    Source: Hartung and Knapp 2001, doi:10.1002/sim.1009; Nagashima et al. 2019, doi:10.1177/0962280218773520.

    >>> pooled = random_effects([0.1, 0.5, 0.9, 0.5], [0.1, 0.1, 0.1, 0.1])
    >>> print(f"{pooled.mean:.2f} from {pooled.low:.2f} to {pooled.high:.2f}")
    0.50 from 0.12 to 0.88
    >>> print(f"one more study: {pooled.predicted_low:.2f} to {pooled.predicted_high:.2f}")
    one more study: -0.34 to 1.34
    """
    values, variances, exponent = _checked(effects, errors)
    confidence, studies = arguments.share("confidence", confidence), len(values)
    if not (np.isfinite(values).all() and np.isfinite(variances).all()):
        return _pooled([math.nan] * 7, studies)
    tau_squared = _tau_squared(values, variances)
    weights, mean = _weighted(values, variances, tau_squared)
    se = 0.0
    if np.isfinite(weights).all():  # else neither the studies nor their effects vary
        ratio = float(np.sum(weights * (values - mean) ** 2)) / (studies - 1)
        se = math.sqrt(max(ratio, 1.0) / float(weights.sum()))
    reach = float(half_width(se, studies - 1, confidence))
    predicted = _Prediction.of(values, variances)
    ends = (predicted.quantile((1 - confidence) / 2), predicted.quantile((1 + confidence) / 2))
    numbers = (mean, se, mean - reach, mean + reach, math.sqrt(tau_squared), *ends)
    return _pooled([float(np.ldexp(number, exponent)) for number in numbers], studies)


def _pooled(numbers: Sequence[float], studies: int) -> Pooled:
    """Return numbers under their names, in the order of the fields."""
    mean, se, low, high, tau, predicted_low, predicted_high = numbers
    return Pooled(mean, se, low, high, tau, predicted_low, predicted_high, studies)


def within_p(effects: ArrayLike, errors: ArrayLike, margin: float, two_sided: bool = True) -> float:
    """Return the p-value of "in one more study the effect is beyond the margin": small where it surely lies within.

    Args:
        effects: One effect per study ``[K]``, in any unit.
        errors: Their standard errors ``[K]``, in the same unit, at least 0.
        margin: The largest effect that does not matter, in the same unit, at least 0.
        two_sided: Whether the effect may be too large in both directions. A distance may well be below its margin.

    Returns:
        The probability that the effect of one more study is above the margin, or below minus the margin, whichever is more.
        It is below alpha just where the prediction interval of ``1 - 2 * alpha`` lies within the margin. NaN for a NaN.

    Raises:
        ValueError: There are fewer than three studies, the lengths do not agree, or a number is below 0.

    >>> print(f"{within_p([0.1, 0.0, -0.1, 0.0], [0.1, 0.1, 0.1, 0.1], margin=0.5):.4f}")
    0.0050
    """
    predicted, end = _predicted(effects, errors, margin)
    if predicted is None:
        return math.nan
    above, below = 1 - predicted.below(end), predicted.below(-end)
    return max(above, below) if arguments.flag("two_sided", two_sided) else above


def beyond_p(effects: ArrayLike, errors: ArrayLike, margin: float, two_sided: bool = True) -> float:
    """Return the p-value of "in one more study the effect is within the margin": small where it surely lies beyond.

    Args:
        effects: One effect per study ``[K]``, in any unit.
        errors: Their standard errors ``[K]``, in the same unit, at least 0.
        margin: The largest effect that does not matter, in the same unit, at least 0.
        two_sided: Whether the effect may be too large in both directions.

    Returns:
        The probability that the effect of one more study is below the margin, or above minus the margin, whichever is less.
        It is below alpha just where the prediction interval of ``1 - 2 * alpha`` lies beyond the margin. NaN for a NaN.

    Raises:
        ValueError: There are fewer than three studies, the lengths do not agree, or a number is below 0.

    >>> print(f"{beyond_p([0.9, 1.0, 1.1, 1.0], [0.1, 0.1, 0.1, 0.1], margin=0.5):.4f}")
    0.0050
    """
    predicted, end = _predicted(effects, errors, margin)
    if predicted is None:
        return math.nan
    not_above, not_below = predicted.below(end), 1 - predicted.below(-end)
    return min(not_above, not_below) if arguments.flag("two_sided", two_sided) else not_above


@dataclass(frozen=True)
class _Prediction:
    """The effect of one more study, as a mixture of normal distributions: one for each value of tau^2."""

    weights: Array  # [V], of sum 1
    means: Array  # [V]
    spreads: Array  # [V], at least 0

    @classmethod
    def of(cls, values: Array, variances: Array) -> _Prediction:
        """Return the prediction from effects and variances [K]; a single value where none of them varies."""
        from scipy.stats import chi2

        size = max(float(np.var(values, ddof=1)), float(variances.mean()))
        if size == 0:
            return cls(np.ones(1), values[:1], np.zeros(1))
        ends = size * np.geomspace(10.0 ** DECADES[0], 10.0 ** DECADES[1], VALUES)
        if variances.all():  # where all have an error of their own, tau may be 0
            ends = np.concatenate([[0.0], ends])
        weights, means = _weighted_at(values, variances, ends)
        squares = np.sum(weights * (values - means[:, None]) ** 2, axis=1)
        below = np.maximum.accumulate(chi2.sf(squares, len(values) - 1))  # the confidence that tau^2 is below each end
        below[-1] = 1.0
        shares = np.concatenate([below[:1], np.diff(below)])
        middles = np.concatenate([ends[:1], np.sqrt(ends[1:] * ends[:-1])])
        weights, means = _weighted_at(values, variances, middles)
        return cls(shares, means, np.sqrt(1 / weights.sum(axis=1) + middles))

    def below(self, end: float) -> float:
        """Return the probability that the effect is below ``end``."""
        from scipy.special import ndtr

        if not self.spreads.all():
            return float(self.means[0] < end)
        return float(np.sum(self.weights * ndtr((end - self.means) / self.spreads)))

    def quantile(self, part: float) -> float:
        """Return the number below which the effect lies with this probability."""
        from scipy.optimize import brentq

        low, high = float((self.means - FAR * self.spreads).min()), float((self.means + FAR * self.spreads).max())
        return (
            low
            if low == high
            else float(brentq(lambda end: self.below(end) - part, low, high, xtol=1e-300, rtol=1e-13))
        )


def _weighted_at(values: Array, variances: Array, tau_squared: Array) -> tuple[Array, Array]:
    """Return the weights [V, K] and the weighted means [V] for each value of tau^2."""
    weights: Array = 1 / (variances + tau_squared[:, None])
    means: Array = np.sum(weights * values, axis=1) / weights.sum(axis=1)
    return weights, means


def _predicted(effects: ArrayLike, errors: ArrayLike, margin: float) -> tuple[_Prediction | None, float]:
    """Return the prediction, None where a number is not finite, and the margin in its unit."""
    values, variances, exponent = _checked(effects, errors)
    margin = arguments.number("margin", margin, 0, nan=True)
    if math.isnan(margin) or not (np.isfinite(values).all() and np.isfinite(variances).all()):
        return None, math.nan
    return _Prediction.of(values, variances), float(np.ldexp(margin, -exponent))


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
