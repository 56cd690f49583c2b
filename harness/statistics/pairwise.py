"""Two arms compared by a distance between trained networks: are they further apart than each is from itself?

Networks of one replicate share their seeds. They are close for a reason that has nothing to do with the optimizers, so
only pairs of different replicates are used, everywhere.

Shapes: S replicates. ``aa`` and ``bb`` ``[S, S]`` hold the distances between the networks of one arm. ``ab`` ``[S, S]``
holds those from network s of the first arm to network t of the second. NaN and infinity stand for a distance that was not
measured. Means are over the measured distances.
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

TINY = 1e-300  # ratios below have lost digits


@dataclass(frozen=True)
class Estimate:
    """A number with its interval. All fields but ``replicates`` are in the unit of the value.

    >>> Estimate(value=0.02, low=0.01, high=0.03, se=0.005, replicates=8).high
    0.03
    """

    value: float
    low: float  # end of the interval, -inf where it is not known
    high: float  # the other end, inf where it is not known
    se: float  # standard error; NaN where it is not known
    replicates: int  # that the number is made from


def log_rho(aa: Matrix, bb: Matrix, ab: Matrix) -> float:
    """Return log(B / W): the mean distance between the arms over the mean distance within them.

    Args:
        aa: Distances ``[S, S]`` within the first arm.
        bb: Distances ``[S, S]`` within the second arm.
        ab: Distances ``[S, S]`` from the first arm to the second.

    Returns:
        0 where the arms are as far from each other as from themselves. NaN where one of the two means is not positive.

    Raises:
        ValueError: The three matrices are not of one shape ``[S, S]``.

    >>> within, across = [[0.0, 2.0], [2.0, 0.0]], [[0.0, 3.0], [3.0, 0.0]]
    >>> print(f"{log_rho(within, within, across):.4f}")  # log(3 / 2)
    0.4055
    """
    aa, bb, ab = _blocks(aa, bb, ab)
    return _log_ratio(_across(ab), (_across(aa) + _across(bb)) / 2)


def log_scatter(aa: Matrix, bb: Matrix, ab: Matrix) -> float:
    """Return log(W_a / W_b): the mean distance within the first arm over the mean distance within the second.

    It sees what ``log_rho`` cannot: the networks of one arm may scatter more widely around the same centre.

    Args:
        aa: Distances ``[S, S]`` within the first arm.
        bb: Distances ``[S, S]`` within the second arm.
        ab: Distances ``[S, S]`` from the first arm to the second; they are checked, and not used.

    Returns:
        0 where both arms scatter alike, and log 2 where the first scatters twice as widely. NaN where one of the two means
        is not positive.

    Raises:
        ValueError: The three matrices are not of one shape ``[S, S]``.

    >>> narrow, wide = [[0.0, 2.0], [2.0, 0.0]], [[0.0, 3.0], [3.0, 0.0]]
    >>> print(f"{log_scatter(wide, narrow, wide):.4f}")  # log(3 / 2)
    0.4055
    """
    aa, bb, ab = _blocks(aa, bb, ab)
    return _log_ratio(_across(aa), _across(bb))


def _log_ratio(above: float, below: float) -> float:
    """Return log(above / below); NaN where one of them is not positive."""
    if not (above > 0 and below > 0):
        return float("nan")
    with np.errstate(over="ignore", under="ignore"):
        ratio = above / below
    return float(np.log(ratio)) if TINY < ratio < np.inf else float(np.log(above) - np.log(below))


def excess(aa: Matrix, bb: Matrix, ab: Matrix) -> float:
    """Return B - W: the mean distance between the arms less the mean distance within them.

    It takes the place of ``log_rho`` for measures that may be zero, such as barriers.

    Args:
        aa: Distances ``[S, S]`` within the first arm.
        bb: Distances ``[S, S]`` within the second arm.
        ab: Distances ``[S, S]`` from the first arm to the second.

    Returns:
        The difference in the unit of the distance; NaN where nothing was measured between the arms or within one of them.

    Raises:
        ValueError: The three matrices are not of one shape ``[S, S]``.

    >>> within, across = [[0.0, 2.0], [2.0, 0.0]], [[0.0, 3.0], [3.0, 0.0]]
    >>> excess(within, within, across)
    1.0
    """
    aa, bb, ab = _blocks(aa, bb, ab)
    return float(_across(ab) - (_across(aa) + _across(bb)) / 2)


def between(aa: Matrix, bb: Matrix, ab: Matrix) -> float:
    """Return B: the mean distance between the arms.

    Args:
        aa: Distances ``[S, S]`` within the first arm; they are checked, and not used.
        bb: Distances ``[S, S]`` within the second arm; the same.
        ab: Distances ``[S, S]`` from the first arm to the second.

    Returns:
        The mean in the unit of the distance; NaN where nothing was measured between the arms.

    Raises:
        ValueError: The three matrices are not of one shape ``[S, S]``.

    >>> within, across = [[0.0, 2.0], [2.0, 0.0]], [[0.0, 3.0], [5.0, 0.0]]
    >>> between(within, within, across)
    4.0
    """
    return _across(_blocks(aa, bb, ab)[2])


def jackknife(
    aa: Matrix, bb: Matrix, ab: Matrix, statistic: Callable[..., float] = log_rho, confidence: float = 0.9
) -> Estimate:
    """Return a statistic of two arms with a t-interval from leaving out one replicate, of both arms, at a time.

    se^2 = (S-1)/S * sum over s of (theta without s - their mean)^2, with S - 1 degrees of freedom. Pairs of networks share
    networks, so they are never counted as independent.

    Args:
        aa: Distances ``[S, S]`` within the first arm.
        bb: Distances ``[S, S]`` within the second arm.
        ab: Distances ``[S, S]`` from the first arm to the second.
        statistic: A function of the three matrices, such as ``log_rho``, ``excess`` or ``between``.
        confidence: The coverage of the interval, in (0, 1).

    Returns:
        The estimate in the unit of the statistic. Below three replicates its interval is infinite.

    Raises:
        ValueError: The three matrices are not of one shape ``[S, S]``.

    Source: Efron and Stein 1981, doi:10.1214/aos/1176345462.

    >>> import numpy as np
    >>> within, across = np.full((3, 3), 2.0), np.array([[0.0, 3.0, 4.0], [3.0, 0.0, 5.0], [4.0, 5.0, 0.0]])
    >>> estimate = jackknife(within, within, across, excess)
    >>> print(f"{estimate.value:.2f} from {estimate.low:.2f} to {estimate.high:.2f}")
    2.00 from -1.37 to 5.37
    """
    aa, bb, ab = _blocks(aa, bb, ab)
    arguments.function("statistic", statistic)
    confidence = arguments.share("confidence", confidence)
    count = len(ab)
    value = statistic(aa, bb, ab) if count > 1 else float("nan")
    if count < 3:
        return Estimate(value, -np.inf, np.inf, float("nan"), count)
    se = float(jackknife_se(influence(aa, bb, ab, statistic)))
    reach = float(half_width(se, count - 1, confidence))
    return Estimate(value, value - reach, value + reach, se, count)


def influence(aa: Matrix, bb: Matrix, ab: Matrix, statistic: Callable[..., float] = log_rho) -> Matrix:
    """Return a statistic of two arms without each replicate in turn: what a single odd one does to it.

    Args:
        aa: Distances ``[S, S]`` within the first arm.
        bb: Distances ``[S, S]`` within the second arm.
        ab: Distances ``[S, S]`` from the first arm to the second.
        statistic: A function of the three matrices, such as ``log_rho``, ``log_scatter``, ``excess`` or ``between``.

    Returns:
        Values ``[S]`` in the unit of the statistic, in entry s without replicate s of both arms. All are NaN with fewer than
        three replicates.

    Raises:
        ValueError: The three matrices are not of one shape ``[S, S]``.

    >>> import numpy as np
    >>> within, across = np.full((3, 3), 2.0), np.array([[0.0, 3.0, 4.0], [3.0, 0.0, 5.0], [4.0, 5.0, 0.0]])
    >>> print(influence(within, within, across, excess))
    [3. 2. 1.]
    """
    aa, bb, ab = _blocks(aa, bb, ab)
    arguments.function("statistic", statistic)
    count = len(ab)
    if count < 3:
        return np.full(count, np.nan)
    values = []
    for left_out in range(count):
        rest = np.delete(np.arange(count), left_out)
        chosen = np.ix_(rest, rest)
        values.append(statistic(aa[chosen], bb[chosen], ab[chosen]))
    return np.array(values)


def equivalence_p(estimate: Estimate, margin: float) -> float:
    """Return the p-value of "the true value is ``margin`` or more", from a one-sided t-test.

    It is below alpha exactly where the upper end of the interval of coverage ``1 - 2 * alpha`` is below the margin.

    Args:
        estimate: What ``jackknife`` returned.
        margin: The largest value that does not matter, in the estimate's unit.

    Returns:
        The p-value, in [0, 1]. NaN for a NaN of the estimate or the margin. 1 where the standard error is not known,
        because then nothing is shown.

    >>> print(f"{equivalence_p(Estimate(0.02, 0.0, 0.04, se=0.01, replicates=8), margin=0.05):.4f}")
    0.0100
    """
    arguments.instance("estimate", estimate, Estimate, "an Estimate")
    margin = arguments.number("margin", margin, nan=True)
    return _beyond_p(margin - estimate.value, estimate)


def minimum_effect_p(estimate: Estimate, margin: float) -> float:
    """Return the p-value of "the true value is ``margin`` or less", from a one-sided t-test: is it beyond the margin?

    It is below alpha exactly where the lower end of the interval of coverage ``1 - 2 * alpha`` is above the margin.

    Args:
        estimate: What ``jackknife`` returned.
        margin: The largest value that does not matter, in the estimate's unit.

    Returns:
        The p-value, in [0, 1]. NaN for a NaN of the estimate or the margin. 1 where the standard error is not known,
        because then nothing is shown.

    >>> print(f"{minimum_effect_p(Estimate(0.12, 0.10, 0.14, se=0.01, replicates=8), margin=0.10):.4f}")
    0.0428
    """
    arguments.instance("estimate", estimate, Estimate, "an Estimate")
    margin = arguments.number("margin", margin, nan=True)
    return _beyond_p(estimate.value - margin, estimate)


def _beyond_p(distance: float, estimate: Estimate) -> float:
    """Return P(T > distance / se): the p-value of an estimate that lies so far on the right side of its margin."""
    from scipy import stats

    if np.isnan(distance):
        return float("nan")
    if not np.isfinite(estimate.se):
        return 1.0
    if estimate.se == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / estimate.se, estimate.replicates - 1))


def _across(distances: Matrix) -> float:
    """Return the mean over the known pairs of different replicates; nan where there are none."""
    measured = np.isfinite(distances) & ~np.eye(len(distances), dtype=bool)
    return float(distances[measured].mean()) if measured.any() else float("nan")


def _blocks(aa: object, bb: object, ab: object) -> tuple[Matrix, Matrix, Matrix]:
    """Return the three blocks of distances, each [S, S] with the same S; of no replicates nothing is known."""
    within_first, within_second, across = arguments.arrays(*_named(aa, bb, ab), empty=True)
    return within_first, within_second, across


def _named(aa: object, bb: object, ab: object) -> tuple[tuple[str, object, str], ...]:
    return ("aa", aa, "S S"), ("bb", bb, "S S"), ("ab", ab, "S S")
