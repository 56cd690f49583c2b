"""The trace of a symmetric matrix known by its products, with a standard error.

Sources: Hutchinson 1990, "A stochastic estimator of the trace of the influence matrix"; Meyer, Musco, Musco & Woodruff
2021, "Hutch++: optimal stochastic trace estimation", arXiv:2010.09649, algorithm 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from harness_plugins.probes._curvature.lanczos import Product, signs


@dataclass(frozen=True)
class Trace:
    """An estimate without bias, and the standard error of its random part."""

    value: float
    error: float
    products: int


def hutchinson(product: Product, like: torch.Tensor, probes: int, random: torch.Generator) -> Trace:
    """Return the mean of ``v' H v`` over ``probes`` random sign vectors; exact, with error 0, for a diagonal matrix.

    ``like [d]`` says how many dimensions there are, of which dtype, and where.
    """
    if probes < 2:
        raise ValueError(f"probes must be 2 or more, for a standard error, got {probes}")
    samples = []
    for _ in range(probes):
        vector = signs(len(like), like, random)
        samples.append(float(vector @ product(vector)))
    values = torch.tensor(samples, dtype=torch.float64)
    return Trace(float(values.mean()), float(values.std() / math.sqrt(probes)), probes)


def hutch_plus_plus(product: Product, like: torch.Tensor, products: int, random: torch.Generator) -> Trace:
    """Return the trace within a sketched subspace, exactly, plus an estimate of the rest, from ``products`` in all.

    A third of them makes the subspace, a third takes its trace, a third estimates the rest. The error is that of the
    rest alone, given the subspace.
    """
    third = products // 3
    if third < 2:
        raise ValueError(f"products must be 6 or more, for a standard error, got {products}")
    sketch = torch.stack([product(signs(len(like), like, random)) for _ in range(min(third, len(like)))], dim=1)
    subspace = torch.linalg.qr(sketch).Q  # [d, third]
    within = sum(float(column @ product(column)) for column in subspace.T)

    def outside(vector: torch.Tensor) -> torch.Tensor:
        return torch.sub(vector, subspace @ (subspace.T @ vector))

    rest = hutchinson(lambda vector: outside(product(outside(vector))), like, third, random)
    return Trace(within + rest.value, rest.error, 2 * subspace.shape[1] + third)
