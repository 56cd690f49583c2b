"""The harness's own training step: eager, as a graph, and as one of a crew, with equality of the weights.

Rates are those of the steps alone: an epoch is long beside its evaluation, and the first epoch, in which a graph is
captured, is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from _gpu.bare import bare_crew
from _gpu.busy import sampled
from _gpu.setting import Context, same

OPTIMIZERS = {
    "adam": {"lr": 1e-3},
    "sgd": {"lr": 0.02, "momentum": 0.9},
    "rmsprop": {"lr": 1e-3, "momentum": 0.5},
}
CLASSES = 2
FLOORS = {"fp32": {"graph": 5.0, "crew": 16.0}, "bf16": {"graph": 5.0, "crew": 22.0}}  # times the plain loop's speed


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
    made: dict[str, Any] = field(default_factory=dict)  # the parts of runs, by their ids
    way: str = "graph"

    def state(self, run_id: str) -> None:
        """Every run begins anew."""

    def run(self, optimizer: str, precision: str, seed: int, epochs: int) -> Any:
        """Return a run of this network."""
        from harness import Arm, Run

        return Run(
            phase="search", arm=Arm(self.backbone, optimizer, "cosine"), optimizer=OPTIMIZERS[optimizer], scheduler={},
            epochs=epochs, batch_size=self.batch_size, l2=5e-4, augment=(), precision=precision, task="classification",
            init_seed=seed, order_seed=seed, data="", plugins={},
        )  # fmt: skip

    def parts(self, run: Any) -> Any:
        """Return the parts of a run that takes its steps in this bench's way.

        ``plain`` is the loop of a device without graphs. ``eager`` takes the steps of a graph one by one.
        """
        from harness.testing.tape import NoRecorder
        from harness.training.graphs import PlainRecorder
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
        parts = self.made[run.id] = assemble(run, use, self.device)
        if self.way == "plain":
            parts.recorder = None
        elif not self.context.gpu:
            parts.recorder = PlainRecorder()
        elif self.way == "eager":
            parts.recorder = NoRecorder()  # with it all is as on the GPU but the graphs: the rates are tensors too
        return parts


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


def stepped(bench: Bench, runs: list[Any], places: int) -> Iterator[tuple[Any, Any]]:
    """Carry runs out in a crew with so many places, as a worker does; yield ``(run, event)``.

    For a run that is put back the event is None: it begins again, and there are fewer places.
    """
    from harness.running.workers.crew import Crew
    from harness.running.workers.messages import Assignment, Happened, PutBack
    from harness.training.loop import turns

    crew, waiting = Crew(lambda given: turns(given.job, bench)), list(runs)
    by_id = {run.id: run for run in runs}
    while waiting or len(crew):
        while waiting and len(crew) < places:
            crew.take(Assignment(waiting.pop(0), alone=places == 1))
        for said in crew.turn():
            if isinstance(said, PutBack):
                places = said.places or places
                waiting.insert(0, by_id[said.job_id])
                yield by_id[said.job_id], None
                continue
            if not isinstance(said, Happened) or type(said.event).__name__ == "Failed":
                raise RuntimeError(f"{said}"[:1500])
            yield by_id[said.job_id], said.event


@dataclass
class Trained:
    """What some runs side by side have come to."""

    speed: float  # images a second of all of them from the second epoch on
    weights: Any  # of the first one
    metrics: list[Any]  # of its epochs
    way: str  # how its steps were taken, in words
    captured_after: float  # seconds until all had ended their first epoch


def trained(bench: Bench, runs: list[Any], way: str) -> Trained:
    """Train runs side by side."""
    bench.way = way
    began = time.perf_counter()
    first, last, metrics = 0.0, 0.0, []
    for run, event in stepped(bench, runs, len(runs)):
        if event is None:
            raise RuntimeError(f"{run.id} was put back")
        if event.ends_run:
            continue
        last = time.perf_counter()
        if event.number == 1:
            first = max(first, last)  # the last member's first epoch has ended: all have captured
        if run is runs[0]:
            metrics.append(dict(event.metrics))
    parts = bench.made[runs[0].id]
    weights = flat_weights(parts)
    words = parts.way.line if parts.way is not None else "the plain loop"
    bench.made.clear()
    steps = (runs[0].epochs - 1) * (len(bench.train) // bench.batch_size)
    speed = len(runs) * steps * bench.batch_size / (last - first)
    return Trained(speed, weights, metrics, words, first - began)


def flat_weights(parts: Any) -> Any:
    """Return a copy of all weights as one vector."""
    import torch

    return torch.cat([parameter.detach().flatten() for parameter in parts.model.parameters()]).clone()


def steps(context: Context) -> None:
    """Measure lesson_cnn, 32 px, batch 64: all ways, optimizers and precisions."""
    photos = context.sized(64 * 150, 256)
    bench = bench_of(context, "lesson_cnn", 32, photos, batch_size=64)
    plain = context.tried("plain", lambda: trained(bench, [bench.run("sgd", "fp32", 99, 3)], "plain").speed)
    context.say(plain_loop=round(plain or 0))
    for optimizer in OPTIMIZERS:
        for precision in ("fp32", "bf16"):
            results = _all_ways(context, bench, optimizer, precision, epochs=context.sized(5, 2), members=8)
            if plain and context.gpu:
                times = {way: round(result.speed / plain, 1) for way, result in results.items()}
                reached = all(times.get(way, 0.0) >= least for way, least in FLOORS[precision].items())
                context.check("times the plain loop", reached, least=FLOORS[precision], times=times)
    context.tried("rehearsal", lambda: _rehearsed(context, bench))


def _rehearsed(context: Context, bench: Bench) -> None:
    """Tell what a rehearsal says, and how long it takes."""
    from harness.running.workers.choosing import numbers_up_to, rehearse

    bench.way = "graph"
    began = time.perf_counter()
    rates = rehearse(bench.run("adam", "bf16", 7, 4), bench, numbers_up_to(16))
    seconds = time.perf_counter() - began
    context.say(rehearsed={number: round(rate) for number, rate in rates.items()}, seconds=round(seconds, 2))


def resnet18(context: Context) -> None:
    """Measure resnet18, 96 px, batch 256, with a crew of four, beside the bare limit on this device."""
    name, side, photos, batch = ("resnet18", 96, 256 * 24, 256) if context.gpu else ("test_resnet", 32, 64, 32)
    bench = bench_of(context, name, side, photos, batch)
    backbone = bench.registry.get("backbone", name, bench.contracts.Backbone)
    build = partial(backbone.build, (3, side, side), CLASSES)
    context.tried("bare", lambda: bare_crew(context, build, side, batch, photos, "sgd", bf16=True, members=4))
    _all_ways(context, bench, "sgd", "bf16", epochs=3, members=4, least_crew=60_000)
    _all_ways(context, bench, "adam", "fp32", epochs=2, members=2)


def _all_ways(
    context: Context, bench: Bench, optimizer: str, precision: str, epochs: int, members: int, least_crew: float = 0.0
) -> dict[str, Trained]:
    runs = [bench.run(optimizer, precision, seed, epochs) for seed in range(members)]
    what = f"{bench.backbone}, {optimizer}, {precision}"
    results: dict[str, Trained] = {}
    for way, taking_part in (("eager", runs[:1]), ("graph", runs[:1]), ("crew", runs)):
        result = context.tried(f"{what}, {way}", lambda t=taking_part, w=way: trained(bench, t, w))
        if result:
            results[way] = result
    _tell_equal(context, what, results, members)
    if least_crew and "crew" in results and context.gpu:
        context.check(f"{what}: crew {least_crew:,.0f} images a second", results["crew"].speed >= least_crew)
    return results


def _tell_equal(context: Context, what: str, results: dict[str, Trained], members: int) -> None:
    """Tell whether the ways gave equal weights and metrics, and how fast they were."""
    eager = results.get("eager")
    others = {way: result for way, result in results.items() if way != "eager" and eager}
    gaps = {way: same(eager.weights, other.weights) for way, other in others.items()} if eager else {}
    unequal = [way for way, other in others.items() if eager and other.metrics != eager.metrics]
    context.check(
        f"{what}: eager, graph and crew are equal", len(others) == 2 and not any(gaps.values()) and not unequal,
        images_per_second={way: round(result.speed) for way, result in results.items()}, members=members, gaps=gaps,
        unequal_metrics=unequal,
        ways=sorted({result.way[:160] for result in results.values()}),
        until_captured={way: round(result.captured_after, 2) for way, result in results.items()},
    )  # fmt: skip


# --- a GPU that is too small for the crew ------------------------------------------------------------------------


def little_memory(context: Context) -> None:
    """Have a crew of four on a GPU that holds two of them: some are put back, and all come to what they come to alone."""
    if not context.gpu:
        context.say(skipped="there is no GPU whose memory could be limited")
        return
    import torch

    bench = bench_of(context, "resnet18", 96, 256 * 6, 256)
    runs = [bench.run("adam", "fp32", seed, 2) for seed in range(4)]
    alone = [trained(bench, [run], "graph").weights for run in runs]
    one, total = torch.cuda.max_memory_reserved(), torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2.4 * one / total)
    put_back = sum(event is None for _, event in stepped(bench, runs, 4))
    gaps = [same(weights, flat_weights(bench.made[run.id])) for run, weights in zip(runs, alone, strict=True)]
    context.check("runs without memory are put back", put_back > 0 and not any(gaps), put_back=put_back, gaps=gaps,
                  gb_alone=round(one / 1e9, 2))  # fmt: skip


# --- what short runs cost beside their steps ---------------------------------------------------------------------


def short_runs(context: Context) -> None:
    """Measure a crew of eight whose runs are as short as the flagship's, and where the processor's time goes."""
    bench = bench_of(context, "lesson_cnn", 32, context.sized(1024, 128), batch_size=64)
    epochs, count = context.sized(20, 2), context.sized(24, 3)
    runs = [bench.run(name, "bf16", seed, epochs) for seed in range(count // 3) for name in OPTIMIZERS]
    list(stepped(bench, runs[:3], 3))  # the first of each kind is compared with eager steps
    with sampled(context.gpu, every=0.02) as busy:
        begins, began = time.time(), time.perf_counter()
        list(stepped(bench, runs, 8))
        context.wait()
        seconds = time.perf_counter() - began
    images = len(runs) * epochs * (len(bench.train) // bench.batch_size) * bench.batch_size
    context.say(
        runs=len(runs), epochs=epochs, seconds=round(seconds, 2), ms_a_run=round(1000 * seconds / len(runs), 1),
        images_per_second=round(images / seconds), busy=busy.share(begins, begins + seconds),
    )  # fmt: skip
    context.tried("profile", lambda: _profile(context, bench, runs))


def _profile(context: Context, bench: Bench, runs: list[Any]) -> None:
    """Tell which functions the processor spends most time in: with those that they call, and by themselves."""
    import cProfile
    import pstats

    profile = cProfile.Profile()
    profile.runcall(lambda: list(stepped(bench, runs, 8)))
    rows = []
    for (file, line, name), (_, calls, own, cumulated, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        place = f"{file.rsplit('/', 1)[-1]}:{line}:{name}"[-48:]
        rows.append((place, calls, own, cumulated))
    for title, key, most in (("cumulated", 3, 34), ("own", 2, 22)):
        best = sorted(rows, key=lambda row: -row[key])[:most]
        context.say(profile=title, rows=[f"{row[0]} {row[1]} {row[key]:.2f}" for row in best])
