"""The names of two arms, permuted over all of their networks: do the distances know which arm a network belongs to?

The statistic is the energy 2B - W_a - W_b (Szekely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018): twice the mean
distance between the arms less the mean distances within them. An arrangement calls any R of the 2R networks "a" and the
others "b". Two networks of one replicate share their seeds and are close for that reason, so their distance is never used,
whatever they are called.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import arguments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

ENUMERATED = 2**17  # up to so many arrangements are counted one by one
SAMPLED = 9_999  # else so many are drawn
CHUNK = 4_096  # arrangements at a time
MOST = 1_000  # replicates


def names_p(aa: Matrix, bb: Matrix, ab: Matrix, seed: int = 0) -> float:
    """Return the p-value of "the arm's name does not matter", by permuting the names over all networks of both arms.

    It is the share of arrangements whose energy is at least the actual one. Up to ten replicates all C(2R, R) arrangements
    are counted, of more 9,999 are drawn. Three replicates give no p-value below .1, four give .029 and five .008.

    Args:
        aa: Distances ``[R, R]`` within the first arm. NaN and infinity stand for a distance that was not measured.
        bb: Distances ``[R, R]`` within the second arm.
        ab: Distances ``[R, R]`` from the first arm to the second.
        seed: Of the arrangements, where they are drawn and not all counted.

    Returns:
        The p-value, in (0, 1]. 1 where too little was measured for an energy. An arrangement without an energy counts
        against a difference.

    Raises:
        ValueError: The three matrices are not of one shape ``[R, R]``.

    Source: Szekely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018.

    >>> within, across = np.full((5, 5), 1.0), np.full((5, 5), 9.0)
    >>> print(f"{names_p(within, within, across):.4f}")  # the smallest that five replicates allow, 2 of 252
    0.0079
    """
    aa, bb, ab = arguments.arrays(("aa", aa, "R R"), ("bb", bb, "R R"), ("ab", ab, "R R"), empty=True)
    seed, replicates = arguments.whole("seed", seed), arguments.whole("replicates", len(ab), 0, MOST)
    if replicates < 2:
        return 1.0
    square = np.block([[aa, ab], [ab.T, bb]])
    other_replicate = ~np.tile(np.eye(replicates, dtype=bool), (2, 2))
    measured = np.isfinite(square) & other_replicate
    distances = np.where(measured, square, 0.0)
    named = _arrangements(replicates, seed)
    energies = np.concatenate(
        [
            _energies(distances, measured, named[start : start + CHUNK].astype(float))
            for start in range(0, len(named), CHUNK)
        ]
    )
    if math.isnan(energies[0]):
        return 1.0
    below = energies < energies[0] - 1e-12 * np.abs(distances).max()
    return float(1 - below.mean())


def _energies(distances: Matrix, measured: NDArray[np.bool_], named: Matrix) -> Matrix:
    """Return the energy [A] of every arrangement [A, 2R], which is 1 where a network is called "a"; NaN where it has none."""
    first, second, means = named, 1.0 - named, []
    to_first = [named @ matrix for matrix in (distances, measured.astype(float))]
    to_second = [matrix.sum(axis=0) - near for matrix, near in zip((distances, measured), to_first, strict=True)]
    for sums, opposite in ((to_first, second), (to_first, first), (to_second, second)):
        total, count = (np.einsum("an,an->a", sum_of_arm, opposite) for sum_of_arm in sums)
        means.append(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0.5))
    between, within, within_other = means
    energy: Matrix = 2 * between - within - within_other
    return energy


@lru_cache(maxsize=16)
def _arrangements(replicates: int, seed: int) -> NDArray[np.bool_]:
    """Return which of the 2R networks are called "a" [A, 2R], the actual arrangement first.

    To call every "a" a "b" changes no energy, so of those that are counted the first network is always an "a".
    """
    networks = 2 * replicates
    if math.comb(networks, replicates) // 2 <= ENUMERATED:
        chosen = np.array(list(combinations(range(1, networks), replicates - 1)), dtype=int)
        named = np.zeros((len(chosen), networks), dtype=bool)
        named[:, 0] = True
        np.put_along_axis(named, chosen, True, axis=1)
    else:
        actual = np.arange(networks) < replicates
        drawn = np.random.default_rng(seed).permuted(np.tile(actual, (SAMPLED, 1)), axis=1)
        named = np.vstack([actual, drawn])
    named.flags.writeable = False
    return named
