"""Intervals of a mean and of a mean difference, standard deviations, and the standard error of the jackknife.

One place for what every analysis needs; ``proportions`` has the intervals of a share of so many examples.

Why Student's interval alone is not enough for an accuracy. If all seeds are right about all of 70 photos, their spread is
zero, and the interval "100.00 to 100.00 %" claims to know the accuracy exactly; but a network that is wrong once in 25
photos gets 70 of 70 right in one of 17 draws. So where the numbers do not spread, the interval of a proportion is that of
Clopper and Pearson for its number of examples, and any other number has none (NaN). It is exact: its coverage is at least
its level, whatever the proportion and the number of examples. (Wilson's is shorter on average, but close to 0 and 1, where
it is needed here, it covers less than it says; Brown, Cai and DasGupta 2001, doi:10.1214/ss/1009213286.)

An interval of a bounded quantity is cut off at its bounds. That costs no coverage: what it is an interval of cannot lie in
the part that is cut off.

A function that works elementwise takes single numbers and arrays of one shape; it broadcasts nothing else. A number that is
NaN gives NaN in its own place. Everywhere, a ValueError or TypeError names the argument that is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import arguments
from harness.statistics import scale
from harness.statistics.proportions import LEVEL, clopper_pearson, newcombe

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]
    Ends = tuple[Array, Array]

UNBOUNDED = (-np.inf, np.inf)
EQUAL = 1e-12  # of their size: numbers that differ by less are equal but for rounding


def half_width(se: ArrayLike, freedom: ArrayLike, level: float = LEVEL) -> Array:
    """Return half the width of Student's two-sided interval, ``t((1 + level) / 2, freedom) * se``, elementwise.

    Args:
        se: Standard errors, in the unit of what they are of.
        freedom: Degrees of freedom, above 0; they need not be whole (Satterthwaite, Welch).
        level: The coverage, in (0, 1). A one-sided test at alpha goes with ``1 - 2 * alpha``.

    Returns:
        Half widths in the unit of ``se``; NaN where ``se`` or ``freedom`` is NaN, or ``freedom`` is not above 0.

    Source: Student 1908, doi:10.2307/2331554.

    >>> print(f"{half_width(1.0, 7):.4f}")  # eight seeds
    2.3646
    """
    from scipy.stats import t

    errors, degrees = arguments.alike(("se", se), ("freedom", freedom))
    quantile = t.ppf((1 + arguments.share("level", level)) / 2, degrees)
    half: Array = np.asarray(quantile * errors)
    return half


def t_interval(mean: ArrayLike, sd: ArrayLike, n: ArrayLike, level: float = LEVEL) -> Ends:
    """Return ``low`` and ``high`` of Student's two-sided interval of a mean, elementwise.

    Args:
        mean: Means of ``n`` numbers, in any unit.
        sd: Their standard deviations, with ``n - 1`` in the divisor, in the same unit.
        n: How many numbers, at least 2.
        level: The coverage, in (0, 1).

    Returns:
        ``mean -+ t * sd / sqrt(n)`` with ``n - 1`` degrees of freedom; NaN where ``n < 2`` or anything is NaN.

    >>> low, high = t_interval(0.9, 0.02, 4)
    >>> print(f"{low:.4f} to {high:.4f}")
    0.8682 to 0.9318
    """
    middle, spread, count = arguments.alike(("mean", mean), ("sd", sd), ("n", n))
    enough = np.where(count >= 2, count, np.nan)
    half = half_width(spread / np.sqrt(enough), enough - 1, level)
    with np.errstate(invalid="ignore"):  # infinity less infinity is NaN
        return middle - half, middle + half


def mean_interval(
    mean: ArrayLike,
    sd: ArrayLike,
    n: ArrayLike,
    bounds: tuple[float, float] = UNBOUNDED,
    examples: int = 0,
    level: float = LEVEL,
) -> Ends:
    """Return ``low`` and ``high`` of the interval of a mean over seeds, elementwise, as a report may show it.

    Where the numbers spread it is ``t_interval``, cut off at the bounds: it covers another draw of seeds. Where all of
    them are equal their spread says nothing. Then a proportion of ``examples`` has the interval of ``clopper_pearson``,
    which covers another draw of examples, and any other number has none.

    Args:
        mean: Means of ``n`` numbers, in any unit.
        sd: Their standard deviations, with ``n - 1`` in the divisor, in the same unit.
        n: How many numbers; of fewer than 2 there is no interval.
        bounds: The least and the largest value that the number can have, ``(0, 1)`` for a share.
        examples: Of how many examples the number is a proportion; 0 for one that is none.
        level: The coverage, in (0, 1).

    Returns:
        The ends, in the unit of ``mean``; NaN where there is no interval.

    >>> low, high = mean_interval([1.0, 0.99], [0.0, 0.01], 2, bounds=(0, 1), examples=70)  # two means, of two seeds each
    >>> print([f"{a:.4f} to {b:.4f}" for a, b in zip(low, high)])
    ['0.9487 to 1.0000', '0.9002 to 1.0000']
    """
    middle, spread, count = arguments.alike(("mean", mean), ("sd", sd), ("n", n))
    least, most = arguments.ends("bounds", bounds)
    examples = arguments.whole("examples", examples)
    low, high = t_interval(middle, spread, count, level)
    equal = equal_numbers(middle, spread) & (count >= 2)
    fixed = clopper_pearson(middle, examples, level) if examples > 0 else (np.nan, np.nan)
    low, high = np.where(equal, fixed[0], low), np.where(equal, fixed[1], high)
    return np.clip(low, least, most), np.clip(high, least, most)


def equal_numbers(mean: ArrayLike, sd: ArrayLike) -> NDArray[np.bool_]:
    """Return whether numbers of this mean and standard deviation are equal but for rounding, elementwise; False for NaN.

    >>> print(equal_numbers([0.1, 0.1, 0.1], [0.0, 1e-17, 1e-3]))
    [ True  True False]
    """
    middle, spread = arguments.alike(("mean", mean), ("sd", sd))
    are_equal: NDArray[np.bool_] = spread <= EQUAL * np.abs(middle)
    return are_equal


def standard_deviation(values: ArrayLike, ddof: int = 1) -> Array:
    """Return the standard deviations ``[...]`` of numbers ``[..., S]``, with ``S - ddof`` in the divisor.

    NaN where S is not above ``ddof``, and where a number is not finite. It is right for numbers of any size, also where
    their squares are no floating-point numbers.

    >>> print(f"{standard_deviation([1e-200, 3e-200]):.6g}")
    1.41421e-200
    """
    (numbers,) = arguments.arrays(("values", values, "... S"), empty=True)
    if numbers.shape[-1] <= arguments.whole("ddof", ddof):
        return np.full(numbers.shape[:-1], np.nan)
    exponent = scale.exponents(numbers, axis=-1)
    with np.errstate(invalid="ignore"):  # infinity less infinity is NaN
        near: Any = np.ldexp(numbers, -exponent).std(axis=-1, ddof=ddof)
    return np.asarray(np.ldexp(near, exponent[..., 0]))


def difference_interval(
    one: ArrayLike,
    other: ArrayLike,
    bounds: tuple[float, float] = UNBOUNDED,
    examples: int = 0,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Return ``low`` and ``high`` of the mean of paired differences ``one - other``, as a report may show it.

    Where the differences spread it is Student's, cut off at the largest difference that there can be. Where all are equal,
    two proportions of so many examples have the interval of ``newcombe``, and any other two numbers have none.

    Args:
        one: Numbers ``[S]`` of the first, one per seed, in any unit.
        other: Numbers ``[S]`` of the second, of the same seeds.
        bounds: The least and the largest value that each number can have, ``(0, 1)`` for a share.
        examples: Of how many examples each number is a proportion; 0 for one that is none.
        level: The coverage, in (0, 1).

    Returns:
        The ends in the unit of the numbers; NaN for fewer than two seeds, and where there is no interval.

    Raises:
        ValueError: The two do not have equally many numbers.

    >>> print("{:.4f} to {:.4f}".format(*difference_interval([0.9, 0.92, 0.91], [0.88, 0.89, 0.9], bounds=(0, 1))))
    -0.0048 to 0.0448
    """
    first, second = arguments.arrays(("one", one, "S"), ("other", other, "S"), empty=True)
    least, most = arguments.ends("bounds", bounds)
    examples = arguments.whole("examples", examples)
    level = arguments.share("level", level)
    if len(first) < 2 or not np.isfinite(first).all() or not np.isfinite(second).all():
        return np.nan, np.nan
    differences = first - second
    spread = float(standard_deviation(differences))
    if spread <= EQUAL * max(np.abs(first).max(), np.abs(second).max()):
        return (
            newcombe(float(first.mean()), float(second.mean()), examples, level) if examples > 0 else (np.nan, np.nan)
        )
    low, high = t_interval(differences.mean(), spread, len(differences), level)
    widest = most - least
    return float(np.clip(low, -widest, widest)), float(np.clip(high, -widest, widest))


