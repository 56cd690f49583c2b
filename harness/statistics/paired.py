"""Two arms compared by one number per replicate, such as the test accuracy averaged over its seeds.

Replicates of one number share their seeds. The difference d[r] = a[r] - b[r] is therefore free of what the start decides.
Two tests share its standard error: ``equivalence_p`` can show that the difference lies within a margin, and
``minimum_effect_p`` that it lies beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics.intervals import half_width, standard_deviation
from harness.statistics.pairwise import Estimate
from harness.statistics.permuted import ENUMERATED, SAMPLED

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]


def difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.9) -> Estimate:
    """Return the mean difference ``a - b`` with its paired t-interval.

    Args:
        a: Numbers ``[R]`` of the first arm, one per replicate, in any unit.
        b: Numbers ``[R]`` of the second arm, of the same replicates in the same order.
        confidence: The coverage of the interval, in (0, 1). A one-sided test at alpha goes with ``1 - 2 * alpha``.

    Returns:
        The estimate in the unit of the numbers. The interval of one replicate is infinite. All of it is NaN where a number is
        not finite.

    Raises:
        ValueError: The arms do not have equally many numbers.

    Source: Student 1908, doi:10.2307/2331554.

    >>> estimate = difference([0.91, 0.93, 0.95], [0.90, 0.91, 0.92])
    >>> print(f"{estimate.value:.3f} from {estimate.low:.3f} to {estimate.high:.3f}")
    0.020 from 0.003 to 0.037
    """
    differences, confidence = _differences(a, b), arguments.share("confidence", confidence)
    count, value = len(differences), float(differences.mean())
    if not np.isfinite(value):
        return Estimate(np.nan, np.nan, np.nan, np.nan, count)
    if count < 2:
        return Estimate(value, -np.inf, np.inf, float("nan"), count)
    se = float(standard_deviation(differences) / np.sqrt(count))
    reach = float(half_width(se, count - 1, confidence))
    return Estimate(value, value - reach, value + reach, se, count)


def equivalence_p(estimate: Estimate, margin: float) -> float:
    """Return the p-value of two one-sided t-tests: is the true difference within the margin?

    p = max{P(t > (d + margin) / se), P(t < (d - margin) / se)}, with R - 1 degrees of freedom.

    Args:
        estimate: What ``difference`` returned.
        margin: The largest difference that does not matter, in the estimate's unit, at least 0.

    Returns:
        The p-value, in [0, 1]. NaN for a NaN of the estimate or the margin. 1 where the standard error is not known,
        because then nothing is shown.

    Source: Schuirmann 1987, doi:10.1007/BF01068419.

    >>> print(f"{equivalence_p(difference([0.91, 0.93, 0.95], [0.90, 0.91, 0.92]), margin=0.05):.3f}")
    0.018
    """
    from scipy import stats

    arguments.instance("estimate", estimate, Estimate, "an Estimate")
    margin = arguments.number("margin", margin, 0, nan=True)
    if np.isnan(estimate.value) or np.isnan(margin):
        return float("nan")
    if not np.isfinite(estimate.se):
        return 1.0
    if estimate.se == 0:
        return 0.0 if abs(estimate.value) < margin else 1.0
    return float(stats.t.sf((margin - abs(estimate.value)) / estimate.se, estimate.replicates - 1))


def minimum_effect_p(estimate: Estimate, margin: float) -> float:
    """Return the p-value of "the true difference is at most the margin", either way: is it beyond the margin?

    p = P(T > (|d| - margin) / se) + P(T > (|d| + margin) / se), with R - 1 degrees of freedom. The second term is what the
    other side of the margin adds. It vanishes where the margin is several standard errors wide. Without it, a test of the
    margin 0 would have twice its level; with it, that is Student's two-sided test.

    Args:
        estimate: What ``difference`` returned, or the jackknife of a logarithm that may lie on either side of 0.
        margin: The largest difference that does not matter, in the estimate's unit, at least 0.

    Returns:
        The p-value, in [0, 1]. NaN for a NaN of the estimate or the margin. 1 where the standard error is not known,
        because then nothing is shown. It is below alpha only where an interval of coverage ``1 - 2 * alpha`` lies beyond
        the margin.

    Source: Murphy and Myors 1999, doi:10.1037/0021-9010.84.2.234.

    >>> print(f"{minimum_effect_p(difference([0.95, 0.93, 0.95], [0.90, 0.89, 0.92]), margin=0.01):.3f}")
    0.024
    """
    from scipy import stats

    arguments.instance("estimate", estimate, Estimate, "an Estimate")
    margin = arguments.number("margin", margin, 0, nan=True)
    if np.isnan(estimate.value) or np.isnan(margin):
        return float("nan")
    if not np.isfinite(estimate.se):
        return 1.0
    size = abs(estimate.value)
    if estimate.se == 0:
        return 0.0 if size > margin else 1.0
    tails = stats.t.sf(np.array([size - margin, size + margin]) / estimate.se, estimate.replicates - 1)
    return min(1.0, float(tails.sum()))


def influence(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the mean difference ``a - b`` without each replicate in turn: what a single odd one does to it.

    Args:
        a: Numbers ``[R]`` of the first arm, one per replicate, in any unit.
        b: Numbers ``[R]`` of the second arm, of the same replicates.

    Returns:
        Mean differences ``[R]`` in the unit of the numbers, in entry r without replicate r. NaN for a single replicate, and
        where one of the others is not finite.

    Raises:
        ValueError: The arms do not have equally many numbers.

    >>> print(influence([3.0, 2.0, 10.0], [1.0, 1.0, 1.0]))
    [5.  5.5 1.5]
    """
    differences = _differences(a, b)
    count = len(differences)
    if count < 2:
        return np.full(count, np.nan)
    return np.array([np.delete(differences, left_out).mean() for left_out in range(count)])


