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


# --- the ways ---------------------------------------------------------------------------------------------------


def going(bench: Bench, run: Any, way: str) -> tuple[Any, Iterator[Any]]:
    """Return the parts of a run, and its training in turns, with nothing of it begun.

    ``plain`` is the loop of a device without graphs. ``eager`` takes the steps of a graph one by one.
    """
    from harness.training.graphs import PlainRecorder
    from harness.training.loop import advance

    parts = bench.parts(run)
    if way == "plain":
        parts.recorder = None
    elif way == "eager" or not bench.context.gpu:
        parts.recorder = PlainRecorder()
    return parts, advance(run, parts)


def stepped(bench: Bench, runs: list[Any], way: str) -> Iterator[tuple[int, Any, Any]]:
    """Train runs side by side; yield ``(number, epoch, parts)`` at the end of each one's epochs."""
    members = {number: going(bench, run, way) for number, run in enumerate(runs)}
    while members:
        for number, (parts, turns) in list(members.items()):
            item = next(turns, members)
            if item is members:
                del members[number]
            elif hasattr(item, "number"):  # an epoch, and no pause
                yield number, item, parts


@dataclass
class Trained:
    """What some runs side by side have come to."""

    speed: float  # images a second of all of them from the second epoch on
    weights: Any  # of the first one
    metrics: list[Any]  # of its epochs
    notes: tuple[str, ...]  # on how its steps were taken
    captured_after: float  # seconds until all had ended their first epoch


def trained(bench: Bench, runs: list[Any], way: str) -> Trained:
    """Train runs side by side."""
    import torch

    began = time.perf_counter()
    first, last, weights, metrics, notes = 0.0, 0.0, None, [], ()
    for number, epoch, parts in stepped(bench, runs, way):
        now = time.perf_counter()
        if epoch.number == 1:
            first = max(first, now)  # the last member's first epoch has ended: all have captured
        last = now
        if number == 0:
            metrics.append(dict(epoch.metrics))
            notes = tuple(getattr(epoch, "notes", ()))
            weights = torch.cat([p.detach().flatten() for p in parts.model.parameters()]).clone()
    steps = (runs[0].epochs - 1) * (len(bench.train) // bench.batch_size)
    speed = len(runs) * steps * bench.batch_size / (last - first)
    return Trained(speed, weights, metrics, notes, first - began)


def steps(context: Context) -> None:
    """Measure lesson_cnn, 32 px, batch 64: all ways, optimizers and precisions."""
    photos = context.sized(64 * 150, 256)
    bench = bench_of(context, "lesson_cnn", 32, photos, batch_size=64)
    before = context.tried("plain", lambda: trained(bench, [bench.run("sgd", "fp32", 99, 2)], "plain"))
    if before:
        context.say(plain_loop=round(before.speed))
    for optimizer in OPTIMIZERS:
        for precision in ("fp32", "bf16"):
            _all_ways(
                context, bench, optimizer, precision, epochs=context.sized(5, 2), members=8, floors=FLOORS[precision]
            )


def resnet18(context: Context) -> None:
    """Measure resnet18, 96 px, batch 256, with a crew of four."""
    name, side, photos, batch = ("resnet18", 96, 256 * 24, 256) if context.gpu else ("test_resnet", 32, 64, 32)
    bench = bench_of(context, name, side, photos, batch)
    context.tried("plain", lambda: trained(bench, [bench.run("sgd", "bf16", 99, 2)], "plain"))  # warms up
    _all_ways(context, bench, "sgd", "bf16", epochs=3, members=4, floors={}, least_crew=60_000)
    _all_ways(context, bench, "adam", "fp32", epochs=2, members=2, floors={})


def _all_ways(
    context: Context, bench: Bench, optimizer: str, precision: str, epochs: int, members: int, floors: dict[str, float],
    least_crew: float = 0.0,
) -> None:  # fmt: skip
    runs = [bench.run(optimizer, precision, seed, epochs) for seed in range(members)]
    what = f"{bench.backbone}, {optimizer}, {precision}"
    results: dict[str, Trained] = {}
    for way, taking_part in (("eager", runs[:1]), ("graph", runs[:1]), ("crew", runs)):
        result = context.tried(f"{what}, {way}", lambda t=taking_part, w=way: trained(bench, t, w))
        if result:
            results[way] = result
    _tell_equal(context, what, results, members)
    if floors and context.gpu:
        times = {way: round(results[way].speed / BEFORE, 1) for way in floors if way in results}
        reached = all(times.get(way, 0.0) >= floor for way, floor in floors.items())
        context.check(f"{what}: times {BEFORE:,} images a second", reached, least=floors, times=times)
    if least_crew and "crew" in results:
        context.check(f"{what}: crew {least_crew:,.0f} images a second", results["crew"].speed >= least_crew)


def _tell_equal(context: Context, what: str, results: dict[str, Trained], members: int) -> None:
    """Tell whether the ways gave equal weights and metrics, and how fast they were."""
    eager = results.get("eager")
    others = {way: result for way, result in results.items() if way != "eager" and eager}
    gaps = {way: same(eager.weights, other.weights) for way, other in others.items()} if eager else {}
    unequal = [way for way, other in others.items() if eager and other.metrics != eager.metrics]
    context.check(
        f"{what}: eager, graph and crew are equal", len(others) == 2 and not any(gaps.values()) and not unequal,
        images_per_second={way: round(result.speed) for way, result in results.items()}, members=members, gaps=gaps,
        unequal_metrics=unequal, notes=sorted({note[:160] for result in results.values() for note in result.notes}),
        until_captured={way: round(result.captured_after, 2) for way, result in results.items()},
    )  # fmt: skip
