"""Whether a path between two networks stays low.

Whether a path between two trained networks stays low: the barrier on the straight line, aligned or not, and on a bent one.

Barrier: Entezari et al. 2022, "The Role of Permutation Invariance in Linear Mode Connectivity of Neural Networks",
arXiv:2110.06296. Alignment: Ainsworth et al. 2022, arXiv:2209.04836; the heads of attention: Verma and Elbayad 2024,
arXiv:2403.00986. Filters at norm 1, and paths of one bend: Pittorino et al. 2022, arXiv:2202.03038; the bend is trained as in
Garipov et al. 2018, arXiv:1802.10026. REPAIR, where there is no batch normalisation: Jordan et al. 2022, arXiv:2211.08403. At
every point of a path batch normalisation's statistics are computed anew.

A barrier is an upper bound, because finding the best permutation, or the best bend, is hard: a low one shows that two networks
are connected, a high one does not show that they are apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness import Choice, Float, Int, Probe, hookimpl

if TYPE_CHECKING:
    from harness import Parts
    from harness_plugins.probes._connect.alignment import Alignment
    from harness_plugins.probes._connect.line import Curve, Line


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
    bend_steps: int = 60,
    bend_lr: float = 1.5e-3,
    bend_within: bool = True,
) -> Mapping[str, Any]:
    """Return barriers between two networks of one architecture, in nats (or the task's loss) and in parts of 1 (error).

    ``alphas`` is the number of points on a path, ends included; ``images`` of the train split, un-augmented, are
    evaluated on, ``bn_images`` give statistics, ``activations`` are those activations are compared on. ``naive=False``
    leaves out the line without alignment, ``repair=False`` that with REPAIR. ``bend_steps`` of Adam train the bend, with a
    peak rate of ``bend_lr``; 0 leaves the bent path out, and ``bend_within=False`` leaves it out between networks of one arm.

    Before anything is aligned or interpolated, filters are brought to norm 1 whose scale batch normalisation takes away.

    Numbers: ``naive_loss``, ``naive_error``; ``aligned_loss``, ``aligned_error``; ``repaired_loss``, ``repaired_error``
    (aligned, networks without batch normalisation); ``path_loss``, ``path_error``, with ``bend_steps``, along the best of
    the straight lines between aligned networks and of two lines that meet in a trained bend: the path whose error, or loss
    where errors are equal, rises least. ``bent``: 1 where that is the bent one; where the error does not rise on a straight
    line, no bend is trained. Errors only where there are classes.
    ``batch_norm``: 1 where the network has batch normalisation, and ``aligned`` is the straight line to judge by; 0 where
    ``repaired`` is. ``method``: 0 the units were left where they are, 1 aligned by weights, 2 by activations. ``aligned``: 1,
    or 0 where alignment is impossible, and then paths are between the networks as they are; ``movable``: the part of hidden
    units that alignment may move. ``normalised``: how many filters were brought to norm 1. ``bn_recalibrated``: 1 where all
    running statistics were computed anew, as they must be. ``endpoint_gap``: the larger difference, in error, of both ends
    from the networks as they were trained; without classes in the loss, relative.
    Arrays ``[alphas]``: ``alphas`` and ``{naive,aligned,repaired,path}_curve_{loss,error}``, from ``one`` at 0 to ``other``.

    The second network in order of run ids is brought into line with the first, so both orders of arguments say the same.
    """
    import numpy as np

    from harness_plugins.probes._connect import batch_norm
    from harness_plugins.probes._connect.alignment import align
    from harness_plugins.probes._connect.curves import points
    from harness_plugins.probes._connect.line import Line

    first, second = sorted((one, other), key=lambda parts: parts.run.id)
    line = Line(first, second, points(alphas), images, bn_images)
    alignment = align(line, first, second, orders, activations)
    normalises, convex = bool(batch_norm.layers(line.land.network)), first.ingredients.backbone.convex
    curves = _straight(line, alignment, naive, repair and not normalises and not convex)
    numbers: dict[str, Any] = {
        "method": float(alignment.method),
        "aligned": float(alignment.movable > 0),
        "movable": alignment.movable,
        "batch_norm": float(normalises),
        "normalised": float(sum(len(line.start[name]) for name in line.filters)),
        "bn_recalibrated": float(not batch_norm.foreign_statistics(line.land.network)),
        "endpoint_gap": line.gap,
        "alphas": np.array(line.alphas),
    }
    if bend_steps and (bend_within or first.run.arm.name != second.run.arm.name):
        straight = [curves[name] for name in ("aligned", "repaired") if name in curves] or [curves["naive"]]
        best = min(straight, key=line.rank)
        error, loss = line.barriers(best)
        rises = (loss if error is None else error) > 0 and not convex
        paths = [best, line.bent(alignment.end, bend_steps, bend_lr)] if rises else [best]
        curves["path"] = min(paths, key=line.rank)
        numbers["bent"] = float(curves["path"] is not best)
    for name, heights in curves.items():
        numbers |= line.numbers(name, heights, turned=first is not one)
    return numbers


def _straight(line: Line, alignment: Alignment, naive: bool, repair: bool) -> dict[str, Curve]:
    """Return the curves along straight lines by name: naive, aligned, repaired."""
    from harness_plugins.probes._connect.alignment import IDENTITY

    curves: dict[str, Curve] = {}
    if naive or not alignment.movable:
        curves["naive"] = line.curve(line.end)
    if alignment.movable:
        is_same = naive and alignment.method == IDENTITY
        curves["aligned"] = curves["naive"] if is_same else line.curve(alignment.end, alignment.middle)
    if alignment.movable and repair:
        curves["repaired"] = line.repaired(alignment.end)
    return curves


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer connectivity."""
    options = {
        "alphas": 26, "images": 4096, "bn_images": 4096, "orders": 5, "naive": True, "activations": 256, "repair": True,
        "bend_steps": 60, "bend_lr": 1.5e-3, "bend_within": True,
    }  # fmt: skip
    limits = {
        "alphas": Int(3, 1001), "images": Int(1, 1_000_000), "bn_images": Int(1, 1_000_000), "orders": Int(1, 1000),
        "activations": Int(2, 1_000_000), "naive": Choice([False, True]), "repair": Choice([False, True]),
        "bend_steps": Int(0, 1_000_000), "bend_lr": Float(1e-12, 1000.0),
        "bend_within": Choice([False, True]),
    }  # fmt: skip
    return [
        Probe(
            "connectivity", measure, networks=2, options=options, limits=limits,
            reference="arXiv:2110.06296, arXiv:2209.04836, arXiv:2202.03038, arXiv:2211.08403",
        )
    ]  # fmt: skip
