"""Several measures of one pair of arms, adjusted by permuting them together, and several pairs by Holm's method.

To swap two arms' names within a seed swaps them in every measure at once, so one set of arrangements gives the joint
distribution of all of them, however they depend on each other (Westfall & Young 1993, ch. 2: the largest standardised
statistic). Many measures that say the same cost little then, and an adjusted p-value can be as small as the arrangements
allow, 2^-(S-1), for one measure or ten. With Holm over all measures and pairs instead, eight seeds could show no
difference between three arms, however large: 27 p-values, none below 1/128.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TOLERANCE = 1e-12  # of the largest: equal arrangements must count as equal
TIES = 1e-9  # the same, in standard deviations


def p_values(statistics: Array) -> Array:
    """Return the p-value [M, A] of every arrangement, from statistics [M, A] of which large ones are extreme."""
    found = np.empty_like(statistics)
    for row, values in zip(found, statistics, strict=True):
        below = np.sort(values)
        least = values - TOLERANCE * np.abs(values).max()
        row[:] = (len(values) - np.searchsorted(below, least, side="left")) / len(values)
    return found


def together(statistics: Array) -> Array:
    """Return the p-values [M] of the actual arrangement, the first, adjusted for their number.

    Each statistic is standardised over its arrangements, and the largest of all in each arrangement is what the actual
    ones are compared with; step-down: what is called different already takes no part any more.
    """
    spread = statistics.std(axis=1, keepdims=True)
    standard = (statistics - statistics.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    order = np.argsort(-standard[:, 0], kind="stable")
    adjusted, largest = np.empty(len(standard)), 0.0
    for rank, index in enumerate(order):
        extreme = standard[order[rank:]].max(axis=0)
        largest = max(largest, float((extreme >= standard[index, 0] - TIES).mean()))
        adjusted[index] = largest
    return adjusted


def over_pairs(adjusted: Sequence[float], pairs: Sequence[object]) -> list[float]:
    """Return p-values, adjusted within their ``pairs`` already, adjusted for the number of pairs too; in their order.

    Holm's method with the pair as the unit: a p-value is multiplied by the number of pairs that still have one as large,
    so that the chance of a single false "different" stays below alpha. With one measure a pair it is Holm's own.
    """
    found, largest = [0.0] * len(adjusted), 0.0
    order = sorted(range(len(adjusted)), key=lambda i: adjusted[i])
    for rank, index in enumerate(order):
        left = len({pairs[i] for i in order[rank:]})
        largest = max(largest, min(1.0, left * adjusted[index]))
        found[index] = largest
    return found
