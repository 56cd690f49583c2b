"""How a facet's measures scatter over replicates: registered beforehand, or estimated at the first look.

``power`` simulates worlds from it. What is simulated:

- A number x[a, r] of arm a in replicate r is a draw from a normal distribution, over and above what all arms of a replicate
  share. The measures of a facet depend on each other by their covariance.
- A distance between two networks i and j is mean + part[i] + part[j] + part[i, j]. A network that lies far out is far from
  all others; the rest belongs to the pair. In a Gaussian cloud of d dimensions the parts' variances are 1 / (8 d) and
  1 / (4 d) of the squared mean, so that a single distance scatters by 1 / sqrt(2 d) of it.
- The networks of one replicate share their seeds, whatever their arm, so their parts are alike. What they share is the same
  in both arms of a comparison, and it cancels in B / W, in B - W and in W_a / W_b. It does not cancel in B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
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
    apart: int | None = None  # each replicate is measured with so many before it; None for all of them
    network_correlation: float = 0.0  # of the parts of two arms' networks in one replicate, in [-1, 1]
    point_correlation: float = 0.0  # of their points, whose products are the parts of pairs (``power``), in [-1, 1]


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

    >>> scatter = numbers_scatter([[[1.0], [2.0], [3.0]], [[3.0], [2.0], [1.0]]], [0.5])
    >>> scatter.covariance  # the differences -2, 0, 2 have the variance 4
    ((2.0,),)
    """
    table, sizes = arguments.arrays(("numbers", numbers, "k R M"), ("margins", margins, "M"))
    measured = table[:, np.isfinite(table).all(axis=(0, 2))]
    arms, replicates, measures = measured.shape
    if min(arms, replicates) < 2:
        raise ValueError(
            f"numbers: must be [k, R, M] of 2 arms and 2 replicates or more, got {arguments.describe(measured)}"
        )
    rest = measured - measured.mean(axis=0) - measured.mean(axis=1, keepdims=True) + measured.mean(axis=(0, 1))
    flat = rest.reshape(-1, measures)
    covariance = flat.T @ flat / ((arms - 1) * (replicates - 1))
    rows = tuple(tuple(map(float, row)) for row in covariance)
    return NumbersScatter(rows, _row(sizes), _row(measured.mean(axis=(0, 1))), _floors(floors, measures))


