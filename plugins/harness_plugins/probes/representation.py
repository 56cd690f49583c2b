"""Whether two networks see the same in an image.

Whether two networks make the same of the same test images: CKA and Procrustes, at four depths.

Sources: the unbiased CKA of Nguyen et al. 2021, arXiv:2010.15327; the Procrustes distance of Ding et al. 2021,
arXiv:2108.01661. What differs: activations are averaged over the image or the tokens first, so that networks are asked
what they see, and not where.

Of few classes, the representation before the last layer is mostly the labels, and so are its distances. So each is
measured once more with the means of the classes taken away: how the examples of one class lie to each other.

It measures nothing where there is no hidden layer: a linear head has the features it was given, and so has any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness import Int, Probe, hookimpl

if TYPE_CHECKING:
    import torch

    from harness import Parts
    from harness.statistics.representation import Representation

IMAGES = 2048


def measure(one: Parts, other: Parts, images: int = IMAGES) -> Mapping[str, float]:
    """Return distances of the representations of two networks of one architecture, on as many test images.

    ``cka_penultimate`` and ``cka_block1`` to ``cka_block3`` are sqrt(1 - CKA_u), in [0, 1] but for noise;
    ``procrustes_penultimate`` and so on are in [0, sqrt 2]. Blocks are at a quarter, a half and three quarters of the
    depth; a network of few layers has fewer. ``cka_penultimate_trimmed`` leaves out the images that are among the 1 %
    of the largest norm in either network; ``cka_value_penultimate`` is CKA_u itself; ``images`` how many there were.

    ``cka_within_penultimate``, ``procrustes_within_penultimate``, ``cka_within_block1`` and so on are the same with the
    means of the classes taken away, where the targets are classes of which one has four images.

    A distance to a representation that is the same for all images, or all images of a class, is not known, and left out.
    """
    from harness.statistics.representation import FEWEST, cka, cka_distance, procrustes, without_largest

    first, second = represented(one, images), represented(other, images)
    if first.keys() != second.keys():
        raise ValueError(
            f"representation: must be of networks of one architecture, got {list(first)} and {list(second)}"
        )
    numbers: dict[str, float] = {}
    for name in first:
        numbers[f"cka_{name}"] = cka_distance(cka(first[name], second[name]))
        numbers[f"procrustes_{name}"] = procrustes(first[name], second[name])
    if first:
        last = first["penultimate"], second["penultimate"]
        if len(last[0].rows) >= FEWEST + 2:  # one may be left out of each
            numbers["cka_penultimate_trimmed"] = cka_distance(cka(*without_largest(*last)))
        numbers["cka_value_penultimate"] = cka(*last)
        numbers["images"] = float(len(last[0].rows))
    return {name: number for name, number in numbers.items() if not math.isnan(number)}


def represented(parts: Parts, images: int) -> dict[str, Representation]:
    """Return ``block1``, ..., ``penultimate`` of a network, and ``within_block1``, ..., ``within_penultimate``.

    They come from where they are kept if the network was asked before.
    """
    key = f"representation.{images}"
    if key not in parts.probe_cache:
        parts.probe_cache[key] = _represent(parts, images)
    representations: dict[str, Representation] = parts.probe_cache[key]
    return representations


def _represent(parts: Parts, images: int) -> dict[str, Representation]:
    import torch

    from harness.statistics.representation import FEWEST, represent, within_classes
    from harness_plugins.probes._blocks import BATCH, activations, places

    split = parts.ingredients.test
    if split is None or len(split) < FEWEST or images < FEWEST:
        return {}
    rows = chosen(len(split), images).to(split.device)
    modes = {module: module.training for module in parts.model.modules()}
    parts.model.eval()
    try:
        batches = (split.batch(chunk)[0] for chunk in torch.split(rows, BATCH))
        penultimate, blocks = places(parts.model, split.batch(slice(1))[0])
        if penultimate is None:
            return {}
        outputs = activations(parts.model, batches, [*blocks, penultimate])
    finally:
        for module, training in modes.items():
            module.training = training
    names = [*(f"block{number}" for number in range(1, len(outputs))), "penultimate"]
    by_layer = {name: represent(output.numpy()) for name, output in zip(names, outputs, strict=True)}
    labels = split.targets[rows].cpu()
    if not _are_classes(labels):
        return by_layer
    return by_layer | {f"within_{name}": within_classes(layer, labels.numpy()) for name, layer in by_layer.items()}


def _are_classes(targets: torch.Tensor) -> bool:
    """Return whether targets ``[N, ...]`` are class numbers, with as many examples of one class as it takes."""
    import numpy as np

    from harness.statistics.representation import FEWEST

    if targets.ndim != 1 or targets.is_floating_point():
        return False
    return int(np.unique(targets.numpy(), return_counts=True)[1].max()) >= FEWEST


def chosen(rows: int, images: int) -> torch.Tensor:
    """Return which rows of a split are looked at, rising: a draw, for photos may lie in the order of their classes."""
    import torch

    return torch.randperm(rows, generator=torch.Generator().manual_seed(0))[:images].sort().values


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer representation."""
    return [
        Probe(
            name="representation",
            measure=measure,
            networks=2,
            options={"images": IMAGES},
            limits={"images": Int(2, 1_000_000)},
            reference="arXiv:2010.15327",
        )
    ]
