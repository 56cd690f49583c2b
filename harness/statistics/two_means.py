"""The difference of two means of seeds: paired where both have the same seeds, else Welch's.

The interval has 95 %. The p-value is two-sided, of no difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics.intervals import EQUAL, UNBOUNDED, difference_interval, half_width, standard_deviation
from harness.statistics.paired import difference, permutation_p
from harness.statistics.proportions import LEVEL, newcombe

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Difference:
    """The later mean less the earlier one, with its 95 % interval and two-sided p-value; NaN where seeds are too few."""

    value: float
    low: float
    high: float
    p: float
    same: bool = False  # no seed differs


def by_pairs(
    before: ArrayLike, after: ArrayLike, bounds: tuple[float, float] = UNBOUNDED, examples: int = 0
) -> Difference:
    """Return the mean of ``after - before`` with Student's paired interval and p-value.

    Where all differences are equal, the interval is ``difference_interval``'s, and the p-value is that of exchanging the
    two within seeds: two seeds prove nothing, however alike their differences are.

    Args:
        before: Numbers ``[S]``, one per seed, in any unit.
        after: Numbers ``[S]`` of the same seeds.
        bounds: The least and the largest value that each number can have, ``(0, 1)`` for a share.
        examples: Of how many examples each number is a proportion; 0 for one that is none.

    Returns:
        The difference in the unit of the numbers; NaN where a number is not finite, and the p-value for one seed.

    Raises:
        ValueError: The two do not have equally many numbers.

    Source: Student 1908, doi:10.2307/2331554.

    >>> change = by_pairs([0.90, 0.91, 0.92], [0.91, 0.93, 0.95])
    >>> print(f"{change.value:.3f} from {change.low:.3f} to {change.high:.3f}, p {change.p:.3f}")
    0.020 from -0.005 to 0.045, p 0.074
    """
    from scipy import stats

    before, after = arguments.arrays(("before", before, "S"), ("after", after, "S"))
    mean = difference(after, before, LEVEL)
    low, high = difference_interval(after, before, bounds, examples)
    if mean.se <= EQUAL * max(map(abs, (*before, *after))):
        return Difference(mean.value, low, high, permutation_p(after, before), list(before) == list(after))
    p = 2 * float(stats.t.sf(abs(mean.value) / mean.se, mean.replicates - 1))
    return Difference(mean.value, low, high, p)


def welch(
    before: ArrayLike, after: ArrayLike, bounds: tuple[float, float] = UNBOUNDED, examples: int = 0
) -> Difference:
    """Return the difference of two means of unequal variances with Welch's interval and p-value.

    Where neither spreads, the interval is Newcombe's of two proportions of ``examples``, NaN for other numbers, and the
    p-value is that of exchanging seeds between the two.

    Args:
        before: Numbers ``[S]``, one per seed, in any unit.
        after: Numbers ``[T]`` of other seeds.
        bounds: The least and the largest value that each number can have, ``(0, 1)`` for a share.
        examples: Of how many examples each number is a proportion; 0 for one that is none.

    Returns:
        The difference in the unit of the numbers; NaN where a number is not finite. One seed in either has a difference
        alone.

    Source: Welch 1947, doi:10.1093/biomet/34.1-2.28.

    >>> change = welch([0.90, 0.91, 0.92], [0.91, 0.93, 0.95, 0.93])
    >>> print(f"{change.value:.3f} from {change.low:.3f} to {change.high:.3f}, p {change.p:.3f}")
    0.020 from -0.006 to 0.046, p 0.103
    """
    from scipy import stats

    before, after = arguments.arrays(("before", before, "S"), ("after", after, "T"))
    bounds, examples = arguments.ends("bounds", bounds), arguments.whole("examples", examples)
    if not np.isfinite(before).all() or not np.isfinite(after).all():
        return Difference(math.nan, math.nan, math.nan, math.nan)
    value = float(after.mean() - before.mean())
    if min(len(before), len(after)) < 2:
        return Difference(value, math.nan, math.nan, math.nan)
    deviations = [float(standard_deviation(values)) for values in (before, after)]
    largest = max(deviations)
    if largest == 0:
        ends = newcombe(float(after[0]), float(before[0]), examples) if examples else (math.nan, math.nan)
        orders = math.comb(len(before) + len(after), len(before))
        return Difference(value, *ends, 1.0 if value == 0 else min(1.0, 2 / orders), value == 0)
    counts = (len(before), len(after))
    # Divided by the largest deviation, so that squares of very small ones do not become 0.
    variances = [(deviation / largest) ** 2 / count for deviation, count in zip(deviations, counts, strict=True)]
    spreads = [variance**2 / (count - 1) for variance, count in zip(variances, counts, strict=True)]
    freedom = sum(variances) ** 2 / sum(spreads)
    se = largest * math.sqrt(sum(variances))
    half, most = float(half_width(se, freedom, LEVEL)), bounds[1] - bounds[0]
    low, high = (min(max(end, -most), most) for end in (value - half, value + half))
    return Difference(value, low, high, 2 * float(stats.t.sf(abs(value) / se, freedom)))
