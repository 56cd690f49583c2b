"""Where a schedule says that its cycles end is where its rate jumps up again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.plugin.contracts import Scheduler
from harness.testing.outcomes import NotApplicable
from harness.testing.schedulers import QUICK, cycle_ends

LENGTHS = [21, 50, 140, 999]  # no cycle of one step, in which nothing falls


def restarts(scheduler, total, settings):
    """Return, by brute force, the steps after which the rate rises; 1 is the first."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = scheduler.build(optimizer, total, **scheduler.settings(settings))
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return [step for step in range(1, total) if rates[step] > rates[step - 1]]


@pytest.mark.parametrize("total", LENGTHS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cycles": 1},
        {"cycles": 3, "cycle_mult": 1.0},
        {"cycles": 3, "cycle_mult": 2.0, "floor": 0.1},
        {"cycles": 2, "cycle_mult": 1.37},
        {"cycles": 2, "cycle_mult": 0.5},
    ],
)
def test_sgdr(registry, total, settings):
    scheduler = registry.get("scheduler", "sgdr", Scheduler)
    ends = scheduler.cycle_ends(total, **scheduler.settings(settings))
    assert ends == [*restarts(scheduler, total, settings), total]


@pytest.mark.parametrize("total", LENGTHS)
def test_every_schedule_whose_rate_jumps_up_in_the_middle_says_where(registry, total):
    silent = []
    for scheduler in registry.all("scheduler"):
        if not scheduler.per_epoch:
            jumps = restarts(scheduler, total, {})
            rising = set(range(1, max(jumps) + 1)) == set(jumps) if jumps else True  # a warm-up, not restarts
            if not rising and scheduler.cycle_ends is None:
                silent.append(scheduler.name)
    assert silent == []


def test_cycles_shorter_than_a_step_have_no_end(registry):
    scheduler = registry.get("scheduler", "sgdr", Scheduler)
    assert scheduler.cycle_ends(2) == [1, 2]
    assert scheduler.cycle_ends(1, cycles=8) == [1]


@pytest.mark.parametrize("wrong", [[], [0, 7], [3, 3, 7], [5, 2, 7], [2, 6]])
def test_the_check_finds_ends_that_are_none(registry, wrong):
    assert cycle_ends in QUICK
    sgdr = registry.get("scheduler", "sgdr", Scheduler)
    cycle_ends(sgdr)
    with pytest.raises(AssertionError, match="must be rising step numbers from 1, the last one"):
        cycle_ends(replace(sgdr, cycle_ends=lambda total_steps, **_: wrong if total_steps == 7 else [total_steps]))
    with pytest.raises(NotApplicable):
        cycle_ends(registry.get("scheduler", "cosine", Scheduler))
