"""What a design can show: the probability that identical arms come out similar in every facet, by simulation.

A world is a comparison of identical arms, drawn from the scatter of their measures (``scatter`` says what is drawn). Each
facet of a world is judged as the verdict judges it, look by look:

- *similar* at the first look at which every pair of arms passes the equivalence test on every measure, or lies below its
  floor;
- *different*, and so never similar, if Holm's smallest minimum-effect p was below the level at an earlier look. The names
  are not permuted: of identical arms hardly any pair comes so far.

The facets of a world are drawn independently of each other, so the statement's probability is the product of theirs. Lost
replicates have no part in it.

    facet                    its scatter
    loss, geometry           NumbersScatter: of the numbers per replicate that are compared, in their scales
    function,                DistancesScatter with the margins log_rho and log_scatter
    representation
    connectivity             DistancesScatter with the margins excess and between
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics.intervals import jackknife_se
from harness.statistics.labels import ALPHA
from harness.statistics.looks import levels, rising
from harness.statistics.scatter import DistancesScatter, NumbersScatter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Statistic = tuple[Array, Array]  # of all worlds: values [W] and standard errors [W]

WORLDS = 1_000
MOST_WORLDS, MOST_ARMS = 10**6, 20
FEWEST = 3  # replicates; with fewer there is no estimate
HELD = 100  # worlds at a time
MOST_LOGARITHM = 300.0  # of a number with a floor: far above any floor, and its square is still finite
MOST_DIMENSIONS = 64  # of a cloud: in more of them the parts of pairs are as good as normal


@dataclass(frozen=True)
class Power:
    """The probability that identical arms come out similar in all facets, and in each of them."""

    supported: float
    similar: Mapping[str, float]  # by facet


@dataclass(frozen=True)
class _Test:
    """One pair of arms on one measure, in all worlds."""

    estimate: Statistic
    margin: float
    two_sided: bool
    distance: Statistic | None = None  # that is compared with the floor
    floor: float = 0.0

    def are_same(self, quantile: float) -> NDArray[np.bool_]:
        """Return the worlds in which the pair passes the equivalence test, or lies below its floor."""
        value, se = self.estimate
        same: NDArray[np.bool_] = (np.abs(value) if self.two_sided else value) + quantile * se < self.margin
        if self.distance is not None and self.floor > 0:
            same |= np.abs(self.distance[0]) + quantile * self.distance[1] < self.floor
        return same

    def different_p(self, free: int) -> Array:
        """Return the minimum-effect p of every world."""
        from scipy import stats

        value, se = self.estimate
        size = np.abs(value) if self.two_sided else value
        beyond = [size - self.margin, *([size + self.margin] if self.two_sided else [])]
        t = [np.divide(excess, se, out=np.where(excess > 0, np.inf, -np.inf), where=se > 0) for excess in beyond]
        p: Array = np.sum([stats.t.sf(ratio, free) for ratio in t], axis=0)
        return p


def supported(
    facets: Mapping[str, NumbersScatter | DistancesScatter], arms: int, looks: Sequence[int], alpha: float = ALPHA,
    worlds: int = WORLDS,
) -> Power:  # fmt: skip
    """Return the probability that the statement on identical arms comes out "supported", over all looks.

    A facet's probability is known to within .032 (two standard errors of 1,000 worlds). Equal arguments give equal results.

    Args:
        facets: How the measures of each facet scatter, by its name. Only these facets have to be similar.
        arms: How many identical arms there are, from 2 to 20.
        looks: The numbers of replicates at which the verdict is looked at, rising.
        alpha: The level of all looks together, in (0, 1).
        worlds: How many comparisons are simulated, from 1 to 1,000,000.

    Returns:
        The probabilities, in [0, 1]; NaN where a facet's scatter is not finite.

    Raises:
        ValueError: An argument is out of its range.

    >>> accuracy = NumbersScatter(covariance=((0.003**2,),), margins=(0.005,))
    >>> power = supported({"loss": accuracy}, arms=2, looks=[6, 12], worlds=400)
    >>> 0.5 < power.supported == power.similar["loss"] < 1
    True
    """
    arguments.instance("facets", facets, Mapping, "a mapping of scatters by facet")
    for scatter in facets.values():
        kinds = (NumbersScatter, DistancesScatter)
        arguments.instance("facets", scatter, kinds, "a NumbersScatter or a DistancesScatter for each facet")
    arms, worlds = arguments.whole("arms", arms, 2, MOST_ARMS), arguments.whole("worlds", worlds, 1, MOST_WORLDS)
    counts, alpha = tuple(rising("looks", looks)), arguments.share("alpha", alpha)
    similar = {facet: _similar(scatter, arms, counts, alpha, worlds) for facet, scatter in facets.items()}
    return Power(math.prod(similar.values()), similar)


def replicates_for_better(probability: float = 0.75, alpha: float = 0.05, power: float = 0.95) -> int:
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

    >>> replicates_for_better(0.75)
    29
    """
    from scipy import stats

    probability = arguments.number("probability", probability, 0.5, 1.0)
    if probability == 0.5:
        raise ValueError("probability: must be above 0.5, got 0.5")
    alpha, power = arguments.share("alpha", alpha), arguments.share("power", power)
    reach = max(0.0, float(stats.norm.ppf(1 - alpha) + stats.norm.ppf(power)))
    return math.ceil((reach / (math.sqrt(6) * (0.5 - probability))) ** 2)


