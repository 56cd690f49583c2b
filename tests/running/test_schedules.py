"""The schedules that a report draws are those that the runs recorded."""

from __future__ import annotations

import numpy as np
import pytest

from harness.console.progress import Reporter
from harness.plugin.contracts import Optimizer, Scheduler
from harness.records import open_records
from harness.running.after import schedules
from harness.running.after.schedules import MOST, describe_schedule, thinned
from harness.running.prepare import Request, prepare
from harness.running.start import run
from harness.running.workbench import Bench
from harness.training.loop import train

ARMS = '"sgd", "adam", "muon", "ema(sgd)", "sam(adam)", "lbfgs", "schedulefree"'


@pytest.mark.parametrize("schedule", ["sgdr", "one_cycle", "cosine"])
def test_at_every_epochs_beginning_the_drawn_rate_is_the_recorded_one(benchmark_file, schedule):
    names = 'optimizers = ["sgd", "adam"]', f'optimizers = [{ARMS}]\nschedulers = ["{schedule}"]'
    setting = prepare(Request(benchmark_file(("epochs = 2\n", "epochs = 7\n"), names)), Reporter(quiet=True))
    bench = Bench(setting, lambda _: None)
    for competitor in setting.plan.competitors:
        run = setting.compare_run(competitor, {"epochs": 1}, seed=0)
        about = describe_schedule(run, competitor, setting)
        assert about["note"] == ""
        assert about["steps"] == list(range(1, 7 * about["steps_per_epoch"] + 1))
        for epoch in train(run, bench.parts(run)):
            assert epoch.steps == epoch.number * about["steps_per_epoch"]
            began = (epoch.number - 1) * about["steps_per_epoch"]
            assert about["lr"][began] == pytest.approx(epoch.lr, rel=1e-6), run.arm.name
        ends = [epoch * about["steps_per_epoch"] for epoch in (1, 3, 7)]
        assert about["cycle_ends"] == (ends if run.arm.scheduler == "sgdr" else [])
        assert about["kept"] == []


@pytest.mark.usefixtures("unreported")
def test_a_run_records_them_once_and_one_by_the_loss_is_not_made_up(benchmark_file, tmp_path, monkeypatch):
    file = benchmark_file(
        ("trials = 3", "trials = 1"), ("epochs = [1, 2]", "epochs = [1]"), ("seeds = 2", "seeds = 1"),
        ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]\nschedulers = ["plateau", "sgdr"]'),
    )  # fmt: skip

    def carry_out():
        assert run(Request(file, out=tmp_path / "runs"), Reporter(quiet=True)) == 0
        return open_records(next((tmp_path / "runs").iterdir()))

    records = carry_out()
    plateau, sgdr = (records.meta.schedules[arm] for arm in records.meta.arms)
    tuned = dict(zip(records.arms["arm"], records.arms["tuned_params"], strict=True))
    assert (plateau["per_epoch"], plateau["steps"], plateau["lr"]) == (True, [], [])
    began = records.epochs.query("phase == 'compare' and epoch == 1 and arm == 'lesson_cnn/sgd/plateau'")["lr"]
    assert began.tolist() == pytest.approx([tuned["lesson_cnn/sgd/plateau"]["lr"]] * len(began))
    assert max(sgdr["lr"]) == pytest.approx(tuned["lesson_cnn/sgd/sgdr"]["lr"])
    monkeypatch.setattr(schedules, "describe_schedule", lambda *_: pytest.fail("must not be made again"))
    assert carry_out().meta.schedules == records.meta.schedules


def setting_of(file, optimizer=None, **scheduler):
    """Return an arm's run, its competitor and the setting, with another schedule."""
    from dataclasses import replace

    setting = prepare(Request(file), Reporter(quiet=True))
    competitor = setting.plan.competitors[0]
    if scheduler:
        competitor = replace(competitor, scheduler=Scheduler("mine", **scheduler))
    if optimizer:
        competitor = replace(competitor, optimizer=optimizer)
    return setting.compare_run(competitor, {"lr": 0.5, "epochs": 1}, 0), competitor, setting


def test_an_optimizer_without_a_rate_and_a_plugin_that_fails_are_named(benchmark_file):
    import torch

    def without(parameters, **_):
        optimizer = torch.optim.SGD(parameters, lr=1.0)
        del optimizer.param_groups[0]["lr"]
        return optimizer

    class Still:
        step = state_dict = load_state_dict = lambda self, *_: None

    free = Optimizer("free", without, {})
    found = describe_schedule(*setting_of(benchmark_file(), free, build=lambda *_, **__: Still()))
    assert found["steps"] == []
    assert found["note"].startswith("every parameter group must have an 'lr', which schedules move, got one without")
    found = describe_schedule(*setting_of(benchmark_file(), build=lambda *_, **__: 1 / 0))
    assert found["note"] == "ZeroDivisionError: division by zero"


def test_the_stage_of_the_head_has_a_schedule_of_its_own(benchmark_file):
    from dataclasses import replace

    run, competitor, setting = setting_of(benchmark_file(("epochs = 2\n", "epochs = 5\n")))
    whole = describe_schedule(replace(run, epochs=3), competitor, setting)
    head = describe_schedule(replace(run, epochs=2), competitor, setting)
    both = describe_schedule(replace(run, head_epochs=2), competitor, setting)
    assert both["lr"] == head["lr"] + whole["lr"]


@pytest.mark.parametrize("length", [1, 7, MOST, MOST + 1, 16_000])
def test_few_points_are_enough_and_jumps_stay_sharp(length):
    curve = [0.1 ** (3 * i // length) for i in range(length)]  # a staircase of two drops
    places = thinned(curve)
    assert len(places) <= MOST
    assert places == sorted({*places})
    assert (places[0], places[-1]) == (0, length - 1)
    drawn = np.interp(range(length), places, [curve[i] for i in places])
    np.testing.assert_allclose(drawn, curve)
