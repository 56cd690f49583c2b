"""Vectors that a matrix makes zero, without a negative number: against matrices that are made for them."""

from __future__ import annotations

import numpy as np
import pytest

from harness.training.null_vectors import connected, null_basis, positive_null_vector


def rows_against(*vectors, count=40, seed=0):
    """Return random rows that make these vectors zero, and nothing else."""
    random, size = np.random.default_rng(seed), len(vectors[0])
    basis, _ = np.linalg.qr(np.array(vectors, dtype=float).T)
    rows = random.normal(size=(count, size))
    return rows - rows @ basis @ basis.T


@pytest.mark.parametrize(
    ("vectors", "places"),
    [
        ([[1, 1, 0, 0, 0]], [[0, 1]]),
        ([[1, 1, 0, 0, 0], [0, 0, 1, 2, 0]], [[0, 1], [2, 3]]),
        ([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0]], [[0, 1, 2]]),
        ([[1, -1, 0, 0, 0]], []),  # longer and shorter: no vector of positive numbers
        ([[1, 1, 0, 0, 0], [0, 0, 1, -1, 0]], [[0, 1]]),
        ([[1, 1, -1, 0, 0], [0, 0, 1, 1, 0]], [[0, 1, 2, 3]]),  # their sum is positive, and so is the second
        ([[1, 1, 1, 1, 1]], [[0, 1, 2, 3, 4]]),
    ],
)
def test_the_positive_vectors_are_those_the_matrix_was_made_for(vectors, places):
    rows = rows_against(*vectors)
    vector = positive_null_vector(rows)
    assert (vector >= 0).all()
    np.testing.assert_allclose(rows @ vector, 0, atol=1e-9)
    assert connected(rows, np.flatnonzero(vector)) == places


def test_a_matrix_of_full_rank_has_none():
    rows = np.random.default_rng(1).normal(size=(12, 6))
    assert null_basis(rows).shape == (6, 0)
    assert not positive_null_vector(rows).any()


def test_columns_of_very_different_size_are_treated_alike():
    scale = np.array([1e-5, 1.0, 1e4, 1.0, 1e-3])
    rows = rows_against(np.array([1, 1, 0, 0, 0]) / scale) * 1.0
    vector = positive_null_vector(rows)
    assert list(np.flatnonzero(vector)) == [0, 1]
    np.testing.assert_allclose(vector[0] / vector[1], scale[1] / scale[0], rtol=1e-6)
