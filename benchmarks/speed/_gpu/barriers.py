"""The barrier of one pair of resnet18 at 96 px, and one sweep of weight matching."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from _gpu.setting import Context
from _gpu.steps import bench_of, trained_parts

ROUNDS = 3
POINTS, IMAGES = 11, 2048


def barrier(context: Context) -> None:
    """Time the probe that measures barriers, as the harness calls it, and the matching inside it."""
    name, side = ("resnet18", 96) if context.gpu else ("test_resnet", 32)
    bench = bench_of(context, name, side, photos=context.sized(4096, 128), batch_size=context.sized(256, 32))
    pair = [trained_parts(bench, seed, epochs=1) for seed in range(2)]
    probe = bench.registry.get("probe", "connectivity", bench.contracts.Probe)
    images = context.sized(IMAGES, 64)
    options = {"alphas": POINTS, "images": images, "bn_images": images, "naive": False}
    seconds, numbers = timed(context, lambda: probe.measure(*pair, **{**probe.options, **options}), ROUNDS)
    told = {key: round(float(value), 5) for key, value in numbers.items() if getattr(value, "ndim", 0) == 0}
    context.check("a barrier in 1.5 s or less", min(seconds) <= 1.5, seconds=[round(s, 3) for s in seconds], **told)
    context.tried("matching", lambda: matching(context, pair))


def matching(context: Context, pair: list[Any]) -> None:
    """Time weight matching from one start: all sweeps until nothing moves."""
    from harness_plugins.probes._connect.alignment import shared_symmetry
    from harness_plugins.probes._connect.matching import by_weights

    first, second = sorted(pair, key=lambda parts: parts.run.id)
    symmetry = shared_symmetry(first, second)
    weights = [parts.model.state_dict() for parts in (first, second)]
    seconds, _ = timed(context, lambda: by_weights(*weights, symmetry, tries=1), ROUNDS)
    context.say(matching_seconds=[round(s, 3) for s in seconds], spaces=len(symmetry.spaces))


def timed(context: Context, do: Callable[[], Any], rounds: int) -> tuple[list[float], Any]:
    """Return the seconds of every round, the device's work included, and what the last one gave."""
    seconds, value = [], None
    for _ in range(rounds):
        context.wait()
        began = time.perf_counter()
        value = do()
        context.wait()
        seconds.append(time.perf_counter() - began)
    return seconds, value
