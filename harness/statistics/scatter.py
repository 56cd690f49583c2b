"""How a facet's measures scatter over replicates: registered beforehand, or estimated at the first look.

``power`` simulates worlds from it. What is simulated:

- A number x[a, r] of arm a in replicate r is a draw from a normal distribution, over and above what all arms of a replicate
  share. The measures of a facet depend on each other by their covariance.
- A distance between two networks i and j is mean + part[i] + part[j] + part[i, j]. A network that lies far out is far from
  all others; the rest belongs to the pair. In a Gaussian cloud of d dimensions the parts' variances are 1 / (8 d) and
  1 / (4 d) of the squared mean, so that a single distance scatters by 1 / sqrt(2 d) of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

FEWEST = 4  # replicates from which the parts of distances can be told apart


@dataclass(frozen=True)
class NumbersScatter:
    """A facet of M numbers, in the scale in which they are compared: logarithms where their margin is a ratio.

    A number with a floor is a logarithm. Two arms are the same in it, whatever their ratio, where the numbers themselves (the
    exponentials) differ by less than the floor. Where none has a floor, the means are not needed.

    >>> NumbersScatter(covariance=((1e-5, 0.0), (0.0, 4e-4)), margins=(0.005, 0.095)).margins
    (0.005, 0.095)
    """

    covariance: tuple[tuple[float, ...], ...]  # [M, M], of an arm's numbers over replicates less what all arms share
    margins: tuple[float, ...]  # [M], of two sides
    means: tuple[float, ...] = ()  # [M], of all arms and replicates; () where no floor asks for them
    floors: tuple[float, ...] = ()  # [M], in the unit of the exponentials, 0 for none; () for none at all


@dataclass(frozen=True)
class DistancesScatter:
    """A facet of M distances, with the margins of what is made of them; infinite for what is not judged.

    All but the margins of logarithms are in the unit of the distances.

    >>> DistancesScatter(means=(0.08,), networks=(0.006,), pairs=(0.009,), log_rho=0.095).correlation
    1.0
    """

    means: tuple[float, ...]  # [M], mean distances between two networks
    networks: tuple[float, ...]  # [M], SD of the part that belongs to a network
    pairs: tuple[float, ...]  # [M], SD of the part that belongs to a pair of networks
    correlation: float = 1.0  # of the distances by different measures, in [0, 1]
    floors: tuple[float, ...] = ()  # [M], distances below which nothing matters; () for none
    log_rho: float = math.inf  # margin of log(B / W) of every measure
    log_scatter: float = math.inf  # margin of log(W_a / W_b) of the first measure
    excess: float = math.inf  # margin of B - W of every measure
    between: float = math.inf  # margin of B of every measure
    apart: int | None = None  # only replicates up to so far apart in a circle of all are measured; None for all


def numbers_scatter(numbers: ArrayLike, margins: ArrayLike, floors: ArrayLike = ()) -> NumbersScatter:
    """Return how the numbers of a facet scatter, from the replicates so far.

    What all arms share in a replicate, and the mean of each arm, are taken away. The covariance is that of the rest, with
    ``(k - 1) (R - 1)`` degrees of freedom. It is half the covariance of the differences of two arms.

    Args:
        numbers: Numbers ``[k, R, M]`` of k arms, R replicates and M measures, in the scales in which they are compared.
            Replicates with a number that is not finite are left out.
        margins: The margins ``[M]`` in the same scales.
        floors: Differences ``[M]`` of the numbers themselves below which no ratio matters, in their own unit, 0 for a
            number without one. A number with a floor is a logarithm. Empty for none.

    Raises:
        ValueError: There are fewer than two arms or two replicates.

    >>> found = numbers_scatter([[[1.0], [2.0], [3.0]], [[3.0], [2.0], [1.0]]], [0.5])
    >>> found.covariance  # the differences -2, 0, 2 have the variance 4
    ((2.0,),)
    """
    table, sizes = arguments.arrays(("numbers", numbers, "k R M"), ("margins", margins, "M"))
    known = table[:, np.isfinite(table).all(axis=(0, 2))]
    arms, replicates, measures = known.shape
    if min(arms, replicates) < 2:
        raise ValueError(
            f"numbers: must be [k, R, M] of 2 arms and 2 replicates or more, got {arguments.describe(known)}"
        )
    rest = known - known.mean(axis=0) - known.mean(axis=1, keepdims=True) + known.mean(axis=(0, 1))
    flat = rest.reshape(-1, measures)
    covariance = flat.T @ flat / ((arms - 1) * (replicates - 1))
    rows = tuple(tuple(map(float, row)) for row in covariance)
    return NumbersScatter(rows, _row(sizes), _row(known.mean(axis=(0, 1))), _floors(floors, measures))


def distances_scatter(
    within: ArrayLike, floors: ArrayLike = (), log_rho: float = math.inf, log_scatter: float = math.inf,
    excess: float = math.inf, between: float = math.inf, apart: int | None = None,
) -> DistancesScatter:  # fmt: skip
    """Return how the distances of a facet scatter, from those within the arms so far.

    Each arm's distances are split by least squares into its mean, the parts of its networks and the parts of its pairs. The
    variances are unbiased: that of networks has the share of pairs in it taken away.

    Args:
        within: Distances ``[M, k, R, R]`` within k arms, by M measures and R replicates. NaN stands for what was not measured.
        floors: Distances ``[M]`` below which nothing matters; empty for none.
        log_rho: The margin of log(B / W) of every measure; infinite where it is not judged, as for all that follow.
        log_scatter: The margin of log(W_a / W_b) of the first measure.
        excess: The margin of B - W of every measure, in the unit of the distances.
        between: The margin of B of every measure, in the same unit.
        apart: Only replicates up to so far apart in a circle of all are measured, at every look; None for all.

    Returns:
        Means over the arms, and the root mean squares of both parts. The correlation is that of the measures' distances
        around their arm's mean. All are NaN where too few pairs were measured to tell the parts apart.

    Raises:
        ValueError: There are fewer than four replicates.

    >>> places = np.random.default_rng(0).standard_normal((2, 9, 30))
    >>> apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)
    >>> found = distances_scatter(apart[None], log_rho=0.095)
    >>> print(f"{found.pairs[0] / found.means[0]:.2f}")  # 1 / sqrt(4 d) is .09
    0.09
    """
    (table,) = arguments.arrays(("within", within, "M k R R"))
    if table.shape[-1] < FEWEST:
        raise ValueError(
            f"within: must be [M, k, R, R] of {FEWEST} replicates or more, got {arguments.describe(table)}"
        )
    table = np.where(np.isfinite(table), table, np.nan)
    parts = np.array([_parts(distances) for distances in table.reshape(-1, *table.shape[2:])])
    means, networks, pairs = parts.T.reshape(3, *table.shape[:2])
    return DistancesScatter(
        means=_row(means.mean(axis=1)),
        networks=_row(np.sqrt(np.maximum(0.0, networks.mean(axis=1)))),
        pairs=_row(np.sqrt(pairs.mean(axis=1))),
        correlation=_correlation(table),
        floors=_floors(floors, len(table)),
        log_rho=arguments.number("log_rho", log_rho, 0),
        log_scatter=arguments.number("log_scatter", log_scatter, 0),
        excess=arguments.number("excess", excess, 0),
        between=arguments.number("between", between, 0),
        apart=None if apart is None else arguments.whole("apart", apart, 1),
    )


def cloud_parts(spread: float) -> tuple[float, float]:
    """Return how far the parts of networks and of pairs scatter in a Gaussian cloud, from the scatter of a single distance.

    Args:
        spread: The standard deviation of a distance between two networks, in any unit.

    Returns:
        The standard deviations of the part of a network and of that of a pair, in the same unit: half of the spread, and
        the spread over the root of 2.

    >>> networks, pairs = cloud_parts(0.2)
    >>> print(f"{networks:.3f} {pairs:.3f}")
    0.100 0.141
    """
    spread = arguments.number("spread", spread, 0)
    return spread / 2, spread / math.sqrt(2)


def _floors(floors: ArrayLike, measures: int) -> tuple[float, ...]:
    """Return the floors of so many measures; none where none is given."""
    (sizes,) = arguments.arrays(("floors", floors, "M"), empty=True)
    if len(sizes) not in (0, measures):
        raise ValueError(f"floors: must be {measures}, one for each measure, or none, got {len(sizes)}")
    return _row(sizes)


def _row(values: Array) -> tuple[float, ...]:
    return tuple(map(float, values))


def _parts(distances: Array) -> tuple[float, float, float]:
    """Return the mean of one arm's distances [R, R], the variance of its networks' parts, and that of its pairs' parts."""
    count = len(distances)
    rows, columns = np.triu_indices(count, 1)
    values = distances[rows, columns]
    measured = np.isfinite(values)
    values = values[measured]
    networks = np.zeros((len(values), count))
    networks[np.arange(len(values)), rows[measured]] = 1
    networks[np.arange(len(values)), columns[measured]] = 1
    if len(values) <= np.linalg.matrix_rank(networks):
        return math.nan, math.nan, math.nan
    inverse = np.linalg.pinv(networks)  # the mean is part of the networks' parts: each has half of it
    parts = inverse @ values
    pairs = float(np.square(values - networks @ parts).sum()) / (len(values) - np.linalg.matrix_rank(networks))
    error = inverse @ inverse.T  # the covariance of the parts, for pairs of variance 1
    noise = pairs * (float(np.trace(error)) - float(error.sum()) / count) / (count - 1)
    return float(values.mean()), float(parts.var(ddof=1)) - noise, pairs


def _correlation(table: Array) -> float:
    """Return the mean correlation of distances [M, k, R, R] by different measures, around their arms' means, in [0, 1]."""
    rows, columns = np.triu_indices(table.shape[-1], 1)
    values = table[:, :, rows, columns]
    measured: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=0))  # [k, pairs], by every measure
    centred = [values[:, arm, known] for arm, known in enumerate(measured)]
    centred = [arm - arm.mean(axis=1, keepdims=True) for arm in centred if arm.shape[1] > 1]
    if len(table) == 1 or not centred:
        return 1.0
    joined = np.concatenate(centred, axis=1)
    if not joined.std(axis=1).all():
        return 1.0
    correlations = np.atleast_2d(np.corrcoef(joined))
    return float(np.clip(correlations[np.triu_indices(len(table), 1)].mean(), 0.0, 1.0))
