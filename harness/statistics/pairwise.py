"""Two arms compared by a distance between trained networks: are they further apart than each is from itself?

Equal seeds start from equal weights, so networks of one seed are close for a reason that has nothing to do with the
optimizers. Only pairs of different seeds are used, everywhere.

Shapes: S seeds; ``aa`` and ``bb`` [S, S] hold the distances between the networks of one arm, ``ab`` [S, S] those from
network s of the first arm to network t of the second. A distance that was not measured is NaN, and an infinite one counts as not measured: means are
over what was, and the permutation test over those pairs of seeds of which all four distances were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments
from harness.statistics.intervals import half_width, jackknife_se

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

ENUMERATED = 2**17  # up to so many arrangements are counted one by one
SAMPLED = 9_999  # else so many are drawn
MOST = 10_000  # seeds that are arranged, in 800 MB
TINY = 1e-300  # ratios below have lost digits


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    high: float
    se: float  # standard error; nan where it cannot be known
    seeds: int


def log_rho(aa: Matrix, bb: Matrix, ab: Matrix) -> float:
    """Return log(B / W): the mean distance between the arms over the mean distance within them.

    0 where the arms are as far from each other as from themselves; nan where no distance within is positive.
    """
    aa, bb, ab = _blocks(aa, bb, ab)
    within, between = (_across(aa) + _across(bb)) / 2, _across(ab)
    if not (within > 0 and between > 0):
        return float("nan")
    with np.errstate(over="ignore", under="ignore"):
        ratio = between / within
    return float(np.log(ratio)) if TINY < ratio < np.inf else float(np.log(between) - np.log(within))


def excess(aa: Matrix, bb: Matrix, ab: Matrix) -> float:
    """Return B - W, the same in the distance's own unit: for measures that may well be zero, like barriers."""
    aa, bb, ab = _blocks(aa, bb, ab)
    return float(_across(ab) - (_across(aa) + _across(bb)) / 2)


def between(aa: Matrix, bb: Matrix, ab: Matrix) -> float:
    """Return B, the mean distance between the arms, in the distance's own unit."""
    return _across(_blocks(aa, bb, ab)[2])


def jackknife(
    aa: Matrix, bb: Matrix, ab: Matrix, statistic: Callable[..., float] = log_rho, confidence: float = 0.9
) -> Estimate:
    """Return a statistic of two arms with a t-interval from leaving out one seed, of both arms, at a time.

    se^2 = (S-1)/S * sum over s of (theta without s - their mean)^2, with S-1 degrees of freedom. Pairs of networks
    share networks, so they are never counted as independent. Efron & Stein 1981, doi:10.1214/aos/1176345462. Below
    three seeds no interval is known: it is infinite.
    """
    aa, bb, ab = _blocks(aa, bb, ab)
    arguments.function("statistic", statistic)
    confidence = arguments.share("confidence", confidence)
    seeds = len(ab)
    value = statistic(aa, bb, ab) if seeds > 1 else float("nan")
    if seeds < 3:
        return Estimate(value, -np.inf, np.inf, float("nan"), seeds)
    kept = [np.delete(np.arange(seeds), s) for s in range(seeds)]
    without = np.array([statistic(*(m[np.ix_(k, k)] for m in (aa, bb, ab))) for k in kept])
    se = float(jackknife_se(without))
    reach = float(half_width(se, seeds - 1, confidence))
    return Estimate(value, value - reach, value + reach, se, seeds)


def equivalence_p(estimate: Estimate, margin: float) -> float:
    """Return the p-value of "the true value is ``margin`` or more"; below alpha where the interval's end is below it.

    NaN for a NaN of the estimate or the margin; 1 where the standard error is not known, for then nothing is shown.
    """
    from scipy import stats

    arguments.instance("estimate", estimate, Estimate, "an Estimate")
    margin = arguments.number("margin", margin, nan=True)
    if np.isnan(estimate.value) or np.isnan(margin):
        return float("nan")
    if not np.isfinite(estimate.se):
        return 1.0
    if estimate.se == 0:
        return 0.0 if estimate.value < margin else 1.0
    return float(stats.t.cdf((estimate.value - margin) / estimate.se, estimate.seeds - 1))


