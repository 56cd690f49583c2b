"""Schedules against closed forms and PyTorch's own, and those per epoch in the loop."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from harness.plugin.contracts import Backbone, Optimizer, Scheduler, Split, Task
from harness.plugin.registry import Registry
from harness.plugin.runs import Arm, Run, State
from harness.training.batches import put_on_device
from harness.training.device import Device
from harness.training.ingredients import Ingredients
from harness.training.loop import train
from harness.training.parts import Parts, assemble

TOTAL = 140


def sgd():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def rates(optimizer, schedule, steps=TOTAL, losses=None):
    """Return the rate of every step, the one after the last included."""
    seen = []
    for step in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(*([] if losses is None else [losses[step]]))
    return [*seen, optimizer.param_groups[0]["lr"]]


@pytest.fixture
def rates_of(registry: Registry):
    """Return a function that returns the rates of a schedule whose peak is 1."""

    def run(name, total=TOTAL, losses=None, **settings):
        scheduler = registry.get("scheduler", name, Scheduler)
        optimizer = sgd()
        steps = len(losses) if losses else total
        return rates(optimizer, scheduler.build(optimizer, total, **scheduler.settings(settings)), steps, losses)

    return run


RISE = [(step + 1) / 15 for step in range(14)]  # a tenth of TOTAL


@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_linear(rates_of, floor):
    falling = [1 - (1 - floor) * i / 126 for i in range(127)]
    assert rates_of("linear", warmup=0.1, floor=floor) == pytest.approx(RISE + falling)


def test_exponential(rates_of):
    assert rates_of("exponential", warmup=0.1, end=1e-3) == pytest.approx(
        RISE + [1e-3 ** (i / 126) for i in range(127)]
    )


@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_wsd(rates_of, floor):
    decay = [1 - (1 - floor) * i / 28 for i in range(29)]
    assert rates_of("wsd", warmup=0.1, decay=0.2, floor=floor) == pytest.approx(RISE + [1.0] * (112 - 14) + decay)


def test_step(rates_of):
    assert rates_of("step", warmup=0.1) == pytest.approx(RISE + [1.0] * 56 + [0.1] * 35 + [0.01] * 36)
    three = rates_of("step", warmup=0.0, gamma=0.5, at="0.25 0.5 0.9")
    assert three == pytest.approx([1.0] * 35 + [0.5] * 35 + [0.25] * 56 + [0.125] * 15)
    assert rates_of("step", warmup=0.0, at=0.5) == pytest.approx([1.0] * 70 + [0.1] * 71)


def test_sgdr_with_three_cycles_twice_as_long_each_is_the_lessons_one_two_four_epochs(rates_of):
    optimizer = sgd()
    theirs = rates(optimizer, lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=20, T_mult=2))  # 20 a batch
    ours = rates_of("sgdr", cycles=3, cycle_mult=2)
    assert ours[:-1] == pytest.approx(theirs[:-1])
    assert [step for step, rate in enumerate(ours) if rate == 1.0] == [0, 20, 60]
    assert ours[-1] == 0.0  # where theirs would begin a fourth


def test_sgdr_with_equal_cycles_and_a_floor(rates_of):
    one = [0.2 + 0.8 * (1 + math.cos(math.pi * i / 70)) / 2 for i in range(70)]
    assert rates_of("sgdr", cycles=2, cycle_mult=1, floor=0.2) == pytest.approx([*one, *one, 0.2])


def test_sgdr_with_more_cycles_than_steps_starts_each_at_a_whole_step(rates_of):
    assert rates_of("sgdr", total=3, cycles=8, cycle_mult=1) == pytest.approx([1.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize("settings", [{}, {"pct_start": 0.45, "div": 10.0, "final_div": 100.0}])
def test_one_cycle_is_pytorchs_without_the_momentum(rates_of, settings):
    optimizer = sgd()
    given = {"pct_start": 0.3, "div": 25.0, "final_div": 1e4, **settings}
    schedule = lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1.0,
        total_steps=TOTAL,
        pct_start=given["pct_start"],
        div_factor=given["div"],
        final_div_factor=given["final_div"],
        cycle_momentum=False,
    )
    theirs = rates(optimizer, schedule, TOTAL - 1)
    assert rates_of("one_cycle", **settings)[:-1] == pytest.approx(theirs)
    assert theirs[0] == pytest.approx(1 / given["div"])


def test_plateau_falls_when_the_loss_has_not_fallen_for_patience_epochs(rates_of):
    losses = [1.0, 0.9, 0.95, 0.95, 0.95, 0.8, 0.8, 0.8, 0.8]
    found = rates_of("plateau", losses=losses, patience=2, factor=0.5)
    assert found == pytest.approx([1.0] * 5 + [0.5] * 4 + [0.25])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("wsd", {"warmup": 0.5, "decay": 0.6}, r"warmup \+ decay must be at most 1"),
        ("sgdr", {"cycles": 0}, "cycles must be >= 1"),
        ("exponential", {"end": 0.0}, r"end must be in \(0, 1\]"),
    ],
)
def test_a_setting_that_makes_no_schedule_is_refused(rates_of, name, settings, message):
    with pytest.raises(ValueError, match=message):
        rates_of(name, **settings)


def linear(input_shape, outputs):
    return torch.nn.Linear(input_shape[0], outputs)


@pytest.fixture
def parts_of(registry: Registry):
    """Return a function that assembles a run of a linear network on rows that cannot be learned, 5 batches an epoch."""

    def make(scheduler: str, epochs: int = 8, **settings) -> Parts:
        random = np.random.default_rng(0)
        rows = random.normal(size=(40, 4)).astype(np.float32)
        split = put_on_device(
            Split(rows, random.integers(0, 2, 40), tuple(map(str, range(40)))), Device("cpu", "fp32", 1)
        )
        use = Ingredients(
            task=registry.get("task", "classification", Task),
            backbone=Backbone("linear", linear),
            optimizer=registry.get("optimizer", "sgd", Optimizer),
            scheduler=registry.get("scheduler", scheduler, Scheduler),
            outputs=2,
            train=split,
            tune=split,
            test=None,
        )
        run = Run(
            phase="compare", arm=Arm("linear", "sgd", scheduler), optimizer={"lr": 0.5}, scheduler=settings, epochs=epochs,
            batch_size=8, l2=0.0, augment=(), precision="fp32", task="classification", init_seed=1, order_seed=2, data="",
            plugins={},
        )  # fmt: skip
        return assemble(run, use, Device("cpu", "fp32", 1))

    return make


def test_a_schedule_per_epoch_is_stepped_once_an_epoch_with_the_running_loss(parts_of):
    parts, seen = parts_of("plateau"), []
    parts.schedule.step = seen.append
    losses = [epoch.metrics["running_loss"] for epoch in train(parts.run, parts)]
    assert seen == losses
    assert len(losses) == 8


def test_a_schedule_per_batch_is_stepped_once_a_batch_with_nothing(parts_of):
    parts, seen = parts_of("linear", epochs=2), []
    parts.schedule.step = lambda *loss: seen.append(loss)
    list(train(parts.run, parts))
    assert seen == [()] * 10


@pytest.mark.parametrize("stop", [1, 3, 4, 6])
@pytest.mark.parametrize("scheduler", ["plateau", "sgdr", "one_cycle", "wsd", "step", "exponential", "linear"])
def test_going_on_from_a_saved_state_is_bit_equal(parts_of, scheduler, stop):
    settings = {"patience": 1, "factor": 0.5, "threshold": 0.3} if scheduler == "plateau" else {}
    whole = parts_of(scheduler, **settings)
    records = list(train(whole.run, whole))
    assert len({epoch.lr for epoch in records}) > 2  # the schedule is at work before and after the stop

    first = parts_of(scheduler, **settings)
    state = next(epoch.state() for epoch in train(first.run, first) if epoch.number == stop)
    state = State(state.tensors, json.loads(json.dumps(state.plain)))  # as it comes back from disk
    second = parts_of(scheduler, **settings)
    rest = list(train(second.run, second, state))
    assert [(e.lr, e.metrics) for e in rest] == [(e.lr, e.metrics) for e in records[stop:]]
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name
