"""The spectral density of a symmetric matrix known by its products: how its eigenvalues are distributed.

Source: stochastic Lanczos quadrature, as Ghorbani, Krishnan & Xiao 2019, "An investigation into neural net optimization
via Hessian eigenvalue density", arXiv:1901.10159, use it: from a random start, the Ritz values, each weighted by the
square of the first entry of its vector, are the nodes of a Gauss quadrature of the density.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from harness_plugins.probes._curvature.lanczos import Tridiagonal


def quadrature(runs: Sequence[Tridiagonal]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return nodes ``[M]``, rising, and weights ``[M]``, which sum to 1; their p-th moment estimates ``tr(H^p) / d``.

    The starts of the runs must be random signs, or be otherwise as likely to point anywhere.
    """
    nodes, weights = [], []
    for run in runs:
        values, vectors = run.eigen()
        nodes.append(values)
        weights.append(vectors[0] ** 2 / len(runs))
    order = torch.cat(nodes).argsort(stable=True)
    return torch.cat(nodes)[order], torch.cat(weights)[order]
