"""What a benchmark says on workers, and about how much work there is for them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.benchmark.plan import Setting
from harness.data.limits import usable_memory
from harness.plugin.contracts import Staffing


def staffing_of(setting: Setting) -> Staffing:
    """Return what executors with workers need to know of a benchmark."""
    train, gpus = setting.plan.benchmark.train, _usable_gpus(setting)
    return Staffing(
        workers=train.workers,
        crew=train.crew,
        max_seconds=train.max_seconds,
        max_memory=train.max_memory,
        device=setting.device.name,
        threads=setting.device.threads,
        gpus=len(gpus),
        gpu_memory=_least_memory(gpus),
        memory=usable_memory() / 1e9,
        steps=sum(map(float, _steps_of_arms(setting))),
    )


def _usable_gpus(setting: Setting) -> list[int]:
    """Return the GPUs that the benchmark may use: all, unless it names one."""
    if setting.device.type != "cuda":
        return []
    if ":" in setting.plan.benchmark.train.device:
        return [int(setting.device.name.partition(":")[2])]
    import torch

    return list(range(torch.cuda.device_count()))


def _least_memory(gpus: Sequence[int]) -> float:
    """Return how many 10^9 bytes the smallest of these GPUs has; 0 without any."""
    if not gpus:
        return 0.0
    import torch

    return min(torch.cuda.get_device_properties(index).total_memory for index in gpus) / 1e9


def _steps_of_arms(setting: Setting) -> list[int]:
    """Return for every arm about how many steps it is trained for in all, search and comparison."""
    steps = []
    for competitor in setting.plan.competitors:
        benchmark = competitor.benchmark
        search, compare = benchmark.search, benchmark.compare
        at_full_length = compare.seeds + min(search.confirm, search.trials)
        epochs = search.trials * (search.epochs[0] + search.epochs[-1]) // 2 + at_full_length * compare.epochs
        epochs *= compare.looks[0]  # to the first look; how many more there are is not known yet
        examples = len(setting.data_of(competitor.arm).train)
        steps.append(epochs * max(1, examples // benchmark.train.batch_size))
    return steps
