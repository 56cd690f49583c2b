"""What goes wrong in a plugin is said in one line that names it; what is not finite is seen."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.errors import Diverged, PluginError
from harness.plugin.contracts import Metric, Optimizer, Scheduler
from harness.training.loop import train

SGD = Optimizer("heavy", torch.optim.SGD, {}, {"lr": 0.1})


class Plain:
    """A wrapper that is no Optimizer."""

    def __init__(self, parameters, lr):
        self.inner = torch.optim.SGD(parameters, lr=lr)
        self.param_groups = self.inner.param_groups


class NoRate(torch.optim.Optimizer):
    def __init__(self, parameters, lr):
        super().__init__(parameters, {"rate": lr})


class ZeroGrad(torch.optim.SGD):
    """As apex has it: without an argument."""

    def zero_grad(self):
        for weight in self.param_groups[0]["params"]:
            weight.grad = None


class Raises(torch.optim.SGD):
    def step(self, closure=None):
        raise RuntimeError("a line\nand another")


class Forgets(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))

    def forward(self, inputs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def optimizer(class_, **defaults):
    return Optimizer("mine", class_, {}, {"lr": 0.1, **defaults})


@pytest.mark.parametrize(
    ("offer", "line"),
    [
        (optimizer(Plain), "optimizer 'mine': must be a torch.optim.Optimizer, got Plain"),
        (
            optimizer(NoRate),
            "optimizer 'mine': every parameter group must have an 'lr', which schedules move, got one without",
        ),
        (
            Optimizer("mine", lambda p: _with_rate(p, None), {}),
            "optimizer 'mine': the 'lr' of every parameter group must be a number, which schedules move, got None",
        ),
        (optimizer(torch.optim.SGD, nothing=1), "optimizer 'mine': must build, got TypeError: .*'nothing'"),
    ],
)
def test_what_build_returns_is_looked_at_before_the_schedule_is(parts_of, offer, line):
    with pytest.raises(PluginError, match=rf"^{line}"):
        parts_of(offer)


def _with_rate(parameters, lr):
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    optimizer.param_groups[0]["lr"] = lr
    return optimizer


def test_an_optimizer_whose_zero_grad_takes_no_argument_trains_as_any_other(parts_of):
    one, other = parts_of(optimizer(ZeroGrad)), parts_of(optimizer(torch.optim.SGD))
    for parts in (one, other):
        list(train(parts.run, parts))
    for mine, theirs in zip(one.parameters, other.parameters, strict=True):
        assert torch.equal(mine, theirs)


def bad_schedule(optimizer, total):
    def factor(step):
        if step > 2:
            raise ValueError("too far")
        return 1.0

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"optimizer": optimizer(Raises)}, "optimizer 'mine': must step, got RuntimeError: a line and another"),
        ({"scheduler": Scheduler("bad", bad_schedule)}, "scheduler 'bad': must step, got ValueError: too far"),
        (
            {"backbone": lambda *_: Forgets()},
            "backbone 'net': must map inputs to outputs, got RuntimeError: mat1 and mat2",
        ),
        ({"optimizer": "sam", "backbone": lambda *_: Forgets()}, "backbone 'net': must map inputs to outputs"),
    ],
)
def test_whatever_a_plugin_raises_in_a_step_names_it(parts_of, more, line):
    parts = parts_of(**more)
    with pytest.raises(PluginError, match=f"^{line}"):
        list(train(parts.run, parts))


def with_metrics(parts, metric="", **metrics):
    task = replace(parts.ingredients.task, metrics={**parts.ingredients.task.metrics, **metrics})
    parts.ingredients = replace(parts.ingredients, task=task, metric=metric)
    return parts


def not_a_number(predictions, targets):
    return math.nan


def test_a_metric_that_does_not_decide_may_be_undefined(parts_of):
    parts = with_metrics(parts_of(), odd=Metric(not_a_number, "max"), large=Metric(lambda p, t: math.inf, "max"))
    epochs = list(train(parts.run, parts))
    assert len(epochs) == 3
    assert math.isnan(epochs[-1].metrics["tune_odd"])
    done = parts.done()
    assert not done.problem
    assert done.metrics["test_large"] == math.inf
    assert 0 <= done.metrics["test_accuracy"] <= 1


def test_the_deciding_metric_must_be_finite(parts_of):
    parts = with_metrics(parts_of(), "odd", odd=Metric(not_a_number, "max"))
    with pytest.raises(Diverged, match="epoch 1: tune_odd, the deciding metric, must be finite, got nan"):
        list(train(parts.run, parts))


def test_a_deciding_metric_that_is_undefined_on_test_is_a_problem_of_a_run_that_is_done(parts_of):
    def undefined_on_test(predictions, targets):
        return math.nan if len(targets) == 24 else 0.5

    parts = with_metrics(parts_of(), "odd", odd=Metric(undefined_on_test, "max"))
    list(train(parts.run, parts))
    assert parts.done().problem == "test_odd, the deciding metric, must be finite, got nan"


def test_predictions_must_be_finite_whatever_a_metric_makes_of_them(parts_of):
    class Explodes(torch.optim.SGD):
        steps = 0

        @torch.no_grad()
        def step(self, closure=None):
            self.steps += 1
            if self.steps == 5:  # the last step of the first epoch: its loss is still a number
                for weight in self.param_groups[0]["params"]:
                    weight.fill_(math.nan)

    parts = parts_of(optimizer(Explodes))
    with pytest.raises(Diverged, match="epoch 1: the tune predictions must be finite"):
        list(train(parts.run, parts))


class Sign(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        for weight in self.param_groups[0]["params"]:
            weight.sub_(weight.grad.sign(), alpha=1e-3)


def test_a_gradient_that_is_not_a_number_is_seen_where_the_weights_do_not_show_it(parts_of):
    parts = parts_of(optimizer(Sign))
    parts.parameters[0].register_hook(lambda gradient: torch.full_like(gradient, math.nan))
    with pytest.raises(Diverged, match="epoch 1: the gradient of its last step must be finite"):
        list(train(parts.run, parts))
    assert all(bool(torch.isfinite(weight).all()) for weight in parts.parameters)


def test_a_large_gradient_is_finite(parts_of):
    parts = parts_of(optimizer(Sign))
    parts.parameters[0].register_hook(lambda gradient: torch.full_like(gradient, 1e30))
    assert len(list(train(parts.run, parts))) == 3


def test_records_have_no_value_for_a_metric_that_is_none(tmp_path):
    from harness.plugin.runs import Arm, Done, Epoch, Run, State
    from harness.records import Store

    run = Run(
        "search", Arm("a", "b", "c"), {}, {}, 1, 1, 0.0, (), "fp32", "t", 0, 0, "", {},
    )  # fmt: skip
    with Store(tmp_path / "run") as store:
        store.add_runs([run], "")
        metrics = {"tune_accuracy": np.float64(0.5), "tune_odd": math.nan, "tune_large": math.inf}
        store.append(run.id, Epoch(1, 1, 0.1, 0.1, metrics, lambda: State({}, {})))
        store.append(run.id, Done(metrics))
        assert store.run(run.id)["metrics"] == {"tune_accuracy": 0.5, "tune_odd": None, "tune_large": None}
        texts = store.db.execute("SELECT metrics FROM runs UNION SELECT metrics FROM epochs").fetchall()
        assert not any("NaN" in text or "Infinity" in text for (text,) in texts)