@dataclass(frozen=True)
class SingleSearches:
    """What pairs of single searches, one of each arm, would have called: shares of all pairs, in [0, 1]."""

    different: float  # beyond the margin, to the side of the mean difference
    reverse: float  # beyond the margin, to the other side


def single_searches(a: ArrayLike, b: ArrayLike, margin: float) -> SingleSearches:
    """Return what pairs of single searches, one of each arm, would have called.

    Args:
        a: Numbers ``[R]`` of the first arm, one per search, in any unit.
        b: Numbers ``[R]`` of the second arm. Each of its searches is compared with each of the first arm, R^2 pairs in all.
        margin: The largest difference that does not matter, in the unit of the numbers, at least 0.

    Returns:
        The shares of pairs that differ by more than the margin, to the side of the mean difference and to the other one. NaN
        where a number or the margin is not finite.

    Raises:
        ValueError: The arms do not have equally many numbers.

    >>> single_searches([0.90, 0.92, 0.97, 0.99], [0.91, 0.91, 0.95, 0.95], margin=0.005)
    SingleSearches(different=0.625, reverse=0.375)
    """
    first, second = arguments.arrays(("a", a, "R"), ("b", b, "R"))
    margin = arguments.number("margin", margin, 0, nan=True)
    if not (np.isfinite(first).all() and np.isfinite(second).all() and np.isfinite(margin)):
        return SingleSearches(float("nan"), float("nan"))
    sign = 1.0 if first.mean() >= second.mean() else -1.0
    pairs = sign * (first[:, None] - second)
    return SingleSearches(float((pairs > margin).mean()), float((pairs < -margin).mean()))


def permutation_p(a: ArrayLike, b: ArrayLike, seed: int = 0) -> float:
    """Return the two-sided p-value of "the optimizer's name does not matter".

    The test exchanges the two arms' names within seeds. It counts all 2^S signs of the differences, or draws 9,999 of them
    where there are more than 2^17. No p-value is smaller than 2^-(S-1), so a few seeds can never show a difference.

    Args:
        a: Numbers ``[S]`` of the first arm, one per seed.
        b: Numbers ``[S]`` of the second arm, of the same seeds.
        seed: Of the signs that are drawn.

    Returns:
        The p-value, in (0, 1]; NaN where a difference is not finite.

    Raises:
        ValueError: The arms do not have equally many numbers.

    Source: Fisher 1935, The Design of Experiments, section 21.

    >>> permutation_p([0.91, 0.93, 0.95], [0.90, 0.91, 0.92])
    0.25
    """
    differences, seed = _differences(a, b), arguments.whole("seed", seed)
    if not np.isfinite(differences).all():
        return float("nan")
    count = len(differences)
    if 2**count <= ENUMERATED:
        signs = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    else:
        random = np.random.default_rng(seed)
        signs = np.vstack([np.ones(count), random.choice(np.array([-1.0, 1.0]), (SAMPLED, count))])
    sums = np.abs(signs @ differences)
    return float((sums >= sums[0] - 1e-12 * np.abs(differences).sum()).mean())


def _differences(a: ArrayLike, b: ArrayLike) -> Array:
    """Return ``a - b`` [S], NaN where one of them is not finite."""
    first, second = arguments.arrays(("a", a, "S"), ("b", b, "S"))
    finite = np.isfinite(first) & np.isfinite(second)
    differences: Array = np.subtract(first, second, out=np.full(len(first), np.nan), where=finite)
    return differences