def jackknife_se(without: ArrayLike) -> Array:
    """Return the jackknife's standard error of a statistic, from its values without each unit in turn.

    Args:
        without: Values ``[..., S]`` of the statistic, in entry s without unit s, in any unit.

    Returns:
        ``sqrt((S - 1) / S * sum (value - mean)**2)``, ``[...]``, in the same unit; NaN for S < 2, or where one is NaN.

    Source: Efron and Stein 1981, doi:10.1214/aos/1176345462.

    >>> numbers = np.array([3.0, 5.0, 10.0])
    >>> means = [np.delete(numbers, i).mean() for i in range(3)]
    >>> print(f"{jackknife_se(means):.6f} {numbers.std(ddof=1) / np.sqrt(3):.6f}")  # of a mean it is the usual one
    2.081666 2.081666
    """
    (values,) = arguments.arrays(("without", without, "... S"), empty=True)
    count = values.shape[-1]
    if count < 2:
        return np.full(values.shape[:-1], np.nan)
    exponent = scale.exponents(values, axis=-1)
    near = np.ldexp(values, -exponent)
    with np.errstate(invalid="ignore"):  # infinity less infinity is NaN
        squares = np.square(near - near.mean(axis=-1, keepdims=True)).sum(axis=-1)
    errors: Any = np.ldexp(np.sqrt((count - 1) / count * squares), exponent[..., 0])
    return np.asarray(errors)
