"""Lanczos: a large symmetric matrix, known by its products, as a small tridiagonal one.

Source: Golub & Van Loan, "Matrix computations", 4th edition, chapter 10. Every new vector is made orthogonal to all the
earlier ones, twice, so there are no ghosts of eigenvalues already found; the price is that all are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

Product = Callable[[torch.Tensor], torch.Tensor]  # a vector [d] to a symmetric matrix times it [d]


@dataclass(frozen=True)
class Tridiagonal:
    """The matrix in the basis of a Krylov space: ``basis [k, d]`` has orthonormal rows."""

    diagonal: torch.Tensor  # [k], float64 on the CPU
    beside: torch.Tensor  # [k - 1]
    basis: torch.Tensor

    def eigen(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the Ritz values ``[k]``, rising, and their vectors in the basis, the columns of ``[k, k]``."""
        matrix = torch.diag(self.diagonal) + torch.diag(self.beside, 1) + torch.diag(self.beside, -1)
        values, vectors = torch.linalg.eigh(matrix)
        return values, vectors


@dataclass(frozen=True)
class Extremes:
    """The ends of a spectrum; ``residual`` is ``|H v - largest v| / |largest|`` for a unit vector v, computed."""

    largest: float  # algebraically: not the one of largest modulus
    residual: float
    smallest: float  # the smallest Ritz value: the smallest eigenvalue is no larger


def signs(dimension: int, like: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Return a vector ``[d]`` of random +1 and -1; drawn on the CPU, so alike on every device."""
    drawn = torch.randint(0, 2, (dimension,), generator=random, dtype=torch.int8)
    return (drawn.to(like.device) * 2 - 1).to(like.dtype)


def tridiagonalise(product: Product, start: torch.Tensor, steps: int) -> Tridiagonal:
    """Return the Krylov space of ``start [d]`` after ``steps`` products, or fewer where it has no more dimensions."""
    steps = min(steps, len(start))
    basis = start.new_empty(steps, len(start))
    basis[0] = start / start.norm()
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    negligible = 10 * torch.finfo(start.dtype).eps
    for step in range(steps):
        vector = product(basis[step])
        diagonal.append(float(basis[step] @ vector))
        vectors = basis[: step + 1]
        for _ in range(2):
            vector = vector - vectors.T @ (vectors @ vector)
        length = float(vector.norm())
        if step + 1 == steps or length <= negligible * max(map(abs, diagonal + off_diagonal)):
            break
        off_diagonal.append(length)
        basis[step + 1] = vector / length
    size = len(diagonal)
    return Tridiagonal(
        torch.tensor(diagonal, dtype=torch.float64), torch.tensor(off_diagonal, dtype=torch.float64), basis[:size]
    )


def extremes(product: Product, found: Tridiagonal) -> Extremes:
    """Return both ends of the spectrum as the Krylov space has them; one more product, for the residual."""
    values, vectors = found.eigen()
    largest = float(values[-1])
    vector = vectors[:, -1].to(found.basis) @ found.basis
    vector = vector / vector.norm()
    length = float((product(vector) - largest * vector).norm())
    return Extremes(largest, length / abs(largest) if length else 0.0, float(values[0]))
