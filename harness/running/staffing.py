"""What a benchmark says on workers, and about how much work there is for them."""

from __future__ import annotations

from harness.benchmark.plan import Setting
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
        gpus=gpus,
        gpu_memory=_least_memory(gpus),
        steps=sum(map(float, _steps_of_arms(setting))),
    )


def _usable_gpus(setting: Setting) -> int:
    """Return how many GPUs the benchmark may use: all, unless it names one."""
    if setting.device.type != "cuda":
        return 0
    if ":" in setting.plan.benchmark.train.device:
        return 1
    import torch

    return torch.cuda.device_count()


def _least_memory(gpus: int) -> float:
    """Return how many 10^9 bytes the smallest of the first GPUs has; 0 without any."""
    if not gpus:
        return 0.0
    import torch

    return min(torch.cuda.get_device_properties(index).total_memory for index in range(gpus)) / 1e9


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
