"""What a run would cost on this machine, from a few timed steps: the whole of ``harness plan``."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harness.device import environment
from harness.plan import Competitor, Setting
from harness.preparation import Request, prepare
from harness.progress import Reporter, duration
from harness.workbench import Bench

if TYPE_CHECKING:
    from harness.training.parts import Parts

SECONDS_PER_ARM = 2.0  # of timing, after a warm-up
SECONDS_PER_ASK = 0.02  # of Optuna on SQLite, measured over twenty trials of two parameters
BYTES_PER_EPOCH = 430  # the flagship's run.db over its epochs


def estimate(request: Request, reporter: Reporter) -> dict[str, Any]:
    """Return runs, seconds and bytes per arm and in all; no run folder is written."""
    setting = prepare(request, reporter).setting
    arms = [_arm(setting, competitor) for competitor in setting.plan.competitors]
    folds = setting.plan.benchmark.compare.folds
    longest = max(arm["seconds_per_seed"] for arm in arms)  # which arm will be best, nobody knows
    folder = request.out / setting.folder_name
    return {
        "name": setting.plan.benchmark.name,
        "folder": str(folder),
        "exists": folder.is_dir(),
        "data": {"source": setting.data.source, "notice": setting.data.notice, "fingerprint": setting.data.fingerprint},
        "environment": environment(setting.device),
        "arms": arms,
        "runs": sum(arm["trials"] + arm["seeds"] for arm in arms) + folds,
        "seconds": sum(arm["seconds"] for arm in arms) + folds * longest,
        "bytes": sum(arm["bytes"] for arm in arms),
    }


def _arm(setting: Setting, competitor: Competitor) -> dict[str, Any]:
    """Time one arm: some steps, one look at the tune split, one at the test split."""
    benchmark = setting.plan.benchmark
    params = {name: _middle(space) for name, space in competitor.space.items()}
    run = replace(setting.compare_run(competitor, params, seed=0), head_epochs=0)  # the costlier stage is timed
    parts = Bench(setting, lambda _: None).parts(run)
    step = _step_seconds(parts)
    tune = _seconds(partial(parts.predict, parts.use.tune))
    test = _seconds(partial(parts.predict, parts.use.test or parts.use.tune, exact=True))
    epoch = step * len(parts.batches) + tune
    low, high = benchmark.search.epochs[0], benchmark.search.epochs[-1]
    trials, seeds = benchmark.search.trials, benchmark.compare.seeds
    epochs = trials * (low + high) / 2 + seeds * benchmark.compare.epochs
    weights = sum(t.numel() * t.element_size() for t in parts.model.state_dict().values())
    kept = 1 + len(parts.snapshots.epochs)
    predictions = 4 * parts.use.outputs * (kept * len(setting.data.test) + len(setting.data.tune))
    examples = parts.batches.batch_size / step
    return {
        "arm": competitor.arm.name,
        "trials": trials,
        "seeds": seeds,
        "epochs": epochs,
        "parameters": sum(p.numel() for p in parts.parameters),
        "examples_per_second": examples,
        "seconds_per_seed": benchmark.compare.epochs * epoch,
        "seconds": trials * SECONDS_PER_ASK
        + epochs * epoch
        + seeds * test * (1 + len(parts.use.train) / len(setting.data.test)),
        "bytes": seeds * (kept * weights + predictions) + 3 * weights + int(epochs * BYTES_PER_EPOCH),
    }


def _middle(space: Any) -> Any:
    """Return a value inside a distribution, near the middle."""
    if hasattr(space, "choices"):
        return space.choices[0]
    middle = (space.low * space.high) ** 0.5 if space.log else (space.low + space.high) / 2
    return int(middle) if isinstance(space.low, int) else middle


def _step_seconds(parts: Parts) -> float:
    """Return seconds per optimizer step, the median after a warm-up."""
    found: list[float] = []
    until = 0.0
    for _ in parts.resume(None, 1):
        for epoch in range(1, 10_000):
            for inputs, targets in parts.batches.of(epoch):
                with parts.clock:
                    parts.step(inputs, targets)
                found.append(parts.clock.seconds)
                until = until or time.monotonic() + SECONDS_PER_ARM
                if len(found) > 8 and time.monotonic() > until:
                    steps = sorted(b - a for a, b in pairwise(found[4:]))
                    return steps[len(steps) // 2]
    raise AssertionError("an epoch has at least one batch")


def _seconds(work: Any) -> float:
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def lines(found: dict[str, Any]) -> list[str]:
    """Return the estimate for a person."""
    hardware = found["environment"]["hardware"]
    out = [
        f"{found['name']}: {found['runs']} runs on {hardware['device']} ({hardware['precision']}, {hardware['threads']} threads)"
    ]
    out.append(f"data: {found['data']['source']}")
    out += [
        (
            f"  {arm['arm']}: {arm['trials']} trials, {arm['seeds']} seeds, about {arm['epochs']:.0f} epochs "
            f"at {arm['examples_per_second']:,.0f} examples/s: {duration(arm['seconds'])}, {arm['parameters']:,} parameters"
        )
        for arm in found["arms"]
    ]
    out.append(
        f"in all about {duration(found['seconds'])} and {found['bytes'] / 1e6:.0f} MB in {found['folder']}{' (already begun)' if found['exists'] else ''}"
    )
    return out
