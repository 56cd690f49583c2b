"""What a design can show: the probability that identical arms come out similar, by simulation.

Each network is a point drawn from a Gaussian in d dimensions, and its distance to others is Euclidean. Identical arms
differ by nothing but the draw. The number of dimensions sets how much the distances between networks of one arm scatter:
with 20, the ratio of two mean distances at eight seeds has a standard error of about 3 %.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics.intervals import jackknife_se
from harness.statistics.labels import ALPHA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DIMENSIONS = 20
RUNS = 4_000
FEWEST_RUNS, EASY = 1_000, 80  # of many networks fewer runs are simulated: the time goes with their square
MOST_DISTANCES, LEAST_RUNS = 250 * 10**6, 100  # of more than 500 networks still fewer, or it would take minutes
HELD = 250  # runs at a time: what they need fits into a processor's cache
ROOM = 2**22  # distances at a time, 32 MiB of them, where one run alone has not more
MOST_RUNS = 10**6
MOST_NETWORKS = 1_500  # 18 MB of distances in a single run


def all_similar(
    arms: int,
    seeds: int,
    primaries: int,
    margin: float = math.log(1.10),
    runs: int = RUNS,
    alpha: float = ALPHA,
    circle: int | None = None,
) -> float:
    """Return the probability that every pair of identical arms comes out similar on independent measures.

    One measure's probability is known to within 0.016 (two standard errors of 4,000 simulations). More than 80 networks are
    simulated less often: up to 500 networks at least 1,000 times (0.032), more of them at least 100 times (0.1). More than
    1,500 networks have the value of as many seeds as make 1,500, which more seeds can only raise. Equal arguments give equal
    results.

    Args:
        arms: How many identical arms, at least 1.
        seeds: How many seeds; fewer than three can show nothing, which is 0.
        primaries: How many independent measures.
        margin: The margin of log rho.
        runs: How many simulations, from 1 to 1,000,000.
        alpha: The level of the equivalence test, in (0, 1).
        circle: Only pairs of seeds up to this far apart in a circle of all seeds are measured; None for all pairs.

    Returns:
        A probability, in [0, 1].

    Raises:
        ValueError: An argument is out of its range.

    >>> 0.5 < all_similar(arms=2, seeds=8, primaries=1, runs=200) <= 1
    True
    """
    arms, seeds = arguments.whole("arms", arms, 1), arguments.whole("seeds", seeds)
    seeds = min(seeds, MOST_NETWORKS // arms)
    primaries, runs = arguments.whole("primaries", primaries), arguments.whole("runs", runs, 1, MOST_RUNS)
    margin, alpha = arguments.number("margin", margin), arguments.share("alpha", alpha)
    circle = None if circle is None else arguments.whole("circle", circle)
    if seeds < 3 or circle == 0:
        return 0.0
    half_circle = seeds // 2
    return (
        _one_similar(arms, seeds, margin, runs, alpha, half_circle if circle is None else min(circle, half_circle))
        ** primaries
    )


@lru_cache(maxsize=64)
def _one_similar(arms: int, seeds: int, margin: float, runs: int, alpha: float, circle: int) -> float:
    """Return the same of one measure."""
    from scipy import stats

    steps = np.abs(np.arange(seeds)[:, None] - np.arange(seeds))
    measured = (np.minimum(steps, seeds - steps) <= circle).astype(float)  # alike for all seeds: counts still fall out
    random = np.random.default_rng([arms, seeds])
    networks = arms * seeds
    least = min(FEWEST_RUNS, max(LEAST_RUNS, MOST_DISTANCES // networks**2))
    runs = max(min(runs, least), math.floor(runs * min(1.0, (EASY / networks) ** 2)))
    block = max(1, min(HELD, ROOM // networks**2))  # the random numbers are the same whatever its size
    quantile = float(stats.t.ppf(1 - alpha, seeds - 1))
    similar = 0
    for start in range(0, runs, block):
        held = min(block, runs - start)
        distances = _distances(random.standard_normal((held, networks, DIMENSIONS)))
        distances = distances.reshape(held, arms, seeds, arms, seeds)
        if circle < seeds // 2:
            distances *= measured[:, None, :]
        all_alike = np.ones(held, dtype=bool)
        for a, b in combinations(range(arms), 2):
            value, se = log_rho_and_se(distances[:, a, :, a], distances[:, b, :, b], distances[:, a, :, b])
            all_alike &= value + quantile * se < margin
        similar += int(all_alike.sum())
    return similar / runs


def seeds_for_better(probability: float = 0.75, alpha: float = 0.05, power: float = 0.95) -> int:
    """Return how many pairs of runs show that P(A > B) is above 1/2.

    n = ((z(1-alpha) + z(power)) / (sqrt(6) (1/2 - probability)))^2.

    Args:
        probability: The true P(A > B), in (0.5, 1].
        alpha: The level of the one-sided test, in (0, 1).
        power: The probability of finding it, in (0, 1).

    Returns:
        The number of pairs.

    Raises:
        ValueError: The probability is not above 1/2.

    Source: Noether 1987, doi:10.1080/01621459.1987.10478478.

    >>> seeds_for_better(0.75)
    29
    """
    from scipy import stats

    probability = arguments.number("probability", probability, 0.5, 1.0)
    if probability == 0.5:
        raise ValueError("probability: must be above 0.5, got 0.5")
    alpha, power = arguments.share("alpha", alpha), arguments.share("power", power)
    reach = max(0.0, float(stats.norm.ppf(1 - alpha) + stats.norm.ppf(power)))
    return math.ceil((reach / (math.sqrt(6) * (0.5 - probability))) ** 2)


def log_rho_and_se(aa: Array, bb: Array, ab: Array) -> tuple[Array, Array]:
    """Return log rho and its jackknife standard error, of many comparisons at once.

    Args:
        aa: Distances ``[R, S, S]`` within the first arm, of R comparisons with S seeds.
        bb: Distances ``[R, S, S]`` within the second arm.
        ab: Distances ``[R, S, S]`` from the first arm to the second.

    Returns:
        Values ``[R]`` and standard errors ``[R]``, as ``pairwise.jackknife`` has them one at a time. NaN where a distance is
        not finite, or a sum of distances is not positive.

    Raises:
        ValueError: The shapes do not agree.

    >>> import numpy as np
    >>> value, se = log_rho_and_se(np.full((1, 3, 3), 2.0), np.full((1, 3, 3), 2.0), np.full((1, 3, 3), 3.0))
    >>> print(value.round(4), se)
    [0.4055] [0.]
    """
    aa, bb, ab = arguments.arrays(("aa", aa, "R S S"), ("bb", bb, "R S S"), ("ab", ab, "R S S"))
    within_all, within_less = _sums((aa + bb) / 2)
    between_all, between_less = _sums(ab)
    value = _log_ratio(between_all, within_all)
    without = _log_ratio(between_less, within_less)  # the counts of pairs are equal and fall out
    return value, jackknife_se(without)


def _log_ratio(above: Array, below: Array) -> Array:
    """Return log(above / below); NaN where one of them is not positive and finite."""
    valid = (above > 0) & (below > 0) & np.isfinite(above) & np.isfinite(below)
    ratio = np.divide(above, below, out=np.full_like(above, np.nan), where=valid)
    logs: Array = np.log(ratio)
    return logs


def _sums(distances: Array) -> tuple[Array, Array]:
    """Return the sums over pairs of different seeds: of all [R], and without each seed in turn [R, S]."""
    diagonal = np.einsum("rss->rs", distances)
    with np.errstate(invalid="ignore"):  # infinity less infinity is NaN
        total = distances.sum(axis=(1, 2)) - diagonal.sum(axis=1)
        of_seed = distances.sum(axis=1) + distances.sum(axis=2) - 2 * diagonal
        return total, total[:, None] - of_seed


def _distances(points: Array) -> Array:
    """Return the Euclidean distances [R, N, N] between points [R, N, d]."""
    squares = (points**2).sum(axis=-1)
    product = points @ points.swapaxes(-1, -2)
    product *= 2
    distances: Array = squares[:, :, None] + squares[:, None, :]  # in place from here: it is the largest array there is
    distances -= product
    np.maximum(0.0, distances, out=distances)
    return np.sqrt(distances, out=distances)
