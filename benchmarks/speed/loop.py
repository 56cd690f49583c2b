"""Measure the harness's training loop against a bare loop over the same data in memory, as a ratio.

    python benchmarks/speed/loop.py [--size 32] [--images 1024] [--rounds 9] [--threads N] [--backbone lesson_cnn]

Both train the same network with the same optimizer, batch size, precision, memory layout and allocator settings. The
bare loop is what one would write by hand: float images, already normalised, in memory; no schedule, no L2, no records.
Both run in turn (A B A B ...) in one process. The script prints the median of the pairwise ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from harness import Arm, Backbone, Optimizer, Run, Scheduler, Split, Task
from harness.plugin.discovery import discover
from harness.plugin.registry import Registry
from harness.training.batches import MEAN, STD, put_on_device
from harness.training.device import Device, environment, set_up_device
from harness.training.loop import train
from harness.training.parts import Ingredients, assemble

EPOCHS = 4  # of every timed piece


def bare(
    network: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, batch_size: int, device: Device
) -> float:
    """Train by hand on float images [N, H, W, 3] in memory; return the seconds of the loop alone."""
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    network = network.to(device.name).to(memory_format=layout).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    precision = torch.autocast(device.type, torch.bfloat16, enabled=device.precision == "bf16")
    start = time.perf_counter()
    for _ in range(EPOCHS):
        order = torch.randperm(len(labels)).to(labels.device)
        for first in range(0, len(labels) - batch_size + 1, batch_size):
            chosen = order[first : first + batch_size]
            inputs, targets = images[chosen].permute(0, 3, 1, 2), labels[chosen]  # stored pixel-last: channels_last
            optimizer.zero_grad(set_to_none=True)
            with precision:
                outputs = network(inputs)
            torch.nn.functional.cross_entropy(outputs.float(), targets).backward()
            optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def ours(
    registry: Registry,
    backbone: Backbone,
    split: Split,
    tune: Split,
    batch_size: int,
    augment: tuple[str, ...],
    device: Device,
):
    """Return a function that trains through the harness's own ``train`` and returns its seconds of training."""
    run = Run(
        phase="search", arm=Arm(backbone.name, "sgd", "cosine"), optimizer={"lr": 0.01, "momentum": 0.9}, scheduler={},
        epochs=EPOCHS, batch_size=batch_size, l2=5e-4, augment=augment, precision=device.precision,
        task="classification", init_seed=0, order_seed=0, data="", plugins={},
    )  # fmt: skip
    use = Ingredients(
        task=registry.get("task", "classification", Task),
        backbone=backbone,
        optimizer=registry.get("optimizer", "sgd", Optimizer),
        scheduler=registry.get("scheduler", "cosine", Scheduler),
        outputs=2,
        train=put_on_device(split, device),
        tune=put_on_device(tune, device),
        test=None,
    )

    def go() -> float:
        parts = assemble(run, use, device)
        for epoch in train(run, parts):
            seconds = epoch.seconds
        return seconds

    return go


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--backbone", default="lesson_cnn")
    parser.add_argument("--augment", nargs="*", default=[])
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()

    device = set_up_device(arguments.device, "auto", arguments.threads)
    registry = discover()
    backbone = registry.get("backbone", arguments.backbone, Backbone, "--backbone")
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (arguments.images, arguments.size, arguments.size, 3), dtype=np.uint8)
    labels = random.integers(0, 2, arguments.images)
    split = Split(pixels, labels, tuple(map(str, range(arguments.images))))
    small = Split(pixels[:64], labels[:64], split.names[:64])
    images = ((torch.from_numpy(pixels).float() / 255 - MEAN[0]) / STD[0]).to(device.name)
    targets = torch.from_numpy(labels).to(device.name)
    harness = ours(registry, backbone, split, small, arguments.batch_size, tuple(arguments.augment), device)
    seen = EPOCHS * (arguments.images // arguments.batch_size) * arguments.batch_size

    ratios, rates = [], {"bare": [], "harness": []}
    for turn in range(arguments.rounds + 1):
        network = backbone.build((3, arguments.size, arguments.size), 2)
        bare_seconds = bare(network, images, targets, arguments.batch_size, device)
        harness_seconds = harness()
        if turn:  # the first turn warms up
            ratios.append(bare_seconds / harness_seconds)
            rates["bare"].append(seen / bare_seconds)
            rates["harness"].append(seen / harness_seconds)
    hardware = environment(device)["hardware"]
    print(f"{hardware['device']}, {device.threads} threads, {device.precision}, torch {torch.__version__}")
    print(
        f"{arguments.backbone}, {arguments.size} px, batch {arguments.batch_size}, {arguments.images} images, augment {arguments.augment}"
    )
    for name, values in rates.items():
        print(
            f"{name:>8}: {statistics.median(values):,.0f} images/s (median of {len(values)}; {min(values):,.0f} to {max(values):,.0f})"
        )
    print(f"harness / bare: {statistics.median(ratios):.3f} (median of pairs; {min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
