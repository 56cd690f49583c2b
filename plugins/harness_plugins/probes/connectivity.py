"""Whether a straight line between two trained networks stays low: the loss barrier, before and after alignment.

Barrier: Entezari et al. 2022, "The Role of Permutation Invariance in Linear Mode Connectivity of Neural Networks",
arXiv:2110.06296. Alignment: Ainsworth et al. 2022, arXiv:2209.04836. REPAIR, where there is no batch normalisation:
Jordan et al. 2022, arXiv:2211.08403. At every point of the line batch normalisation's statistics are computed anew.

An aligned barrier is an upper bound, because finding the best permutation is hard: a low one shows that two networks
are connected, a high one does not show that they are apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Choice, Int, Probe, hookimpl

if TYPE_CHECKING:
    from harness import Parts


def measure(
    one: Parts,
    other: Parts,
    alphas: int = 26,
    images: int = 4096,
    bn_images: int = 4096,
    orders: int = 5,
    naive: bool = True,
    activations: int = 256,
    repair: bool = True,
) -> Mapping[str, Any]:
    """Return barriers between two networks of one architecture, in nats (or the task's loss) and in parts of 1 (error).

    ``alphas`` is the number of points on the line, ends included; ``images`` of the train split, un-augmented, are
    evaluated on, ``bn_images`` give statistics, ``activations`` are those activations are compared on. ``naive=False``
    leaves out the line without alignment, ``repair=False`` that with REPAIR.

    Numbers: ``naive_loss``, ``naive_error``; ``aligned_loss``, ``aligned_error``; ``repaired_loss``, ``repaired_error``
    (aligned, networks without batch normalisation). Errors only where there are classes. ``method``: 0 the units were
    left where they are, 1 aligned by weights, 2 by activations. ``aligned``: 1, or 0 where alignment is impossible, and
    then only naive barriers are told; ``movable``: the part of hidden units that alignment may move.
    ``bn_recalibrated``: 1 where all running statistics were computed anew, as they must be. ``endpoint_gap``: the larger
    difference, in error, of both ends from the networks as they were trained; without classes in the loss, relative.
    Arrays ``[alphas]``: ``alphas`` and ``{naive,aligned,repaired}_curve_{loss,error}``, from ``one`` at 0 to ``other``.

    The second network in order of run ids is brought into line with the first, so both orders of arguments say the same.
    """
    import numpy as np

    from harness_plugins.probes._connect import batch_norm
    from harness_plugins.probes._connect.alignment import IDENTITY, align, shared_symmetry
    from harness_plugins.probes._connect.curves import points
    from harness_plugins.probes._connect.line import Line

    first, second = sorted((one, other), key=lambda parts: parts.run.id)
    line = Line(first, second, points(alphas), images, bn_images)
    convex = first.ingredients.backbone.convex  # it has no hidden units, so it is aligned as it is
    units = None if convex else shared_symmetry(first, second)
    movable = 1.0 if convex else units.part if units else 0.0
    method, end, middle = IDENTITY, line.end, None
    if units and units.spaces:
        method, end, middle = align(line, first, second, units, orders, activations)
    plain = line.curve(line.end) if naive or not movable else None
    curves = {"naive": plain} if plain else {}
    if movable:
        curves["aligned"] = plain if plain and method == IDENTITY else line.curve(end, middle)
    if repair and movable and not convex and not batch_norm.layers(line.land.network):
        curves["repaired"] = line.repaired(end)
    numbers: dict[str, Any] = {
        "method": float(method),
        "aligned": float(movable > 0),
        "movable": movable,
        "bn_recalibrated": float(not batch_norm.others(line.land.network)),
        "endpoint_gap": line.gap,
        "alphas": np.array(line.alphas),
    }
    for name, heights in curves.items():
        numbers |= line.told(name, heights, turned=first is not one)
    return numbers


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer connectivity."""
    options = {
        "alphas": 26, "images": 4096, "bn_images": 4096, "orders": 5, "naive": True, "activations": 256, "repair": True,
    }  # fmt: skip
    limits = {
        "alphas": Int(3, 1001), "images": Int(1, 1_000_000), "bn_images": Int(1, 1_000_000), "orders": Int(1, 1000),
        "activations": Int(2, 1_000_000), "naive": Choice([False, True]), "repair": Choice([False, True]),
    }  # fmt: skip
    return [
        Probe(
            "connectivity", measure, networks=2, options=options, limits=limits,
            reference="arXiv:2110.06296, arXiv:2209.04836, arXiv:2211.08403",
        )
    ]  # fmt: skip
