"""The harness's own training step: eager, as a graph, and as one of a crew, with equality of the weights.

Rates are those of the steps alone: an epoch is long beside its evaluation, and the first epoch, in which a graph is
captured, is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from _gpu.setting import Context, same

OPTIMIZERS = {
    "adam": {"lr": 1e-3},
    "sgd": {"lr": 0.02, "momentum": 0.9},
    "rmsprop": {"lr": 1e-3, "momentum": 0.5},
}
CLASSES = 2
FLOORS = {"fp32": {"graph": 5.0, "crew": 16.0}, "bf16": {"graph": 5.0, "crew": 22.0}}  # times the eager loop of before
BEFORE = 20_800  # images a second of lesson_cnn in the loop before there were graphs, on an H200


@dataclass
class Bench:
    """What all runs of a section share: the plugins and the data on the device."""

    context: Context
    backbone: str
    batch_size: int
    registry: Any
    contracts: Any
    device: Any
    train: Any
    tune: Any

    def run(self, optimizer: str, precision: str, seed: int, epochs: int) -> Any:
        """Return a run of this network."""
        from harness import Arm, Run

        return Run(
            phase="search", arm=Arm(self.backbone, optimizer, "cosine"), optimizer=OPTIMIZERS[optimizer], scheduler={},
            epochs=epochs, batch_size=self.batch_size, l2=5e-4, augment=(), precision=precision, task="classification",
            init_seed=seed, order_seed=seed, data="", plugins={},
        )  # fmt: skip

    def parts(self, run: Any) -> Any:
        """Return the parts of a run."""
        from harness.training.ingredients import Ingredients
        from harness.training.parts import assemble

        get, contracts = self.registry.get, self.contracts
        use = Ingredients(
            task=get("task", "classification", contracts.Task),
            backbone=get("backbone", run.arm.backbone, contracts.Backbone),
            optimizer=get("optimizer", run.arm.optimizer, contracts.Optimizer),
            scheduler=get("scheduler", "cosine", contracts.Scheduler),
            outputs=CLASSES, train=self.train, tune=self.tune, test=None,
        )  # fmt: skip
        return assemble(run, use, self.device)


def bench_of(context: Context, backbone: str, side: int, photos: int, batch_size: int) -> Bench:
    """Return a bench with made-up photos ``[N, side, side, 3]`` of two classes that can be told apart."""
    import numpy as np

    from harness import Split
    from harness.plugin import contracts
    from harness.plugin.discovery import discover
    from harness.training.batches import put_on_device
    from harness.training.device import set_up_device

    device = set_up_device(context.device, "fp32", 1)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 200, (photos, side, side, 3), dtype=np.uint8)
    labels = random.integers(0, CLASSES, photos)
    pixels += (55 * labels)[:, None, None, None].astype(np.uint8)
    few = min(512, photos)
    names = tuple(map(str, range(photos)))
    train = put_on_device(Split(pixels, labels, names), device)
    tune = put_on_device(Split(pixels[:few], labels[:few], names[:few]), device)
    return Bench(context, backbone, batch_size, discover(), contracts, device, train, tune)


def trained_parts(bench: Bench, seed: int, epochs: int) -> Any:
    """Return the parts of a run that has been trained for some epochs, its network in evaluation mode."""
    from harness.training.loop import train

    run = bench.run("sgd", "fp32", seed, epochs)
    parts = bench.parts(run)
    for _ in train(run, parts):
        pass
    parts.model.eval()
    return parts


# --- the three ways ---------------------------------------------------------------------------------------------


def stepped(bench: Bench, runs: list[Any], way: str) -> Iterator[tuple[int, Any, Any]]:
    """Train runs side by side; yield ``(number, epoch, parts)`` at the end of each one's epochs."""
    from harness.training import loop

    all_parts = [bench.parts(run) for run in runs]
    if way != "eager":
        raise NotImplementedError(f"'{way}' is not there yet")
    for number, (run, parts) in enumerate(zip(runs, all_parts, strict=True)):
        for epoch in loop.train(run, parts):
            yield number, epoch, parts


def speed_and_weights(bench: Bench, runs: list[Any], way: str) -> tuple[float, Any]:
    """Return the images a second of all runs from the second epoch on, and the weights of the first run."""
    import torch

    first, last, weights = 0.0, 0.0, None
    for number, epoch, parts in stepped(bench, runs, way):
        now = time.perf_counter()
        if epoch.number == 1:
            first = max(first, now)  # the last member's first epoch has ended: all have captured
        last = now
        if number == 0 and epoch.number == runs[0].epochs:
            weights = torch.cat([p.detach().flatten() for p in parts.model.parameters()]).clone()
    steps = (runs[0].epochs - 1) * (len(bench.train) // bench.batch_size)
    return len(runs) * steps * bench.batch_size / (last - first), weights


def steps(context: Context) -> None:
    """Measure lesson_cnn, 32 px, batch 64: all ways, optimizers and precisions."""
    photos = context.sized(64 * 150, 256)
    bench = bench_of(context, "lesson_cnn", 32, photos, batch_size=64)
    list(stepped(bench, [bench.run("sgd", "fp32", 99, 1)], "eager"))  # warms up
    for optimizer in OPTIMIZERS:
        for precision in ("fp32", "bf16"):
            _all_ways(context, bench, optimizer, precision, epochs=3, members=8, floors=FLOORS[precision])


def resnet18(context: Context) -> None:
    """Measure resnet18, 96 px, batch 256, with a crew of four."""
    name, side, photos, batch = ("resnet18", 96, 256 * 24, 256) if context.gpu else ("test_resnet", 32, 64, 32)
    bench = bench_of(context, name, side, photos, batch)
    list(stepped(bench, [bench.run("sgd", "bf16", 99, 1)], "eager"))
    _all_ways(context, bench, "sgd", "bf16", epochs=3, members=4, floors={}, least_crew=60_000)
    _all_ways(context, bench, "adam", "fp32", epochs=2, members=2, floors={})


def _all_ways(
    context: Context, bench: Bench, optimizer: str, precision: str, epochs: int, members: int, floors: dict[str, float],
    least_crew: float = 0.0,
) -> None:  # fmt: skip
    runs = [bench.run(optimizer, precision, seed, epochs) for seed in range(members)]
    what = f"{bench.backbone}, {optimizer}, {precision}"
    speeds, weights = {}, {}
    for way, taking_part in (("eager", runs[:1]), ("graph", runs[:1]), ("crew", runs)):
        result = context.tried(f"{what}, {way}", lambda t=taking_part, w=way: speed_and_weights(bench, t, w))
        if result:
            speeds[way], weights[way] = round(result[0]), result[1]
    gaps = {way: same(weights["eager"], each) for way, each in weights.items() if way != "eager" and "eager" in weights}
    context.check(
        f"{what}: equal weights",
        bool(gaps) and not any(gaps.values()),
        images_per_second=speeds,
        members=members,
        gaps=gaps,
    )
    for way, times in floors.items():
        if way in speeds:
            context.check(f"{what}: {way} {times:g} times {BEFORE:,}", speeds[way] >= times * BEFORE)
    if least_crew and "crew" in speeds:
        context.check(f"{what}: crew {least_crew:,.0f} images a second", speeds["crew"] >= least_crew)
