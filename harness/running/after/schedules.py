"""The schedule of every tuned arm as numbers, for reports to draw: the learning rate of each step of a comparison run.

They come from the arm's own optimizer and schedule, built on one small parameter and stepped through the whole run, so
they are what the training met and not a formula beside it. A schedule that goes by the loss cannot be known before;
of one the report draws what was recorded.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.plan import Setting
from harness.errors import PluginError, message_of
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Optimizer, Scheduler
from harness.plugin.process_settings import kept
from harness.plugin.runs import Run
from harness.records import Store
from harness.training.snapshots import cycle_ends, cycle_epochs

MOST = 500  # points of an arm
JUMPS = 50  # of the greatest, both sides of each are kept


def note_schedules(setting: Setting, tuned: Mapping[str, Mapping[str, Any]], store: Store) -> None:
    """Record the schedule of every arm, by its tuned parameters, unless it is there already."""
    for arm, params in tuned.items():
        competitor = setting.plan.competitor(arm)
        run = setting.compare_run(competitor, params, seed=0)
        with kept(f"arm {arm}, whose schedule was recorded,"):
            store.once("schedules", {"run_id": run.id}, partial(describe_schedule, run, competitor, setting), part=arm)
    schedules = store.noted("schedules") or {}
    if gone := schedules.keys() - tuned.keys():
        store.note("schedules", {arm: schedule for arm, schedule in schedules.items() if arm not in gone})


def describe_schedule(run: Run, competitor: Competitor, setting: Setting) -> dict[str, Any]:
    """Return an arm's schedule as plain values.

    ``steps`` and ``lr`` are the points of the curve, 1 is the first step, none where they are not known: because it
    goes by the loss (``per_epoch``; ``first`` is the rate it begins with) or for the reason in ``note``. ``cycle_ends``
    are steps, ``kept`` the epochs after which a run keeps its weights.
    """
    scheduler = competitor.scheduler
    rows = len(setting.data_of(run.arm).train)
    per_epoch = rows // min(run.batch_size, rows)
    schedule: dict[str, Any] = {
        "run_id": run.id,
        "steps_per_epoch": per_epoch,
        "epochs": run.epochs,
        "head_epochs": run.head_epochs,
        "per_epoch": scheduler.per_epoch,
        "steps": [],
        "lr": [],
        "cycle_ends": [],
        "kept": [],
        "note": "",
    }
    try:
        with Boundary("scheduler", scheduler.name, "give its curve", everything=True):
            return schedule | _curve(run, competitor, per_epoch)
    except PluginFailed as error:  # the run itself ended well
        is_plain = isinstance(error.raised, PluginError)  # it says what is wrong, and needs no type
        return schedule | {"note": message_of(error.raised) if is_plain else error.why}


def _curve(run: Run, competitor: Competitor, per_epoch: int) -> dict[str, Any]:
    """Return what is known of the curve before the run."""
    optimizer, scheduler = competitor.optimizer, competitor.scheduler
    head = run.head_epochs * per_epoch
    stages = [stage * per_epoch for stage in (run.head_epochs, run.epochs - run.head_epochs) if stage]
    if scheduler.per_epoch:
        rates(run, optimizer, scheduler, stages[0], 1)  # raises where there is none
        return {}
    curve: list[float] = []
    for total in stages:
        curve += rates(run, optimizer, scheduler, total, total)
    places = thinned(curve)
    ends = [head + end for end in cycle_ends(run, scheduler, per_epoch)]
    return {
        "steps": [place + 1 for place in places],
        "lr": [float(f"{curve[place]:.8g}") for place in places],
        "cycle_ends": ends,
        "kept": list(cycle_epochs(run, scheduler, per_epoch)),
    }


def rates(run: Run, optimizer: Optimizer, scheduler: Scheduler, total: int, count: int) -> list[float]:
    """Return the learning rates of the first ``count`` steps of a stage of ``total``, as the first group has them."""
    import torch

    from harness.training.stages import build_optimizer
    from harness.training.surroundings import surround

    weights = [torch.nn.Parameter(torch.zeros(2, 2))]
    settings = optimizer.settings(run.optimizer) | surround(weights, total).keywords(optimizer)
    built = build_optimizer(optimizer, settings, [weights])
    schedule = scheduler.build(built, total, **scheduler.settings(run.scheduler))
    curve = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*optimizer.step.*")  # there are no gradients to step with
        for _ in range(count):
            if "lr" not in built.param_groups[0]:
                raise PluginError("the optimizer has no learning rate")
            curve.append(float(built.param_groups[0]["lr"]))
            schedule.step(*([1.0] if scheduler.per_epoch else []))
    return curve


def thinned(curve: Sequence[float]) -> list[int]:
    """Return the places of at most ``MOST`` points: all, or evenly spread ones and both sides of the greatest jumps."""
    if len(curve) <= MOST:
        return list(range(len(curve)))
    spread = MOST - 2 * JUMPS
    places = {round(i * (len(curve) - 1) / (spread - 1)) for i in range(spread)}
    jumps = sorted(range(1, len(curve)), key=lambda i: (-abs(curve[i] - curve[i - 1]), i))[:JUMPS]
    return sorted({*places, *jumps, *(jump - 1 for jump in jumps)})
