"""The mean of a table of seeds by test examples, with a standard error that covers another draw of both.

Another draw of seeds moves a mean score, and so does another draw of test examples: 1 of 650 photos is 0.15 points of
accuracy. All seeds see the same examples, so the scores form a table of S seeds by N examples, two-way crossed without
replication:

    d[s, n] = mean + seed[s] + example[n] + rest[s, n]
    variance of the mean = var(seed) / S + var(example) / N + var(rest) / (S N)

The variances come from the mean squares of that table (Searle, Casella and McCulloch 1992, Variance Components,
doi:10.1002/9780470316856, ch. 4), components below zero counted as zero, and Student's t has Satterthwaite's degrees
of freedom (1946, doi:10.2307/3002019). Chosen over the pigeonhole bootstrap (Owen 2007, doi:10.1214/07-AOAS122), which
estimates the same variance somewhat too large: this one is unbiased where no component is cut off, needs no random
numbers, and can be checked by hand.

One departure from the textbook: a difference in few examples (two classifiers that differ on five photos) is far from
normal, so the examples count for as many as carry it, (sum of x^2)^2 / sum of x^4, which for N normal ones is N / 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics.intervals import half_width, standard_deviation
from harness.statistics.proportions import LEVEL
from harness.statistics.scale import scaled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

POWER = 0.8  # with which a mean of ``detectable`` would be found


@dataclass(frozen=True)
class CrossedMean:
    """A mean with its standard error, the parts of it that come from seeds and from examples, and its degrees of freedom.

    Everything but ``df`` is in the unit of the scores.
    """

    mean: float
    se: float  # standard error; NaN where it cannot be known
    se_seeds: float  # the part of it that comes from seeds
    se_examples: float  # the part that comes from examples; NaN where they are not known
    df: float  # degrees of freedom of Student's t, not always whole

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval: the smallest mean that would have excluded zero."""
        return self._reach((1 + LEVEL) / 2)

    @property
    def detectable(self) -> float:
        """The true mean whose interval excludes zero in 80 % of all repetitions."""
        return self.half + self._reach(POWER)

    def _reach(self, part: float) -> float:
        return float(half_width(self.se, self.df, 2 * part - 1))


UNKNOWN = CrossedMean(math.nan, math.nan, math.nan, math.nan, math.nan)


def over_both(table: ArrayLike) -> CrossedMean:
    """Return the mean of a table of scores, with a standard error that covers another draw of seeds and of examples.

    Args:
        table: Numbers ``[S, N]`` of S seeds by N examples, in any unit.

    Returns:
        The mean in the unit of the numbers. Its standard errors and degrees of freedom are NaN for S or N below 2. All of
        it is NaN for a number that is not finite.

    Source: Searle, Casella and McCulloch 1992, doi:10.1002/9780470316856, ch. 4; Satterthwaite 1946, doi:10.2307/3002019.

    >>> over_both([[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0]]).mean
    0.625
    """
    (numbers,) = arguments.arrays(("table", table, "S N"))
    seeds, examples = numbers.shape
    mean = float(numbers.mean())
    if not math.isfinite(mean):
        return UNKNOWN
    if min(seeds, examples) < 2:
        return CrossedMean(mean, math.nan, math.nan, math.nan, math.nan)
    unit, exponent = scaled(numbers)
    middle = float(unit.mean())
    of_seeds, of_examples = unit.mean(axis=1) - middle, unit.mean(axis=0) - middle
    rest = unit - middle - of_seeds[:, None] - of_examples
    free = (seeds - 1, _carriers(of_examples) - 1, (seeds - 1) * (examples - 1))
    between = examples * float(np.square(of_seeds).sum()) / free[0]
    across = seeds * float(np.square(of_examples).sum()) / (examples - 1)
    within = float(np.square(rest).sum()) / free[2]
    total, df = _satterthwaite(between, across, within, free)
    size = seeds * examples
    squares = (total, max(0.0, between - within), max(0.0, across - within))
    se, by_seeds, by_examples = (float(np.ldexp(math.sqrt(square / size), exponent)) for square in squares)
    return CrossedMean(mean, se, by_seeds, by_examples, max(df, min(free)))


def over_seeds(values: ArrayLike) -> CrossedMean:
    """Return the mean of one number per seed, with its standard error over seeds alone.

    Args:
        values: Numbers ``[S]``, in any unit.

    Returns:
        The mean in the unit of the numbers. Its standard error is NaN for a single seed. All of it is NaN for a number that
        is not finite.

    >>> over_seeds([0.25, 0.75]).se
    0.25
    """
    (numbers,) = arguments.arrays(("values", values, "S"))
    count, mean = len(numbers), float(np.mean(numbers))
    if not math.isfinite(mean):
        return UNKNOWN
    se = float(standard_deviation(numbers)) / math.sqrt(count) if count > 1 else math.nan
    return CrossedMean(mean, se, se, math.nan, float(count - 1))


def _satterthwaite(
    between: float, across: float, within: float, free: tuple[float, float, float]
) -> tuple[float, float]:
    """Return the mean square of the mean and its degrees of freedom, from the three mean squares and theirs.

    Each mean square holds the rest's variance once. One that is below the rest has a variance component of zero.
    """
    terms = [(between, free[0]), (across, free[1]), (-within, free[2])]
    if between <= within or across <= within:
        terms = [max(terms[0], terms[1], (within, free[2]))]
    total = sum(square for square, _ in terms)
    spread = sum(square**2 / df for square, df in terms)
    return total, total**2 / spread if spread > 0 else math.inf


def _carriers(values: NDArray[np.float64]) -> float:
    """Return how many examples carry a difference, at least 2: all N where they differ alike, N / 3 of N normal ones."""
    largest = float(np.abs(values).max())
    if not largest > 0:
        return float(len(values))
    squares = np.square(values / largest)
    return min(float(len(values)), max(2.0, float(squares.sum() ** 2 / np.square(squares).sum())))
