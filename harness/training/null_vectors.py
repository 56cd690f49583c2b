"""Vectors that a matrix makes zero, and of these the ones without a negative number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NEXT_TO_NOTHING = 1e-6  # singular values below this, as a part of the largest, are 0
PRESENT = 1e-3  # of a vector's largest number: what is below is 0

Matrix = NDArray[np.float64]


def positive_null_vector(rows: Matrix) -> Matrix:
    """Return a vector ``[n]`` that ``rows`` ``[m, n]`` make zero, with no negative number and as many positive ones as any has.

    It is all zeros where there is none but that. Positive numbers are at least 1.
    """
    from scipy.optimize import linprog

    basis = null_basis(rows)
    count, size = basis.shape
    none = np.zeros(count)
    if not size:
        return none
    # The unknowns are the weights of the basis, and for each number of the vector the part of it up to 1. The sum of these
    # parts is largest where every number that can be positive is 1 or more.
    parts = np.eye(count)
    solution = linprog(
        c=np.concatenate([np.zeros(size), -np.ones(count)]),
        A_ub=np.hstack([-basis, parts]),
        b_ub=none,
        bounds=[(None, None)] * size + [(0, 1)] * count,
    )
    if solution.x is None:
        return none
    vector: Matrix = basis @ solution.x[:size]
    return np.where(vector > 0.5, vector, 0.0)


def null_basis(rows: Matrix) -> Matrix:
    """Return the vectors, as columns ``[n, k]``, that span all that ``rows`` make zero."""
    largest = np.abs(rows).max(axis=0)
    scale = np.where(largest > 0, largest, 1.0)  # columns are of very different size
    _, values, directions = np.linalg.svd(rows / scale, full_matrices=True)
    rank = int((values > NEXT_TO_NOTHING * values.max(initial=0.0)).sum())
    basis: Matrix = directions[rank:].T / scale[:, None]
    longest: Matrix = np.abs(basis).max(axis=0, initial=1e-300)
    return np.asarray(basis / longest, dtype=np.float64)


def connected(rows: Matrix, places: Sequence[int] | NDArray[np.int64]) -> list[list[int]]:
    """Return these columns in lists: columns are in one list where a vector of the simplest basis has both.

    The basis is that of what the columns alone make zero, reduced so that each of its vectors has a column of its own.
    """
    places = [int(place) for place in places]
    lists: list[set[int]] = []
    for vector in _reduced(null_basis(rows[:, places]).T) if places else ():
        members = {places[i] for i in np.flatnonzero(np.abs(vector) > PRESENT)}
        separate = [members_listed for members_listed in lists if not members_listed & members]
        lists = [*separate, members.union(*(members_listed for members_listed in lists if members_listed & members))]
    return sorted(sorted(members) for members in lists)


def _reduced(vectors: Matrix) -> Matrix:
    """Return the reduced row echelon form of independent rows, with the largest numbers as pivots."""
    reduced = vectors.copy()
    for place in range(len(reduced)):
        row, column = np.unravel_index(np.abs(reduced[place:]).argmax(), reduced[place:].shape)
        swapped = [place + int(row), place]
        reduced[swapped[::-1]] = reduced[swapped]
        reduced[place] /= reduced[place, column]
        for other in range(len(reduced)):
            if other != place:
                reduced[other] -= reduced[other, column] * reduced[place]
    return reduced
