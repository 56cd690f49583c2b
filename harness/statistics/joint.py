"""Several measures of one pair of arms, adjusted by permuting them together, and several pairs by Holm's method.

To swap two arms' names within a seed swaps them in every measure at once. One set of arrangements therefore gives the
joint distribution of all measures, however they depend on each other (Westfall and Young 1993, ch. 2: the largest
standardised statistic). Measures that agree then cost little. An adjusted p-value can be as small as the arrangements
allow, 2^-(S-1), for one measure or ten. With Holm over all measures and pairs instead, eight seeds could show no
difference between three arms, however large: 27 p-values, none below 1/128.

A statistic or a p-value that is NaN belongs to a test that was not made. It stays NaN in its place, and all others are
adjusted as if it were not there, as in R's ``p.adjust``.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics import scale
from harness.statistics.labels import known_or_nan

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

TOLERANCE = 1e-12  # of the largest: equal arrangements must count as equal
TIES = 1e-9  # the same, in standard deviations


def p_values(statistics: ArrayLike) -> Array:
    """Return the p-value of every arrangement, measure by measure.

    Args:
        statistics: Statistics ``[M, A]`` of M measures and A arrangements, of which large ones are extreme.

    Returns:
        P-values ``[M, A]``: the share of the arrangements with a statistic at least as large. All of a measure are NaN where
        one of its statistics is not finite.

    >>> print(p_values([[3.0, 1.0, 2.0, 0.0]]))
    [[0.25 0.75 0.5  1.  ]]
    """
    (arranged,) = arguments.arrays(("statistics", statistics, "M A"))
    result = np.full(arranged.shape, np.nan)
    for row in np.flatnonzero(np.isfinite(arranged).all(axis=1)):
        values = arranged[row]
        below = np.sort(values)
        least = values - TOLERANCE * np.abs(values).max()
        result[row] = (len(values) - np.searchsorted(below, least, side="left")) / len(values)
    return result


def together(statistics: ArrayLike) -> Array:
    """Return the p-values of the actual arrangement, adjusted for the number of measures.

    Each statistic is standardised over its arrangements. The actual ones are compared with the largest of all in each
    arrangement. It is step-down: a measure that is called different takes no part in the comparisons after it.

    Args:
        statistics: Statistics ``[M, A]`` of M measures and A arrangements, the actual arrangement first.

    Returns:
        Adjusted p-values ``[M]``; NaN for a measure with a statistic that is not finite.

    Source: Westfall and Young 1993, Resampling-Based Multiple Testing, ch. 2.

    >>> print(together([[3.0, 1.0, 2.0, 0.0], [2.0, 3.0, 1.0, 0.0]]))
    [0.5 0.5]
    """
    (arranged,) = arguments.arrays(("statistics", statistics, "M A"))
    rows = np.flatnonzero(np.isfinite(arranged).all(axis=1))
    adjusted, largest = np.full(len(arranged), np.nan), 0.0
    finite = arranged[rows]
    finite = np.ldexp(finite, -scale.exponents(finite, axis=1))
    spread = finite.std(axis=1, keepdims=True)
    standard = (finite - finite.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    order = np.argsort(-standard[:, 0], kind="stable")
    for rank, index in enumerate(order):
        extreme = standard[order[rank:]].max(axis=0)
        largest = max(largest, float((extreme >= standard[index, 0] - TIES).mean()))
        adjusted[rows[index]] = largest
    return adjusted


def over_pairs(adjusted: Sequence[float], pairs: Sequence[object]) -> list[float]:
    """Return p-values, adjusted within their pairs already, adjusted for the number of pairs too.

    It is Holm's method with the pair as the unit: a p-value is multiplied by the number of pairs that still have one as
    large. The chance of a single false "different" stays below alpha. With one measure a pair it is Holm's own method.

    Args:
        adjusted: P-values of all measures of all pairs, each in [0, 1] or NaN.
        pairs: The pair that each p-value belongs to: names, or anything hashable.

    Returns:
        Adjusted p-values in the order of ``adjusted``; NaN stays NaN.

    Raises:
        ValueError: There are not as many pairs as p-values.

    Source: Holm 1979, https://www.jstor.org/stable/4615733.

    >>> over_pairs([0.01, 0.02, 0.04], ["adam-sgd", "adam-sgd", "adam-lion"])
    [0.02, 0.04, 0.04]
    """
    values, blocks = known_or_nan("adjusted", adjusted), arguments.items("pairs", pairs, "pairs")
    if len(blocks) != len(values):
        raise ValueError(f"pairs: must be {len(values)}, one for each p-value, got {len(blocks)}")
    for block in blocks:
        arguments.instance("pairs", block, Hashable, "what can be told apart, such as names")
    result, largest = [math.nan] * len(values), 0.0
    order = sorted((i for i, p in enumerate(values) if not math.isnan(p)), key=lambda i: values[i])
    for rank, index in enumerate(order):
        left = len({blocks[i] for i in order[rank:]})
        largest = max(largest, min(1.0, left * values[index]))
        result[index] = largest
    return result