@lru_cache(maxsize=64)
def _similar(
    scatter: NumbersScatter | DistancesScatter, arms: int, looks: tuple[int, ...], alpha: float, worlds: int
) -> float:
    """Return the probability that a facet of identical arms comes out similar."""
    if not all(map(math.isfinite, _drawn(scatter))):
        return math.nan
    random, count = np.random.default_rng([arms, looks[-1]]), 0
    for start in range(0, worlds, HELD):
        held = min(HELD, worlds - start)
        if isinstance(scatter, NumbersScatter):
            world: _Numbers | _Distances = _Numbers(scatter, _numbers(random, scatter, (held, arms, looks[-1])))
        else:
            world = _Distances(scatter, arms, _distances(random, scatter, (held, arms, looks[-1])))
        count += int(_end_similar(world, looks, alpha, held).sum())
    return count / worlds


def _drawn(scatter: NumbersScatter | DistancesScatter) -> Iterator[float]:
    """Yield all numbers from which worlds are drawn."""
    if isinstance(scatter, NumbersScatter):
        yield from scatter.means
        for row in scatter.covariance:
            yield from row
    else:
        yield from (*scatter.means, *scatter.networks, *scatter.pairs)
        yield from (scatter.correlation, scatter.network_correlation, scatter.point_correlation)


def _end_similar(world: _Numbers | _Distances, looks: tuple[int, ...], alpha: float, held: int) -> NDArray[np.bool_]:
    """Return the worlds whose facet gets the word "similar", at whichever look."""
    from scipy import stats

    undecided, similar = np.ones(held, dtype=bool), np.zeros(held, dtype=bool)
    for replicates, level in zip(looks, levels(looks, alpha), strict=True):
        if replicates < FEWEST or not undecided.any():
            continue
        tests = list(world.tests(replicates))
        quantile = float(stats.t.ppf(1 - level, replicates - 1))
        same = np.logical_and.reduce([test.are_same(quantile) for test in tests])
        smallest = np.minimum.reduce([test.different_p(replicates - 1) for test in tests])
        similar |= undecided & same
        undecided &= ~same & ~(smallest * len(tests) < level)
    return similar


# --- worlds of numbers


@dataclass(frozen=True)
class _Numbers:
    """Worlds of numbers ``values`` [W, k, R, M]."""

    scatter: NumbersScatter
    values: Array

    def tests(self, replicates: int) -> Iterator[_Test]:
        """Yield the tests of all pairs and measures over the first replicates."""
        scatter = self.scatter
        floors = scatter.floors or (0.0,) * len(scatter.margins)
        for one, other in combinations(range(self.values.shape[1]), 2):
            pair = [self.values[:, arm, :replicates] for arm in (one, other)]
            for measure, (margin, floor) in enumerate(zip(scatter.margins, floors, strict=True)):
                a, b = (numbers[..., measure] for numbers in pair)
                distance = None
                if floor > 0:
                    distance = _mean_difference(
                        *(_of_logarithms(scatter.means[measure] + numbers) for numbers in (a, b))
                    )
                yield _Test(_mean_difference(a, b), margin, True, distance, floor)


def _of_logarithms(numbers: Array) -> Array:
    exponentials: Array = np.exp(np.minimum(numbers, MOST_LOGARITHM))
    return exponentials


def _mean_difference(a: Array, b: Array) -> Statistic:
    """Return the mean of a - b over the replicates [W, R], and its standard error."""
    differences = a - b
    return differences.mean(axis=1), differences.std(axis=1, ddof=1) / math.sqrt(differences.shape[1])


def _numbers(random: np.random.Generator, scatter: NumbersScatter, shape: tuple[int, int, int]) -> Array:
    """Return draws [W, k, R, M] with the covariance of the scatter."""
    values, vectors = np.linalg.eigh(np.array(scatter.covariance))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn: Array = random.standard_normal((*shape, len(values))) @ root.T
    return drawn


# --- worlds of distances