def permutation_p(aa: Matrix, bb: Matrix, ab: Matrix, seed: int = 0) -> float:
    """Return the p-value of "the optimizer's name does not matter", by swapping the names within seeds.

    It is the share of arrangements whose energy is as large as the actual one; 1 where no pair of seeds is complete.
    """
    aa, bb, ab = _blocks(aa, bb, ab)
    seed = arguments.whole("seed", seed)
    seeds = len(ab)
    if seeds < 2:
        return 1.0
    found = energies(aa, bb, ab, arrangements(seeds, seed))
    return float((found >= found[0] - 1e-12 * np.abs(_gain(aa, bb, ab)).sum()).mean())


def energies(aa: Matrix, bb: Matrix, ab: Matrix, signs: Matrix) -> Matrix:
    """Return the energy [A] of the two arms, up to a factor, with the names of seeds of sign -1 swapped in ``signs`` [A, S].

    The statistic is the energy E = 2B - W_a - W_b (Szekely & Rizzo 2013, doi:10.1016/j.jspi.2013.03.018). To swap the
    names of seed s turns the sign of every term that has s once, so with g = ab + ba - aa - bb and signs e the
    energy is proportional to the sum of g[s, t] e[s] e[t] over s < t. The signs are known up to a common one, so there
    are 2^(S-1) arrangements, the actual one among them, and no p-value is smaller than 2^-(S-1). Swapping names moves
    the four distances of a pair of seeds among themselves, so a pair that lacks one of them is left out whole, and the
    test of the others is as exact as before.
    """
    aa, bb, ab, signs = arguments.arrays(*_named(aa, bb, ab), ("signs", signs, "A S"))
    found: Matrix = np.einsum("as,st,at->a", signs, _gain(aa, bb, ab), signs, optimize=True)
    return found


def _gain(aa: Matrix, bb: Matrix, ab: Matrix) -> Matrix:
    """Return ab + ba - aa - bb of every pair of seeds s < t; 0 for the others, and where one of the four is not known."""
    with np.errstate(invalid="ignore"):
        gain = ab + ab.T - aa - bb
    known: Matrix = np.where(np.triu(_known(aa, bb, ab), 1), gain, 0.0)
    return known


def _known(aa: Matrix, bb: Matrix, ab: Matrix) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = np.isfinite(aa) & np.isfinite(bb) & np.isfinite(ab) & np.isfinite(ab.T)
    return known


def arrangements(seeds: int, seed: int = 0) -> Matrix:
    """Return arrangements [A, S] of +1 and -1, the first seed always +1, the actual arrangement (all +1) first."""
    seeds, seed = arguments.whole("seeds", seeds, 1, MOST), arguments.whole("seed", seed)
    if 2 ** (seeds - 1) <= ENUMERATED:
        codes = np.arange(2 ** (seeds - 1))[:, None] >> np.arange(seeds - 1)
        rest = 1.0 - 2.0 * (codes & 1)
    else:
        random = np.random.default_rng(seed)
        rest = np.vstack([np.ones(seeds - 1), random.choice([-1.0, 1.0], (SAMPLED, seeds - 1))])
    return np.hstack([np.ones((len(rest), 1)), rest])


def _across(distances: Matrix) -> float:
    """Return the mean over the known pairs of different seeds; nan where there are none."""
    known = np.isfinite(distances) & ~np.eye(len(distances), dtype=bool)
    return float(distances[known].mean()) if known.any() else float("nan")


def _blocks(aa: object, bb: object, ab: object) -> tuple[Matrix, Matrix, Matrix]:
    """Return the three blocks of distances, each [S, S] with the same S; of no seeds nothing is known."""
    one, other, across = arguments.arrays(*_named(aa, bb, ab), empty=True)
    return one, other, across


def _named(aa: object, bb: object, ab: object) -> tuple[tuple[str, object, str], ...]:
    return ("aa", aa, "S S"), ("bb", bb, "S S"), ("ab", ab, "S S")