def distances_scatter(
    within: ArrayLike, across: ArrayLike | None = None, floors: ArrayLike = (), log_rho: float = math.inf,
    log_scatter: float = math.inf, excess: float = math.inf, between: float = math.inf,
) -> DistancesScatter:  # fmt: skip
    """Return how the distances of a facet scatter, from those so far.

    Each arm's distances are split by least squares into its mean, the parts of its networks and the parts of its pairs. The
    variances are unbiased: that of networks has the share of pairs in it taken away. Where nothing was measured within the
    arms, the distances between two arms are split in the same way.

    The correlation of the networks' parts in one replicate is their covariance over the arms, as a part of their variance.
    That of their points follows from ``(aa + bb) / 2 - ab``: where it is s, the parts of pairs in that difference scatter by
    1 - s times as much as those in ``aa``. Both are the same for all measures, and both can be negative by chance.

    Args:
        within: Distances ``[M, k, R, R]`` within k arms, by M measures and R replicates. NaN stands for what was not measured.
        across: Distances ``[M, P, R, R]`` from the networks of one arm to those of another, for the P = k (k - 1) / 2 pairs of
            arms in the order of ``itertools.combinations``. Distances in one replicate are not used. None where none is known;
            the points of different arms then count as uncorrelated.
        floors: Distances ``[M]`` below which nothing matters; empty for none.
        log_rho: The margin of log(B / W) of every measure; infinite where it is not judged, as for all that follow.
        log_scatter: The margin of log(W_a / W_b) of the first measure.
        excess: The margin of B - W of every measure, in the unit of the distances.
        between: The margin of B of every measure, in the same unit.

    Returns:
        Means over the arms, and the root mean squares of both parts. The correlation is that of the measures' distances
        around their arm's mean. All are NaN where too few pairs were measured to tell the parts apart.

    Raises:
        ValueError: There are fewer than four replicates, or ``across`` is not of all pairs of arms.

    >>> places = np.random.default_rng(0).standard_normal((2, 9, 30))
    >>> apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)
    >>> scatter = distances_scatter(apart[None], log_rho=0.095)
    >>> print(f"{scatter.pairs[0] / scatter.means[0]:.2f}")  # 1 / sqrt(4 d) is .09
    0.09
    """
    (arms,) = arguments.arrays(("within", within, "M k R R"))
    measures, count, replicates = arms.shape[:3]
    if replicates < FEWEST:
        raise ValueError(f"within: must be [M, k, R, R] of {FEWEST} replicates or more, got {arguments.describe(arms)}")
    across_blocks = None if across is None else _blocks(across, measures, count, replicates)
    arms = np.where(np.isfinite(arms), arms, np.nan)
    between_alone = across_blocks is not None and not np.isfinite(arms).any() and bool(np.isfinite(across_blocks).any())
    tables = _side_by_side(across_blocks) if across_blocks is not None and between_alone else arms
    parts = [[_parts(distances) for distances in of_measure] for of_measure in tables]
    means, networks, pairs = (
        np.array([[getattr(split, name) for split in row] for row in parts]).mean(axis=1)
        for name in ("mean", "networks", "pairs")
    )
    return DistancesScatter(
        means=_row(means),
        networks=_row(np.sqrt(np.maximum(0.0, networks))),
        pairs=_row(np.sqrt(pairs)),
        correlation=_correlation(tables),
        floors=_floors(floors, len(tables)),
        log_rho=arguments.number("log_rho", log_rho, 0),
        log_scatter=arguments.number("log_scatter", log_scatter, 0),
        excess=arguments.number("excess", excess, 0),
        between=arguments.number("between", between, 0),
        network_correlation=_network_correlation(parts, networks, pairs, between_alone),
        point_correlation=0.0
        if across_blocks is None or between_alone
        else _point_correlation(arms, across_blocks, networks, pairs),
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


@dataclass(frozen=True)
class _Parts:
    """The distances of one table [N, N], split by least squares."""

    mean: float
    networks: float  # variance of the networks' parts
    pairs: float  # variance of the pairs' parts
    of_networks: Array  # [N], the networks' parts, each with half of the mean; NaN for a network without a distance


def _parts(distances: Array) -> _Parts:
    """Return the parts of distances [N, N]; all are NaN where too few pairs were measured."""
    rows, columns = np.triu_indices(len(distances), 1)
    measured = np.isfinite(distances[rows, columns])
    rows, columns = rows[measured], columns[measured]
    values, places = distances[rows, columns], np.union1d(rows, columns)
    design = (rows[:, None] == places).astype(float) + (columns[:, None] == places)
    rank = int(np.linalg.matrix_rank(design)) if len(values) else 0
    of_networks = np.full(len(distances), np.nan)
    if len(values) <= rank:
        return _Parts(math.nan, math.nan, math.nan, of_networks)
    tolerance = max(design.shape) * np.finfo(float).eps  # that of the rank
    inverse = np.linalg.pinv(design, rcond=tolerance)  # the mean is part of the networks' parts: each has half of it
    of_networks[places] = parts = inverse @ values
    pairs = float(np.square(values - design @ parts).sum()) / (len(values) - rank)
    error = inverse @ inverse.T  # the covariance of the parts, for pairs of variance 1
    noise = pairs * (float(np.trace(error)) - float(error.sum()) / len(places)) / (len(places) - 1)
    return _Parts(float(values.mean()), float(parts.var(ddof=1)) - noise, pairs, of_networks)


def _blocks(across: ArrayLike, measures: int, arms: int, replicates: int) -> Array:
    """Return distances [M, P, R, R] between arms; NaN in one replicate, and where they were not measured."""
    (blocks,) = arguments.arrays(("across", across, "M P R R"))
    expected = (measures, arms * (arms - 1) // 2, replicates, replicates)
    if blocks.shape != expected:
        raise ValueError(f"across: must be {list(expected)}, of all pairs of arms, got {arguments.describe(blocks)}")
    off_diagonal: Array = np.where(np.isfinite(blocks) & ~np.eye(replicates, dtype=bool), blocks, np.nan)
    return off_diagonal


def _side_by_side(across: Array) -> Array:
    """Return tables [M, P, 2 R, 2 R] of the networks of both arms, in which only distances between the arms are known.

    Pairs of arms of which nothing is known are left out.
    """
    measured_across = across[:, np.isfinite(across).any(axis=(0, 2, 3))]
    replicates = measured_across.shape[-1]
    tables = np.full((*measured_across.shape[:2], 2 * replicates, 2 * replicates), np.nan)
    tables[..., :replicates, replicates:] = measured_across
    tables[..., replicates:, :replicates] = measured_across.swapaxes(-1, -2)
    return tables


def _network_correlation(parts: Sequence[Sequence[_Parts]], networks: Array, pairs: Array, in_halves: bool) -> float:
    """Return the correlation of networks' parts in one replicate: of all arms' tables, or of both arms in each table."""
    shared = []
    for of_measure in parts:
        of_arms = np.array([split.of_networks for split in of_measure])  # [k, R], or [P, 2 R] in two halves
        groups = of_arms.reshape(len(of_arms), 2, -1) if in_halves else of_arms[None]
        shared.append(float(np.mean([_covariance(group) for group in groups])))
    return _pooled(np.array(shared), networks, networks + pairs)


def _covariance(numbers: Array) -> float:
    """Return the mean covariance of two rows of numbers [k, R]; 0 where there are not two rows or columns."""
    measured = numbers[:, np.isfinite(numbers).all(axis=0)]
    rows, columns = measured.shape
    if min(rows, columns) < 2:
        return 0.0
    rest = measured - measured.mean(axis=1, keepdims=True)
    products = float(np.square(rest.sum(axis=0)).sum() - np.square(rest).sum())
    return products / float(rows * (rows - 1) * (columns - 1))


def _point_correlation(arms: Array, across: Array, networks: Array, pairs: Array) -> float:
    """Return the correlation of two arms' points in one replicate."""
    rest = []
    for within, between in zip(arms, across, strict=True):
        couples = zip(combinations(within, 2), between, strict=True)
        tables = [(aa + bb - ab - ab.T) / 2 for (aa, bb), ab in couples]
        rest.append(np.mean([_parts(table).pairs for table in tables]))
    left = 1 - _pooled(pairs - np.array(rest), pairs, networks + pairs)
    return float(1 - math.sqrt(max(0.0, left)))


def _pooled(part: Array, whole: Array, scales: Array) -> float:
    """Return the sum over measures of a part over that of the whole, each in its scale; 0 where nothing is known, in [-1, 1]."""
    usable = np.isfinite(part) & (scales > 0)
    total = float((whole[usable] / scales[usable]).sum())
    return float(np.clip((part[usable] / scales[usable]).sum() / total, -1.0, 1.0)) if total > 0 else 0.0


def _correlation(table: Array) -> float:
    """Return the mean correlation of distances [M, k, R, R] by different measures, around their arms' means, in [0, 1]."""
    rows, columns = np.triu_indices(table.shape[-1], 1)
    values = table[:, :, rows, columns]
    measured: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=0))  # [k, pairs], by every measure
    centred = [values[:, arm, measured_places] for arm, measured_places in enumerate(measured)]
    centred = [arm - arm.mean(axis=1, keepdims=True) for arm in centred if arm.shape[1] > 1]
    if len(table) == 1 or not centred:
        return 1.0
    joined = np.concatenate(centred, axis=1)
    if not joined.std(axis=1).all():
        return 1.0
    correlations = np.atleast_2d(np.corrcoef(joined))
    return float(np.clip(correlations[np.triu_indices(len(table), 1)].mean(), 0.0, 1.0))
