"""Intervals of a proportion and of the difference of two, and how large a difference so many examples can show.

They know that a share of right answers lies between 0 and 1 and is a share of so many examples. Functions of one proportion work
elementwise as those of ``intervals`` do. Everywhere, a ValueError or TypeError names the argument that is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]
    Ends = tuple[Array, Array]

LEVEL = 0.95  # the coverage of an interval
ROUNDING = 1e-12


def clopper_pearson(part: ArrayLike, n: ArrayLike, level: float = LEVEL) -> Ends:
    """Return the ends of the exact interval of a proportion that was ``part`` of ``n``, elementwise.

    Args:
        part: The share found, in [0, 1]. ``part * n`` need not be whole: a mean of scores in [0, 1] varies no more than
            a share of the same mean does.
        n: How many examples, above 0.
        level: The coverage, in (0, 1), which it has at least.

    Returns:
        Quantiles of beta distributions, the lower end 0 where ``part`` is 0, the upper end 1 where it is 1; NaN where
        ``part`` is NaN, or lies outside of [0, 1], or ``n`` is not above 0.

    Source: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.

    >>> low, high = clopper_pearson(1.0, 70)  # 70 of 70 are right
    >>> print(f"{low:.4f} to {high:.4f}")
    0.9487 to 1.0000
    """
    from scipy.stats import beta

    share, count = _proportions(part, n)
    hits, tail = share * count, (1 - arguments.share("level", level)) / 2
    low = np.where(share == 0, 0.0, beta.ppf(tail, hits, count - hits + 1))
    high = np.where(share == 1, 1.0, beta.ppf(1 - tail, hits + 1, count - hits))
    unknown = np.isnan(hits)
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)


def wilson(part: ArrayLike, n: ArrayLike, level: float = LEVEL) -> Ends:
    """Return the ends of Wilson's interval of a proportion that was ``part`` of ``n``, elementwise.

    Args:
        part: The share found, in [0, 1].
        n: How many examples, above 0; it need not be whole.
        level: The coverage, in (0, 1), which it has on average over the proportions.

    Returns:
        The two shares whose score test does not reject ``part``, within [0, 1]; NaN where ``part`` is NaN, or lies
        outside of [0, 1], or ``n`` is not above 0.

    Source: Wilson 1927, doi:10.2307/2276774.

    >>> low, high = wilson(1.0, 70)
    >>> print(f"{low:.4f} to {high:.4f}")
    0.9480 to 1.0000
    """
    from scipy.stats import norm

    share, count = _proportions(part, n)
    z = float(norm.ppf((1 + arguments.share("level", level)) / 2))
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return np.maximum(0.0, middle - half), np.minimum(1.0, middle + half)


def newcombe(one: float, other: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Return the ends of an interval of the difference of two proportions, each of ``n`` examples.

    Where both are of the same examples and it is not known which these are, it is wider than it would have to be, as long as
    what is hard for the one is not easy for the other.

    Args:
        one: The share found of the first, in [0, 1].
        other: The share found of the second, in [0, 1].
        n: Of how many examples each is a share, above 0.
        level: The coverage, in (0, 1).

    Returns:
        The ends of ``one - other``, within [-1, 1]; NaN where a share is NaN, or lies outside of [0, 1].

    Source: Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10.

    >>> print("{:.4f} to {:.4f}".format(*newcombe(1.0, 1.0, 70)))
    -0.0520 to 0.0520
    """
    one, other = arguments.number("one", one, nan=True), arguments.number("other", other, nan=True)
    n = arguments.number("n", n, nan=True)
    (low, high), (other_low, other_high) = (tuple(map(float, wilson(part, n, level))) for part in (one, other))
    down, up = np.hypot(one - low, other_high - other), np.hypot(high - one, other - other_low)
    return float(one - other - down), float(one - other + up)


def matched_difference(better: int, worse: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the ends of an interval of the difference of two proportions of the same ``n`` examples, of which few differ.

    The difference is the share of examples that only the first gets right less the share that only the second does.
    Neither share is below zero, so the difference is at most the first one's upper end, and at least minus the second's.
    It is wide, and exact: it covers the difference at least as often as its level, however few examples differ, none
    among them.

    Args:
        better: How many examples only the first gets right.
        worse: How many only the second does.
        n: How many examples there are, above 0.
        level: The coverage, in (0, 1).

    Returns:
        The ends, within [-1, 1].

    >>> print("{:.4f} to {:.4f}".format(*matched_difference(0, 0, 70)))  # two networks that agree on all of 70 photos
    -0.0513 to 0.0513
    """
    n = arguments.whole("n", n, 1)
    better = arguments.whole("better", better, 0, n)
    worse = arguments.whole("worse", worse, 0, n - better)
    up, down = (float(clopper_pearson(count / n, n, level)[1]) for count in (better, worse))
    return -down, up


def fewest_discordant(level: float = LEVEL) -> int:
    """Return how many examples have to differ, all in favour of one of two networks, before a sign test can tell.

    All of k in favour of one happen by chance, either way, with probability ``2 * 2**-k`` (McNemar 1947,
    doi:10.1007/BF02295996): for 5 % that takes six.

    >>> fewest_discordant()
    6
    """
    return int(np.floor(np.log2(2 / (1 - arguments.share("level", level))) + ROUNDING)) + 1


def detectable_share(n: int, power: float, level: float = LEVEL) -> float:
    """Return the least difference of two proportions of the same ``n`` examples that a sign test finds with that power.

    Args:
        n: How many examples there are.
        power: The probability of finding it, in (0, 1).
        level: 1 less the probability of finding a difference where there is none, in (0, 1).

    Returns:
        The share of examples on which the one must beat the other for at least ``fewest_discordant`` of ``n`` to do so
        with that probability; NaN where there are not even so many examples.

    >>> print(f"{detectable_share(70, 0.8):.3f}")  # 70 photos cannot show less than 11 points
    0.111
    """
    from scipy.stats import beta

    n, power, few = arguments.whole("n", n), arguments.share("power", power), fewest_discordant(level)
    return float(beta.ppf(power, few, n - few + 1)) if n >= few else float("nan")


def _proportions(part: ArrayLike, n: ArrayLike) -> tuple[Array, Array]:
    """Return shares and their numbers of examples, both NaN where one is unknown or out of its range."""
    share, count = arguments.alike(("part", part), ("n", n))
    valid = (share >= 0) & (share <= 1) & (count > 0) & np.isfinite(count)
    return np.where(valid, share, np.nan), np.where(valid, count, np.nan)