@dataclass(frozen=True)
class _Distances:
    """Worlds of distances by measure, each [W, N, N] between the N networks of all arms, arm by arm."""

    scatter: DistancesScatter
    arms: int
    matrices: Sequence[Array]

    def tests(self, replicates: int) -> Iterator[_Test]:
        """Yield the tests of all pairs and measures over the first replicates."""
        scatter, floors = self.scatter, self.scatter.floors or (0.0,) * len(self.matrices)
        for place, (matrix, floor) in enumerate(zip(self.matrices, floors, strict=True)):
            worlds, every = len(matrix), matrix.shape[1] // self.arms
            arms = matrix.reshape(worlds, self.arms, every, self.arms, every)[:, :, :replicates, :, :replicates]
            measured = _pairs_measured(replicates, scatter.apart)
            within = [_means(arms[:, arm, :, arm], measured) for arm in range(self.arms)]
            for a, b in combinations(range(self.arms), 2):
                between, both = _means(arms[:, a, :, b], measured), (within[a] + within[b]) / 2
                distance = _jackknife(between)
                if math.isfinite(scatter.log_rho):
                    log_rho = _jackknife(_log_ratio(between, both))
                    yield _Test(log_rho, scatter.log_rho, False, distance, floor)
                if math.isfinite(scatter.log_scatter) and place == 0:
                    ratio = _jackknife(_log_ratio(within[a], within[b]))
                    yield _Test(ratio, scatter.log_scatter, True, _jackknife(within[a] - within[b]), floor)
                if math.isfinite(scatter.excess):
                    yield _Test(_jackknife(between - both), scatter.excess, False, distance, floor)
                if math.isfinite(scatter.between):
                    yield _Test(distance, scatter.between, False, distance, floor)


def _distances(random: np.random.Generator, scatter: DistancesScatter, shape: tuple[int, int, int]) -> list[Array]:
    """Return distances [W, N, N] between the N = k R networks of worlds of so many arms and replicates, by measure.

    A pair's part is the inner product of two points of a cloud, in as many dimensions as its size says. In one replicate the
    points of the arms are as correlated as the scatter says, and so are the networks' parts. Where there are several
    measures, their points and the networks' parts are as alike as the distances are correlated.
    """
    parts = [pair / mean for pair, mean in zip(scatter.pairs, scatter.means, strict=True) if mean > 0 and pair > 0]
    dimensions = MOST_DIMENSIONS
    if parts:
        dimensions = min(MOST_DIMENSIONS, max(1, round(1 / (4 * float(np.mean(parts)) ** 2))))
    of_points = math.sqrt(scatter.correlation)  # a product of two points is then as correlated as asked
    of_arms = ((*shape, dimensions), scatter.point_correlation), ((*shape, 1), scatter.network_correlation)
    common, matrices = [_correlated(random, *asked) for asked in of_arms], []
    for mean, network, pair in zip(scatter.means, scatter.networks, scatter.pairs, strict=True):
        points, places = (_correlated(random, *asked) for asked in of_arms)
        points = math.sqrt(of_points) * common[0] + math.sqrt(1 - of_points) * points
        places = math.sqrt(scatter.correlation) * common[1] + math.sqrt(1 - scatter.correlation) * places
        products = points @ points.swapaxes(-1, -2)
        products *= -pair / math.sqrt(dimensions)
        products += mean + network * (places + places.swapaxes(-1, -2))
        matrices.append(np.maximum(products, 0.0))
    return matrices


def _correlated(random: np.random.Generator, shape: tuple[int, int, int, int], correlation: float) -> Array:
    """Return normal draws [W, k R, D] with variance 1, of which the k of one replicate have that correlation.

    The mean of the k, and what each of them has beside it, are scaled to the variances that follow from it. Below
    -1 / (k - 1) no correlation is possible; the mean then does not scatter at all.
    """
    drawn = random.standard_normal(shape)
    mean = drawn.mean(axis=1, keepdims=True)
    scale = math.sqrt(max(0.0, 1 + (shape[1] - 1) * correlation))
    correlated: Array = math.sqrt(1 - correlation) * (drawn - mean) + scale * mean
    return correlated.reshape(shape[0], shape[1] * shape[2], shape[3])


def _pairs_measured(replicates: int, apart: int | None) -> Array:
    """Return 1 for pairs of different replicates [R, R] of which the later one is at most so many after the other, else 0."""
    steps = np.abs(np.arange(replicates)[:, None] - np.arange(replicates))
    measured: Array = ((steps > 0) & (steps <= (replicates if apart is None else apart))).astype(float)
    return measured


def _means(distances: Array, measured: Array) -> Array:
    """Return means over the pairs that are measured [W, 1 + R]: of all, and without each replicate in turn."""
    distances = distances * measured
    total, count = distances.sum(axis=(1, 2)), measured.sum()
    of_each = distances.sum(axis=1) + distances.sum(axis=2)
    without = (total[:, None] - of_each) / (count - 2 * measured.sum(axis=1))
    return np.concatenate([total[:, None] / count, without], axis=1)


def _log_ratio(above: Array, below: Array) -> Array:
    """Return log(above / below); NaN where one of them is 0, for then there is no ratio."""
    known = (above > 0) & (below > 0)
    ratio = np.divide(above, below, out=np.full_like(above, np.nan), where=known)
    return np.log(ratio)


def _jackknife(values: Array) -> Statistic:
    """Return a statistic [W] and its standard error [W], from its values [W, 1 + R] with and without each replicate."""
    return values[:, 0], jackknife_se(values[:, 1:])
