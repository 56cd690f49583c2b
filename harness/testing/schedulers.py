"""What a schedule must do: build, peak at the rate it is given, fit the length of the run, and keep its state."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from harness.errors import PluginError, one_line
from harness.plugin.contracts import Optimizer, Scheduler
from harness.testing.driving import torch_check
from harness.testing.optimizers.building import defaults_in_space
from harness.testing.outcomes import NotApplicable, require
from harness.testing.spaces import ends
from harness.training.rehearsal import Moved, moved_entries
from harness.training.state import flatten, restore

PEAK = 0.5
TOTALS = (1, 2, 7, 100)  # steps of a run


@torch_check
def builds(offer: Scheduler) -> str:
    """It builds from its defaults and from the ends of its space, for short runs too, and steps to their end."""
    for name, settings in ends(offer).items():
        for total in TOTALS:
            try:
                _rates(offer, total, settings)
            except Exception as error:
                raise AssertionError(
                    f"must build and step through {total} steps at {name} of its space, got {one_line(error)}"
                ) from error
    return ""


@torch_check
def non_negative(offer: Scheduler) -> str:
    """No rate is below zero or not a number, at any end of its space, up to the one after the last step."""
    for name, settings in ends(offer).items():
        for total in TOTALS:
            for number, rate in enumerate(_rates(offer, total, settings), 1):
                require(
                    math.isfinite(rate) and rate >= 0,
                    f"must give rates of at least 0, got {rate} for step {number} of {total} at {name} of its space",
                )
    return ""


@torch_check
def peaks_at_lr(offer: Scheduler) -> str:
    """Its greatest rate is the one that the optimizer was built with, which is what the search chooses."""
    highest = max(_rates(offer, 100, {})[:-1])
    require(
        0.8 * PEAK <= highest <= (1 + 1e-9) * PEAK,
        f"must peak at the optimizer's own rate, got {highest / PEAK:.3g} x that; multiply the rate by at most 1",
    )
    return f"peak {highest / PEAK:.3g} x lr"


@torch_check
def right_horizon(offer: Scheduler) -> str:
    """A run of twice the length has the same schedule, stretched: the same mean rate in every tenth of it."""
    if offer.per_epoch:
        raise NotApplicable("it goes by the loss, once an epoch")
    short, long = (np.array(_rates(offer, total, {})[:-1]).reshape(10, -1).mean(axis=1) for total in (200, 400))
    off = abs(short - long).max() / PEAK
    tenth = int(abs(short - long).argmax()) + 1
    require(
        off <= 0.1,
        f"must stretch with total_steps, got a mean rate in tenth {tenth} of {short[tenth - 1] / PEAK:.3g} x lr in a run of "
        f"200 steps and of {long[tenth - 1] / PEAK:.3g} x in one of 400; say lengths as parts of total_steps",
    )
    return ""


@torch_check
def state_round_trip(offer: Scheduler) -> str:
    """Its state is plain, and a schedule built anew goes on from it with the same rates, to the last bit."""
    for total in (7, 100):
        uninterrupted = _rates(offer, total, {})
        for stop in (1, total // 2, total - 1):
            resumed = _rates(offer, total, {}, stop)
            wrong = next((i for i, (a, b) in enumerate(zip(uninterrupted, resumed, strict=True), 1) if a != b), 0)
            require(
                not wrong,
                f"must go on from its saved state with the same rates, got {resumed[wrong - 1]} for {uninterrupted[wrong - 1]} at step "
                f"{wrong} of {total} after a stop at {stop}; keep what it counts in state_dict()",
            )
    return ""


@torch_check
def several_groups(offer: Scheduler) -> str:
    """Every parameter group keeps its own rate, times the schedule's one factor."""
    optimizer = _sgd(PEAK, PEAK / 8)
    schedule = offer.build(optimizer, 20, **offer.defaults)
    for number in range(1, 21):
        first, second = (group["lr"] for group in optimizer.param_groups)
        require(
            math.isclose(first, 8 * second, rel_tol=1e-6, abs_tol=1e-12),
            f"must scale every group's own rate, got {second:.3g} at step {number} for a group with an eighth of the rate of "
            f"one that has {first:.3g}; go through all of optimizer.param_groups",
        )
        _step(offer, optimizer, schedule)
    return ""


@torch_check
def moves_lr_alone(offer: Scheduler) -> str:
    """It moves the learning rate, and of the other entries of the groups none, or those named here."""
    seen: dict[str, Moved] = {}
    for optimizer in (
        Optimizer("sgd", torch.optim.SGD, {}, {"lr": PEAK, "momentum": 0.9}),
        Optimizer("adam", torch.optim.Adam, {}, {"lr": PEAK}),
    ):
        for settings in ends(offer).values():
            seen |= moved_entries(optimizer, {}, offer, settings)
    if not seen:
        return ""
    named = ", ".join(f"{entry} ({range_.low:.3g} to {range_.high:.3g})" for entry, range_ in seen.items())
    return f"moves {named} too: an arm that searches or pins one of these is refused"


@torch_check
def cycle_ends(offer: Scheduler) -> str:
    """What it says of its cycles' ends are step numbers, rising, the last one the run's."""
    if offer.cycle_ends is None:
        raise NotApplicable("it declares no cycles")
    for name, settings in ends(offer).items():
        for total in TOTALS:
            steps = list(offer.cycle_ends(total, **offer.settings(settings)))
            require(
                steps == sorted({*steps}) and steps[:1] >= [1] and steps[-1:] == [total],
                f"must be rising step numbers from 1, the last one {total}, got {steps!r:.80} at {name} of its space",
            )
    return ""


def _sgd(*rates: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


def _step(offer: Scheduler, optimizer: torch.optim.Optimizer, schedule: Any) -> None:
    """Step as the loop does; one per epoch is told a loss that never falls."""
    optimizer.step()
    schedule.step(*([1.0] if offer.per_epoch else []))


def _rates(offer: Scheduler, total: int, settings: Mapping[str, Any], stop: int = -1) -> list[float]:
    """Return the rate of every step of a run, and the one after; saved and built anew after step ``stop``."""
    optimizer = _sgd(PEAK)
    schedule: Any = offer.build(optimizer, total, **offer.settings(settings))
    rates = []
    for number in range(1, total + 1):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        _step(offer, optimizer, schedule)
        if number == stop:
            optimizer, schedule = _saved_and_restored(offer, total, settings, optimizer, schedule)
    return [*rates, float(optimizer.param_groups[0]["lr"])]


def _saved_and_restored(
    offer: Scheduler, total: int, settings: Mapping[str, Any], optimizer: torch.optim.Optimizer, schedule: Any
) -> tuple[torch.optim.Optimizer, Any]:
    tensors: dict[str, torch.Tensor] = {}
    try:
        plain = json.loads(json.dumps(flatten(schedule.state_dict(), "state_dict", tensors)))
    except PluginError as error:
        raise AssertionError(str(error)) from error
    fresh = _sgd(PEAK)
    schedule_after: Any = offer.build(fresh, total, **offer.settings(settings))
    fresh.load_state_dict(optimizer.state_dict())
    schedule_after.load_state_dict(restore(plain, tensors))
    return fresh, schedule_after


QUICK = [
    builds, defaults_in_space, non_negative, peaks_at_lr, right_horizon, state_round_trip, several_groups,
    moves_lr_alone, cycle_ends,
]  # fmt: skip
FULL: list[Any] = []
