"""Two arms compared by one number per network, such as test accuracy, seed by seed.

Equal seeds share their initial weights, so their difference d[s] = a[s] - b[s] is free of what the start decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics.intervals import half_width, standard_deviation
from harness.statistics.pairwise import ENUMERATED, SAMPLED, Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]


def difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.9) -> Estimate:
    """Return the mean difference of [S] and [S] numbers with its paired t-interval; infinite for one seed.

    NaN, with its interval, where a number is not finite.
    """
    differences, confidence = _differences(a, b), arguments.share("confidence", confidence)
    seeds, value = len(differences), float(differences.mean())
    if not np.isfinite(value):
        return Estimate(np.nan, np.nan, np.nan, np.nan, seeds)
    if seeds < 2:
        return Estimate(value, -np.inf, np.inf, float("nan"), seeds)
    se = float(standard_deviation(differences) / np.sqrt(seeds))
    reach = float(half_width(se, seeds - 1, confidence))
    return Estimate(value, value - reach, value + reach, se, seeds)


def equivalence_p(estimate: Estimate, margin: float) -> float:
    """Return the p-value of two one-sided t-tests against -margin and +margin (Schuirmann 1987).

    p = max{P(t > (d + margin) / se), P(t < (d - margin) / se)} with S-1 degrees of freedom, doi:10.1007/BF01068419.
    NaN for a NaN of the estimate or the margin; 1 where the standard error is not known, for then nothing is shown.
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
    return float(stats.t.sf((margin - abs(estimate.value)) / estimate.se, estimate.seeds - 1))


def permutation_p(a: ArrayLike, b: ArrayLike, seed: int = 0) -> float:
    """Return the two-sided p-value of "the optimizer's name does not matter", by exchanging the two within seeds.

    Exact, by counting all 2^S signs of the differences; so no p-value is smaller than 2^-(S-1), and few seeds can
    never show a difference. Fisher 1935. Above 2^17 arrangements it is sampled. NaN where a difference is not finite.
    """
    differences, seed = _differences(a, b), arguments.whole("seed", seed)
    if not np.isfinite(differences).all():
        return float("nan")
    seeds = len(differences)
    if 2**seeds <= ENUMERATED:
        signs = 1.0 - 2.0 * ((np.arange(2**seeds)[:, None] >> np.arange(seeds)) & 1)
    else:
        random = np.random.default_rng(seed)
        signs = np.vstack([np.ones(seeds), random.choice(np.array([-1.0, 1.0]), (SAMPLED, seeds))])
    sums = magnitudes(a, b, signs)
    return float((sums >= sums[0] - 1e-12 * np.abs(differences).sum()).mean())


def magnitudes(a: ArrayLike, b: ArrayLike, signs: ArrayLike) -> Array:
    """Return |sum of differences| [A] with the names of seeds of sign -1 exchanged in ``signs`` [A, S].

    All are NaN where a difference is not finite.
    """
    differences = _differences(a, b)
    orders, _ = arguments.arrays(("signs", signs, "A S"), ("a", a, "S"))
    if not np.isfinite(differences).all():
        return np.full(len(orders), np.nan)
    return np.abs(orders @ differences)


def _differences(a: ArrayLike, b: ArrayLike) -> Array:
    """Return ``a - b`` [S], NaN where one of them is not finite."""
    one, other = arguments.arrays(("a", a, "S"), ("b", b, "S"))
    known = np.isfinite(one) & np.isfinite(other)
    found: Array = np.subtract(one, other, out=np.full(len(one), np.nan), where=known)
    return found
