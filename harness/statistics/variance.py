"""How much numbers scatter between searches, and how much between the seeds of one search.

Each replicate has a search of its own and a few seeds, so its numbers form a table of R searches by S seeds, with seeds
nested in searches: x[r, s] = mean + search[r] + seed[r, s]. The two variances come from the mean squares between and
within searches (Searle, Casella and McCulloch 1992, Variance Components, doi:10.1002/9780470316856, ch. 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics.scale import scaled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Components:
    """The standard deviations between searches and between the seeds of one search, in the unit of the numbers."""

    searches: float  # 0 where the searches scatter no more than seeds explain; NaN where it cannot be known
    seeds: float  # NaN where no search has two seeds


def components(numbers: ArrayLike) -> Components:
    """Return how much numbers scatter between searches and between seeds.

    Args:
        numbers: Numbers ``[R, S]`` of R searches with S seeds each, in any unit. NaN stands for a run that was lost.

    Returns:
        The two standard deviations, in the unit of the numbers. The first is NaN with fewer than two searches, and both
        are where no search has two seeds. Searches that have lost seeds weigh as in an unbalanced analysis of variance.

    Source: Searle, Casella and McCulloch 1992, doi:10.1002/9780470316856, ch. 3.

    >>> parts = components([[1.0, 3.0], [5.0, 7.0], [9.0, 11.0]])
    >>> print(f"{parts.searches:.4f} {parts.seeds:.4f}")
    3.8730 1.4142
    """
    (table,) = arguments.arrays(("numbers", numbers, "R S"))
    if np.isinf(table).any():
        return Components(math.nan, math.nan)
    unit, exponent = scaled(table[~np.isnan(table).all(axis=1)])
    counts = (~np.isnan(unit)).sum(axis=1)
    total = int(counts.sum())
    if total == len(counts):  # no search has two seeds
        return Components(math.nan, math.nan)
    means = np.nanmean(unit, axis=1)
    within = float(np.nansum(np.square(unit - means[:, None]))) / (total - len(counts))
    seeds = float(np.ldexp(math.sqrt(within), exponent))
    if len(counts) < 2:
        return Components(math.nan, seeds)
    middle = float((counts * means).sum()) / total
    between = float((counts * np.square(means - middle)).sum()) / (len(counts) - 1)
    seeds_each = (total - float(np.square(counts).sum()) / total) / (len(counts) - 1)
    searches = math.sqrt(max(0.0, between - within) / seeds_each)
    return Components(float(np.ldexp(searches, exponent)), seeds)
