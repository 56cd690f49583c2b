"""All arms at once, by the distances between all networks.

PERMANOVA asks whether the arms differ at all (Anderson 2001, doi:10.1111/j.1442-9993.2001.01070.pp.x). It sees location
and spread alike, so PERMDISP asks about spread alone (Anderson 2006, doi:10.1111/j.1541-0420.2005.00440.x). Both permute
the arms' names within replicates, because networks of one replicate share their seeds.

Shapes: k arms, S replicates. ``distances`` ``[k, S, k, S]`` go from network (arm, replicate) to network (arm,
replicate).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics import scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Order = NDArray[np.intp]

ENUMERATED = 100_000
SAMPLED = 9_999
CHUNK = 4_096  # arrangements at a time


@dataclass(frozen=True)
class Omnibus:
    """A pseudo-F, its p-value and how much of the squared distance the arms account for. ``permanova`` and ``permdisp`` make it."""

    f: float  # the pseudo-F, without a unit
    p: float  # in (0, 1]
    r2: float  # sum of squares between arms over that in total, in [0, 1]
    omega2: float  # the same, less what chance alone would account for; it may be below 0


UNKNOWN = Omnibus(math.nan, math.nan, math.nan, math.nan)


def permanova(distances: Array, seed: int = 0) -> Omnibus:
    """Return the pseudo-F of the arms: do they differ in location or in spread?

    Args:
        distances: Distances ``[k, S, k, S]`` between all networks of k arms and S replicates.
        seed: Of the arrangements, where they are drawn and not all counted.

    Returns:
        All four numbers are NaN where a distance is not finite. With all distances zero, the p-value is 1 and the others
        are NaN.

    Raises:
        ValueError: There are fewer than two arms or two replicates, or the axes do not agree.

    Source: Anderson 2001, doi:10.1111/j.1442-9993.2001.01070.pp.x.

    >>> import numpy as np
    >>> places = np.array([0.0, 1.0, 10.0, 11.0])  # two arms with two replicates each, on a line
    >>> apart = np.abs(places[:, None] - places)
    >>> outcome = permanova(apart.reshape(2, 2, 2, 2))
    >>> print(f"F {outcome.f:.0f}, p {outcome.p}, r2 {outcome.r2:.3f}")
    F 200, p 0.5, r2 0.990
    """
    distances, seed = _distances(distances), arguments.whole("seed", seed)
    arms, replicates = distances.shape[:2]
    if not np.isfinite(distances).all():
        return UNKNOWN
    squares = distances**2
    flat = squares.reshape(arms * replicates, arms * replicates)
    total = flat.sum() / (2 * arms * replicates)

    def within(orders: Order) -> Array:
        """Return sums of squares within arms [A], where arm i of replicate s is the network of arm ``orders[a, s, i]``."""
        arm, replicate = orders.swapaxes(1, 2), np.arange(replicates)  # [A, k, S]
        chosen = squares[arm[..., :, None], replicate[:, None], arm[..., None, :], replicate]  # [A, k, S, S]
        sums: Array = chosen.sum(axis=(1, 2, 3)) / (2 * replicates)
        return sums

    actual = float(within(_identity(arms, replicates))[0])
    if total == 0:
        return Omnibus(math.nan, 1.0, math.nan, math.nan)
    spare = arms * (replicates - 1)
    mean_square = actual / spare
    between = total - actual
    f = (between / (arms - 1)) / mean_square if mean_square else math.inf
    p = _p(actual, within, arms, replicates, seed)  # total is fixed, so a larger F is a smaller SS within
    return Omnibus(f, p, between / total, (between - (arms - 1) * mean_square) / (total + mean_square))


def permdisp(distances: Array, seed: int = 0) -> Omnibus:
    """Return the F of the networks' distances to the centroid of their own arm: do the arms differ in spread?

    The squared distance to the centroid of n points is mean_j d_ij^2 - sum_jk d_jk^2 / (2 n^2), which needs no coordinates.
    Where a non-Euclidean distance makes it negative, it counts as zero.

    Args:
        distances: Distances ``[k, S, k, S]`` between all networks of k arms and S replicates; those between arms are not used.
        seed: Of the arrangements, where they are drawn and not all counted.

    Returns:
        All four numbers are NaN where a distance within an arm is not finite.

    Raises:
        ValueError: There are fewer than two arms or two replicates, or the axes do not agree.

    Source: Anderson 2006, doi:10.1111/j.1541-0420.2005.00440.x.

    >>> import numpy as np
    >>> places = np.array([0.0, 1.0, 2.0, 10.0, 40.0, 90.0])  # two arms with three replicates each: the second is spread wide
    >>> apart = np.abs(places[:, None] - places)
    >>> print(f"F {permdisp(apart.reshape(2, 3, 2, 3)).f:.2f}")
    F 6.26
    """
    distances, seed = _distances(distances), arguments.whole("seed", seed)
    arms, replicates = distances.shape[:2]
    if not all(np.isfinite(distances[a, :, a, :]).all() for a in range(arms)):
        return UNKNOWN
    squares = scale.scaled(np.stack([distances[a, :, a, :] for a in range(arms)]))[0] ** 2  # [k, S, S]
    variances = squares.mean(axis=2) - squares.sum(axis=(1, 2))[:, None] / (2 * replicates**2)
    spread = np.sqrt(np.maximum(0.0, variances))  # [k, S]
    total = float(((spread - spread.mean()) ** 2).sum())

    def within(orders: Order) -> Array:
        moved = np.take_along_axis(spread[None], orders.swapaxes(1, 2), axis=1)  # [A, k, S]
        sums: Array = ((moved - moved.mean(axis=2, keepdims=True)) ** 2).sum(axis=(1, 2))
        return sums

    actual = float(within(_identity(arms, replicates))[0])
    if total == 0:
        return Omnibus(math.nan, 1.0, math.nan, math.nan)
    mean_square = actual / (arms * (replicates - 1))
    between = total - actual
    f = (between / (arms - 1)) / mean_square if mean_square else math.inf
    p = _p(actual, within, arms, replicates, seed)
    return Omnibus(f, p, between / total, (between - (arms - 1) * mean_square) / (total + mean_square))


def _distances(distances: object) -> Array:
    """Return distances [k, S, k, S] divided by a power of two, which no result depends on, of two arms and replicates or more."""
    (array,) = arguments.arrays(("distances", distances, "k S k S"))
    if min(array.shape) < 2:
        raise ValueError(
            f"distances: must be [k, S, k, S] of 2 arms and 2 replicates or more, got {arguments.describe(array)}"
        )
    return scale.scaled(array)[0]


def _identity(arms: int, replicates: int) -> Order:
    return np.tile(np.arange(arms), (1, replicates, 1))


def _p(actual: float, within: Callable[[Order], Array], arms: int, replicates: int, seed: int) -> float:
    """Return the share of arrangements within replicates whose sum of squares within arms is as small as the actual one.

    The total is the same for all, so a small sum within is a large F. The first replicate stays as it is (renaming the arms
    everywhere changes nothing), which leaves (k!)^(S-1) arrangements; up to 100,000 are all counted, else 9,999 are
    drawn and p = (b + 1) / (N + 1).
    """
    count = math.factorial(arms) ** (replicates - 1)
    if count <= ENUMERATED:
        orders_of_arms = np.array(list(permutations(range(arms))))
        places = len(orders_of_arms) ** np.arange(replicates - 1)
        codes = np.arange(count)[:, None] // places % len(orders_of_arms)  # [A, S-1]
        orders = np.concatenate([np.tile(np.arange(arms), (count, 1, 1)), orders_of_arms[codes]], axis=1)
    else:
        random = np.random.default_rng(seed)
        orders = random.permuted(np.tile(np.arange(arms), (SAMPLED, replicates, 1)), axis=2)
    limit = actual * (1 + 1e-12)
    hits = sum(int((within(part) <= limit).sum()) for part in np.array_split(orders, -(-len(orders) // CHUNK)))
    return hits / count if count <= ENUMERATED else (hits + 1) / (SAMPLED + 1)
