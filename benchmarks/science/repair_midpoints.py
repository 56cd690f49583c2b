"""Halfway between two aligned networks: what old statistics, new statistics and REPAIR are worth.

    python benchmarks/science/repair_midpoints.py [--pairs 3] [--width 16] [--epochs 25]

Published (Jordan et al. 2022, "REPAIR: REnormalizing Permuted Activations for Interpolation Repair", arXiv:2211.08403, and its
notebooks): halfway between two aligned ResNet-20 of four times the width on CIFAR-10, accuracy is 11.7 % with the batch-norm
statistics of the ends and 90.3 % with statistics that are computed anew (ends 95.4 and 95.1 %). Halfway between two VGG-11
without batch norm it is 67.3 % without and 84.9 % with REPAIR, because the variance of activations falls between networks.

Reproduced: both gaps, on drawn cats and dogs with ``lesson_cnn`` and with the same network without batch norm, and that the
activations' variance falls halfway; not the published numbers, which are of other data and networks. The figures of the last
run stand in docs/connectivity.md.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from functools import partial
from itertools import combinations, islice

import torch
from _networks import drawings, trained
from harness_plugins.backbones import lesson_cnn
from harness_plugins.probes._connect import repair
from harness_plugins.probes._connect.alignment import align
from harness_plugins.probes._connect.curves import between, points
from harness_plugins.probes._connect.line import Line
from torch import nn

from harness.training.parts import Parts

IMAGES = 512
SGD = {"optimizer": "sgd", "settings": {"lr": 0.05, "momentum": 0.9}}
ADAM = {"optimizer": "adam", "settings": {"lr": 2e-3}}


def without_batch_norm(width: int) -> nn.Module:
    """Return lesson_cnn with a bias for each convolution in the place of its batch norm."""
    layers: list[nn.Module] = []
    for layer in lesson_cnn.build((3, 32, 32), 2, width=width):
        if isinstance(layer, nn.Conv2d):
            layer = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if not isinstance(layer, nn.BatchNorm2d):
            layers.append(layer)
    return nn.Sequential(*layers)


def aligned(first: Parts, second: Parts) -> tuple[Line, dict[str, torch.Tensor]]:
    """Return the line between two networks, and the second one's weights brought into line with the first one's."""
    line = Line(first, second, points(3), IMAGES, IMAGES)
    return line, dict(align(line, first, second, orders=5, activations=256).end)


def accuracies_with_batch_norm(pair: Sequence[Parts]) -> tuple[float, ...]:
    line, end = aligned(*pair)
    middle = between(line.start, end, 0.5)
    heights = (*line.heights, line.land.at(middle, recalibrated=False), line.land.at(middle))
    return tuple(1 - (height.error or 0.0) for height in heights)


def accuracies_without(pair: Sequence[Parts]) -> tuple[float, ...]:
    line, end = aligned(*pair)
    plain, mended = line.curve(end)[1], line.repaired(end)[1]
    return tuple(1 - (height.error or 0.0) for height in (*line.heights, plain, mended))


def variance_left(pair: Sequence[Parts]) -> float:
    """Return the variance of the last hidden layer halfway, as a part of the mean of those of the ends."""
    line, end = aligned(*pair)
    batches = list(line.land.calibrating())
    spread = []
    for weights in (line.start, end, between(line.start, end, 0.5)):
        line.land.load(weights)
        *_, last = repair.statistics(line.land.network, batches).values()
        spread.append(float(last.deviation.square().mean()))
    return spread[2] / statistics.mean(spread[:2])


def report(name: str, accuracies: Sequence[Sequence[float]], columns: Sequence[str]) -> None:
    means = [statistics.mean(column) for column in zip(*accuracies, strict=True)]
    print(f"{name}: " + ", ".join(f"{column} {mean:.1%}" for column, mean in zip(columns, means, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=25)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = drawings(1024)
    print("mean train accuracy, at the ends and halfway")
    with_norm, without = (
        partial(lesson_cnn.build, (3, 32, 32), 2, width=arguments.width),
        partial(without_batch_norm, arguments.width),
    )
    for build in (with_norm, without):
        use = SGD if build is with_norm else ADAM  # without batch norm SGD makes little headway in so few epochs
        networks = [trained(build, rows, **use, epochs=arguments.epochs, seed=seed, l2=5e-4) for seed in range(3)]
        pairs = list(islice(combinations(networks, 2), arguments.pairs))
        if build is with_norm:
            columns = ("one end", "the other", "halfway with the ends' statistics", "with new ones")
            report("lesson_cnn", [accuracies_with_batch_norm(pair) for pair in pairs], columns)
        else:
            columns = ("one end", "the other", "halfway", "with REPAIR")
            report("without batch norm", [accuracies_without(pair) for pair in pairs], columns)
            left = statistics.mean(variance_left(pair) for pair in pairs)
            print(f"of the variance of its last hidden layer, {left:.0%} is left halfway")


if __name__ == "__main__":
    main()
