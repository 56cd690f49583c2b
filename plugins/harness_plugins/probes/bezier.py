"""The loss along a bent path between two networks.

Whether a bent path between two trained networks stays low: a quadratic Bezier curve, trained.

Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", arXiv:1802.10026. What differs from
the paper: Adam without weight decay trains the bend, on un-augmented images, and filters whose scale the network does not see
are at norm 1. Nothing is permuted first, for a curve can go around what a straight line must cross. It is costly (a short
training a pair), and meant for a pair or two; ``connectivity`` walks a cheap path of one bend between aligned networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Float, Int, Probe, hookimpl

if TYPE_CHECKING:
    from harness import Parts

BATCH = 128  # examples of each step that trains the bend


def measure(
    one: Parts,
    other: Parts,
    points: int = 61,
    epochs: int = 30,
    lr: float = 3e-3,
    images: int = 4096,
    bn_images: int = 4096,
) -> Mapping[str, Any]:
    """Return how high loss and error get on a curve between two networks of one architecture.

    The bend is trained for so many ``epochs`` with a peak rate ``lr``; ``images`` of the train split are evaluated on, at
    so many ``points``, ends included, and ``bn_images`` give batch normalisation's statistics at each.

    Numbers: ``max_loss``, ``max_error``, the highest on the curve; ``end_loss``, ``end_error``, the higher one of the
    ends; ``loss``, ``error``, the barriers, above the line between the ends; ``bn_recalibrated`` and ``endpoint_gap`` as
    ``connectivity`` has them. Errors in [0, 1], only where there are classes. Arrays ``[points]``: ``t`` and
    ``curve_loss``, ``curve_error``, from ``one`` at 0 to ``other``.

    Both orders of the arguments say the same.
    """
    import numpy as np
    import torch

    from harness_plugins.probes._connect import batch_norm, curves
    from harness_plugins.probes._connect.bending import bent
    from harness_plugins.probes._connect.line import Line, kinds

    first, second = sorted((one, other), key=lambda parts: parts.run.id)
    places = curves.points(points)
    line = Line(first, second, places, images, bn_images)
    steps = epochs * -(-len(first.ingredients.train) // BATCH)
    random = torch.rand(steps, generator=torch.Generator().manual_seed(0)).tolist()
    bend = bent(line.land, line.start, line.end, curves.BEZIER, random, lr, BATCH)
    inside = line.land.along(curves.bezier(line.start, bend, line.end, t) for t in places[1:-1])
    heights = [line.heights[0], *inside, line.heights[1]]
    numbers: dict[str, Any] = {
        "bn_recalibrated": float(not batch_norm.foreign_statistics(line.land.network)),
        "endpoint_gap": line.gap,
        "t": np.array(places),
    }
    for kind, values in kinds(heights).items():
        numbers |= {
            f"max_{kind}": max(values),
            f"end_{kind}": max(values[0], values[-1]),
            kind: curves.barrier(values, places),
            f"curve_{kind}": np.array(values if first is one else values[::-1]),
        }
    return numbers


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer bezier."""
    options = {"points": 61, "epochs": 30, "lr": 3e-3, "images": 4096, "bn_images": 4096}
    limits = {
        "points": Int(3, 1001), "epochs": Int(1, 10_000), "lr": Float(1e-12, 1000.0), "images": Int(1, 1_000_000),
        "bn_images": Int(1, 1_000_000),
    }  # fmt: skip
    return [Probe("bezier", measure, networks=2, options=options, limits=limits, reference="arXiv:1802.10026")]
