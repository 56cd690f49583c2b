"""Several measures of one pair of arms, adjusted by permuting them together, and several pairs by Holm's method.

To swap two arms' names within a seed swaps them in every measure at once, so one set of arrangements gives the joint
distribution of all of them, however they depend on each other (Westfall & Young 1993, ch. 2: the largest standardised
statistic). Many measures that say the same cost little then, and an adjusted p-value can be as small as the arrangements
allow, 2^-(S-1), for one measure or ten. With Holm over all measures and pairs instead, eight seeds could show no
difference between three arms, however large: 27 p-values, none below 1/128.

A statistic or a p-value that is NaN is of a test that was not made: it stays NaN in its place, and all others are adjusted as
if it were not there, as R's ``p.adjust`` does.
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
    """Return the p-value [M, A] of every arrangement, from statistics [M, A] of which large ones are extreme.

    All of a measure are NaN where one of its statistics is not finite.
    """
    (arranged,) = arguments.arrays(("statistics", statistics, "M A"))
    found = np.full(arranged.shape, np.nan)
    for row in np.flatnonzero(np.isfinite(arranged).all(axis=1)):
        values = arranged[row]
        below = np.sort(values)
        least = values - TOLERANCE * np.abs(values).max()
        found[row] = (len(values) - np.searchsorted(below, least, side="left")) / len(values)
    return found


def together(statistics: ArrayLike) -> Array:
    """Return the p-values [M] of the actual arrangement, the first, adjusted for their number.

    Each statistic is standardised over its arrangements, and the largest of all in each arrangement is what the actual
    ones are compared with; step-down: what is called different already takes no part any more. NaN for a measure with a
    statistic that is not finite.
    """
    (arranged,) = arguments.arrays(("statistics", statistics, "M A"))
    rows = np.flatnonzero(np.isfinite(arranged).all(axis=1))
    adjusted, largest = np.full(len(arranged), np.nan), 0.0
    known = arranged[rows]
    known = np.ldexp(known, -scale.exponents(known, axis=1))
    spread = known.std(axis=1, keepdims=True)
    standard = (known - known.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    order = np.argsort(-standard[:, 0], kind="stable")
    for rank, index in enumerate(order):
        extreme = standard[order[rank:]].max(axis=0)
        largest = max(largest, float((extreme >= standard[index, 0] - TIES).mean()))
        adjusted[rows[index]] = largest
    return adjusted


def over_pairs(adjusted: Sequence[float], pairs: Sequence[object]) -> list[float]:
    """Return p-values, adjusted within their ``pairs`` already, adjusted for the number of pairs too; in their order.

    Holm's method with the pair as the unit: a p-value is multiplied by the number of pairs that still have one as large,
    so that the chance of a single false "different" stays below alpha. With one measure a pair it is Holm's own.
    """
    values, blocks = known_or_nan("adjusted", adjusted), arguments.items("pairs", pairs, "pairs")
    if len(blocks) != len(values):
        raise ValueError(f"pairs: must be {len(values)}, one for each p-value, got {len(blocks)}")
    for block in blocks:
        arguments.instance("pairs", block, Hashable, "what can be told apart, such as names")
    found, largest = [math.nan] * len(values), 0.0
    order = sorted((i for i, p in enumerate(values) if not math.isnan(p)), key=lambda i: values[i])
    for rank, index in enumerate(order):
        left = len({blocks[i] for i in order[rank:]})
        largest = max(largest, min(1.0, left * values[index]))
        found[index] = largest
    return found
