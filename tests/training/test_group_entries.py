"""What a schedule moves beside the learning rate: refused where it was chosen, recorded where it is a mere default."""

from __future__ import annotations

import json

import pytest
import torch

from harness.errors import PluginError
from harness.plugin.contracts import Optimizer, Scheduler
from harness.plugin.runs import Failed, State
from harness.training import group_entries
from harness.training.loop import execute, train

SGD = Optimizer("heavy", torch.optim.SGD, {}, {"lr": 0.1, "momentum": 0.9})
ADAM = Optimizer("adam", torch.optim.Adam, {}, {"lr": 1e-3})
ONE_CYCLE = Scheduler(
    "cycling", lambda optimizer, total: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=total + 1)
)


class _Late(torch.optim.lr_scheduler.LambdaLR):
    """Sets the momentum to 0 at its eighth step, in the second epoch."""

    def step(self, *args):
        super().step(*args)
        if self.last_epoch == 8:
            self.optimizer.param_groups[0]["momentum"] = 0.0


LATE = Scheduler("late", lambda optimizer, total: _Late(optimizer, lambda _: 1.0))


def test_numbers_and_numbers_of_tuples_are_compared_and_nothing_else():
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.Adam([{"params": [weight]}, {"params": [torch.nn.Parameter(torch.zeros(1))], "eps": 1e-3}])
    before = group_entries.copy_groups(optimizer)
    assert group_entries.changed_entries(before, optimizer.param_groups) == []
    first, second = optimizer.param_groups
    first |= {"lr": 0.5, "initial_lr": 0.5, "betas": (0.8, 0.999), "foreach": True, "anything": 1.0}
    second["eps"] = 1e-2
    assert group_entries.changed_entries(before, optimizer.param_groups) == ["betas[0]", "eps"]
    assert group_entries.value_of(optimizer.param_groups, "betas[0]") == 0.8
    assert group_entries.value_of(optimizer.param_groups, "betas[1]") == 0.999


@pytest.mark.parametrize(
    ("entry", "chosen", "found"),
    [
        ("momentum", ["lr", "momentum"], "momentum"),
        ("momentum", ["lr", "beta1"], None),
        ("betas[0]", ["lr", "beta1", "beta2"], "beta1"),
        ("betas[1]", ["lr", "beta1"], None),
        ("betas[1]", ["betas"], "betas"),
    ],
)
def test_an_entry_holds_the_hyperparameter_of_its_name(entry, chosen, found):
    assert group_entries.overwritten_setting(entry, chosen) == found


@pytest.mark.parametrize(("optimizer", "chosen"), [(SGD, {"momentum": 0.5}), (ADAM, {"lr": 1e-3, "eps": 1e-8})])
def test_a_chosen_hyperparameter_that_the_schedule_overwrites_is_refused(parts_of, optimizer, chosen):
    if "eps" in chosen:  # is not overwritten
        assert parts_of(optimizer, chosen, ONE_CYCLE).moved == {"betas[0]": None}
        return
    with pytest.raises(
        PluginError, match=r"scheduler 'cycling': must leave 'momentum' .*, got 0.95 for 0.5 in .*momentum"
    ):
        parts_of(optimizer, chosen, ONE_CYCLE)


def test_one_that_is_overwritten_late_ends_the_run_with_its_reason(parts_of):
    bench = type(
        "Bench", (), {"parts": lambda _, run: parts_of(SGD, {"momentum": 0.5}, LATE), "state": lambda *_: None}
    )()
    *epochs, failed = execute(parts_of(SGD, {}, LATE).run, bench)
    assert len(epochs) == 1
    assert isinstance(failed, Failed)
    assert "scheduler 'late': must leave 'momentum'" in failed.reason
    assert "got 0 for 0.5" in failed.reason


def test_what_a_schedule_moves_is_recorded_with_every_epoch_also_after_a_resume(parts_of):
    parts = parts_of(SGD, {}, ONE_CYCLE)
    records, states = [], []
    for epoch in train(parts.run, parts):
        records.append(dict(epoch.metrics))
        states.append(epoch.state())
    momenta = [metrics["group.momentum"] for metrics in records]
    assert len(set(momenta)) == 3
    assert all(0.85 <= momentum <= 0.95 for momentum in momenta)
    for stop in (0, 1):
        again = parts_of(SGD, {}, ONE_CYCLE)
        plain = json.loads(json.dumps(states[stop].plain))
        resumed = [dict(epoch.metrics) for epoch in train(again.run, again, State(states[stop].tensors, plain))]
        assert resumed == records[stop + 1 :]


def test_a_schedule_of_the_rate_alone_leaves_no_such_record(parts_of):
    parts = parts_of(SGD, {})
    assert not [name for epoch in train(parts.run, parts) for name in epoch.metrics if name.startswith("group.")]
