"""The Hessian of the train loss at the solution: its largest and smallest eigenvalue, its trace, its spectral density.

They describe and never decide: all change when a layer is scaled up and the next one down, which changes nothing that the
network computes (Dinh et al. 2017, "Sharp minima can generalize for deep nets", arXiv:1703.04933). Do not compare them
across weight decays, nor across networks with and without normalisation.

Sources: Lanczos for the ends, Hutch++ for the trace, stochastic Lanczos quadrature for the density, each named where it
is computed (``_curvature``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Int, Probe, hookimpl

if TYPE_CHECKING:
    from harness import Parts

SEED = 0  # of the random vectors: the same for every network


def measure(
    parts: Parts, images: int = 1024, lanczos: int = 40, hutchinson: int = 60, slq_probes: int = 4, slq_steps: int = 40
) -> Mapping[str, Any]:
    """Return numbers and arrays about the Hessian of the un-regularised train loss on ``images`` train examples.

    ``lambda_max``: the algebraically largest eigenvalue, after ``iterations`` of Lanczos, with the relative residual
    ``lambda_max_residual``: above .01 it has not converged, and more ``lanczos`` steps are wanted. ``lambda_min``: the
    smallest Ritz value; the smallest eigenvalue is no larger. ``trace`` with its standard error ``trace_se``. How near the
    optimizer's edge of stability a network is, the probe ``stability`` measures.

    ``nodes`` and ``weights`` ``[M]``: a quadrature of the spectral density, whose weights sum to 1. The first of the
    ``slq_probes`` runs is the one that finds the ends.

    It takes ``lanczos + 1 + hutchinson + (slq_probes - 1) * slq_steps`` products with the Hessian, each about as much work
    as four gradients on these images, and keeps as many vectors of the size of the network as Lanczos has steps.
    """
    import torch

    from harness_plugins.probes._curvature.density import quadrature
    from harness_plugins.probes._curvature.lanczos import extremes, signs, tridiagonalise
    from harness_plugins.probes._curvature.landscape import exact, landscape
    from harness_plugins.probes._curvature.trace import hutch_plus_plus

    random = torch.Generator().manual_seed(SEED)
    with exact(parts.model):
        loss = landscape(parts, images)
        weights = loss.weights()
        product = loss.hessian(weights)
        first = tridiagonalise(product, signs(len(weights), weights, random), lanczos)
        ends = extremes(product, first)
        starts = [signs(len(weights), weights, random) for _ in range(slq_probes - 1)]
        runs = [first, *(tridiagonalise(product, start, slq_steps) for start in starts)]
        trace = hutch_plus_plus(product, weights, hutchinson, random)
    nodes, shares = quadrature(runs)
    return {
        "lambda_max": ends.largest,
        "lambda_max_residual": ends.residual,
        "lambda_min": ends.smallest,
        "iterations": float(len(first.diagonal)),
        "trace": trace.value,
        "trace_se": trace.error,
        "nodes": nodes.numpy(),
        "weights": shares.numpy(),
    }


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer hessian."""
    options = {"images": 1024, "lanczos": 40, "hutchinson": 60, "slq_probes": 4, "slq_steps": 40}
    limits = {
        "images": Int(1, 1_000_000),
        **dict.fromkeys(("lanczos", "hutchinson", "slq_probes", "slq_steps"), Int(1, 10_000)),
    }
    return [
        Probe(
            name="hessian", measure=measure, costly=True, options=options, limits=limits, reference="arXiv:1901.10159"
        )
    ]
