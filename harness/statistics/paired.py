"""Two arms compared by one number per network, such as test accuracy, seed by seed.

Equal seeds share their initial weights, so their difference d[s] = a[s] - b[s] is free of what the start decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.statistics.intervals import half_width
from harness.statistics.pairwise import ENUMERATED, SAMPLED, Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray


def difference(a: NDArray[np.float64], b: NDArray[np.float64], confidence: float = 0.9) -> Estimate:
    """Return the mean difference of [S] and [S] numbers with its paired t-interval; infinite for one seed."""
    differences = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    seeds, value = len(differences), float(differences.mean())
    if seeds < 2:
        return Estimate(value, -np.inf, np.inf, float("nan"), seeds)
    se = float(differences.std(ddof=1) / np.sqrt(seeds))
    reach = float(half_width(se, seeds - 1, confidence))
    return Estimate(value, value - reach, value + reach, se, seeds)


def equivalence_p(estimate: Estimate, margin: float) -> float:
    """Return the p-value of two one-sided t-tests against -margin and +margin (Schuirmann 1987).

    p = max{P(t > (d + margin) / se), P(t < (d - margin) / se)} with S-1 degrees of freedom, doi:10.1007/BF01068419.
    """
    from scipy import stats

    if not np.isfinite(estimate.se):
        return 1.0
    if estimate.se == 0:
        return 0.0 if abs(estimate.value) < margin else 1.0
    return float(stats.t.sf((margin - abs(estimate.value)) / estimate.se, estimate.seeds - 1))


def permutation_p(a: NDArray[np.float64], b: NDArray[np.float64], seed: int = 0) -> float:
    """Return the two-sided p-value of "the optimizer's name does not matter", by exchanging the two within seeds.

    Exact, by counting all 2^S signs of the differences; so no p-value is smaller than 2^-(S-1), and few seeds can
    never show a difference. Fisher 1935. Above 2^17 arrangements it is sampled.
    """
    differences = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    seeds = len(differences)
    if 2**seeds <= ENUMERATED:
        signs: NDArray[np.floating] = 1.0 - 2.0 * ((np.arange(2**seeds)[:, None] >> np.arange(seeds)) & 1)
    else:
        random = np.random.default_rng(seed)
        signs = np.vstack([np.ones(seeds), random.choice(np.array([-1.0, 1.0]), (SAMPLED, seeds))])
    sums = magnitudes(a, b, signs)
    return float((sums >= sums[0] - 1e-12 * np.abs(differences).sum()).mean())


def magnitudes(a: NDArray[np.float64], b: NDArray[np.float64], signs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return |sum of differences| [A] with the names of seeds of sign -1 exchanged in ``signs`` [A, S]."""
    found: NDArray[np.float64] = np.abs(signs @ (np.asarray(a, dtype=float) - np.asarray(b, dtype=float)))
    return found
