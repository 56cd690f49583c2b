"""The loop: what it computes, and that stopping and going on changes nothing, to the last bit."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
import torch
from harness_plugins.probes.gradient_norm import gradient_norm

from harness.errors import PluginError
from harness.plugin.contracts import Optimizer
from harness.plugin.runs import Done, Epoch, Failed, State
from harness.training import parts as parts_module
from harness.training.loop import execute, train, turns


class SAM(torch.optim.SGD):
    """Two gradients per step: the second at the worst point nearby."""

    def step(self, closure):
        loss = closure()
        weights = [p for group in self.param_groups for p in group["params"]]
        before = [p.detach().clone() for p in weights]
        with torch.no_grad():
            for p in weights:
                p.add_(0.05 * p.grad)
        closure()
        with torch.no_grad():
            for p, old in zip(weights, before, strict=True):
                p.copy_(old)
        super().step()
        return loss


class Averaged(torch.optim.SGD):
    """Evaluates the running mean of its weights: needs the switch."""

    def _swap(self, to):
        for group in self.param_groups:
            if group.get("mode", "train") != to:
                group["mode"] = to
                for p in group["params"]:
                    state = self.state[p]
                    if "mean" in state:
                        kept = p.detach().clone()
                        p.data.copy_(state["mean"])
                        state["mean"] = kept

    def train(self):
        self._swap("train")

    def eval(self):
        self._swap("eval")

    @torch.no_grad()
    def step(self, closure=None):
        super().step()
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", p.detach().clone())
                mean.lerp_(p, 0.1)


def lbfgs(parameters, **settings):
    return torch.optim.LBFGS(parameters, max_iter=3, line_search_fn="strong_wolfe", **settings)


ODD = [
    Optimizer("lbfgs", lbfgs, {}, closure=True),
    Optimizer("sam", SAM, {}, {"lr": 0.05}, closure=True),
    Optimizer("averaged", Averaged, {}, {"lr": 0.05}, switches=True),
]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", *ODD], ids=lambda o: getattr(o, "name", o))
@pytest.mark.parametrize("stop", [1, 2])
def test_going_on_from_a_saved_state_is_bit_equal_to_not_stopping(parts_of, optimizer, stop):
    whole = parts_of(optimizer, {"lr": 0.02})
    records = list(train(whole.run, whole))

    first = parts_of(optimizer, {"lr": 0.02})
    for epoch in train(first.run, first):
        if epoch.number == stop:
            state = epoch.state()
            break
    state = State(state.tensors, json.loads(json.dumps(state.plain)))  # as it comes back from disk
    second = parts_of(optimizer, {"lr": 0.02})
    rest = list(train(second.run, second, state))

    assert [e.number for e in rest] == list(range(stop + 1, 4))
    assert [e.metrics for e in rest] == [e.metrics for e in records[stop:]]
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name


def linear(shape, outputs):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(math.prod(shape), outputs))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", *ODD], ids=lambda o: getattr(o, "name", o))
def test_training_learns(parts_of, optimizer):
    if optimizer is ODD[0]:  # a line search wants one function: with small batches and dropout, where it ends is luck
        parts = parts_of(optimizer, {"lr": 1.0}, backbone=linear, epochs=10, augment=(), batch_size=40)
    else:
        parts = parts_of(optimizer, {"lr": 0.05}, epochs=10, augment=())
    records = list(train(parts.run, parts))
    assert records[-1].metrics["running_loss"] < 0.8 * records[0].metrics["running_loss"]
    assert records[-1].metrics["tune_accuracy"] > 0.8


def test_a_step_of_sgd_is_the_gradient_of_loss_plus_half_l2_times_squared_norm(parts_of):
    parts = parts_of("sgd", {"lr": 0.5, "momentum": 0.0}, scheduler="constant", l2=0.3, l2_on="all", epochs=1)
    parts.optimizer.param_groups[0]["lr"] = 0.5  # not warming up
    parts.model.eval()  # no batch statistics, no dropout: a function of the weights alone
    before = [p.detach().clone() for p in parts.parameters]
    inputs, targets = next(parts.batches.of(1))

    loss = torch.nn.functional.cross_entropy(parts.model(inputs), targets)
    objective = loss + 0.3 / 2 * sum(p.square().sum() for p in parts.parameters)
    gradients = torch.autograd.grad(objective, parts.parameters)

    parts.step(inputs, targets)
    for after, start, gradient in zip(parts.parameters, before, gradients, strict=True):
        torch.testing.assert_close(after.detach(), start - 0.5 * gradient, rtol=1e-5, atol=1e-6)


def test_a_closure_sees_the_whole_objective(parts_of):
    seen = []

    class Looking(torch.optim.SGD):
        def step(self, closure):
            seen.append(float(closure()))
            return super().step()

    parts = parts_of(Optimizer("looking", Looking, {}, {"lr": 0.1}, closure=True), l2=0.3, l2_on="all")
    parts.model.eval()
    inputs, targets = next(parts.batches.of(1))
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(parts.model(inputs), targets)
        objective = loss + 0.3 / 2 * sum(p.square().sum() for p in parts.parameters)
    parts.step(inputs, targets)
    assert seen == [pytest.approx(float(objective), rel=1e-5)]


def test_a_switching_optimizer_evaluates_other_weights_than_it_trains(parts_of):
    parts = parts_of(ODD[2], {"lr": 0.05})
    for epoch in train(parts.run, parts):
        if epoch.number == 1:
            evaluated = parts.model[0].weight.detach().clone()
        elif epoch.number == 2:
            break
    assert parts.optimizer.param_groups[0]["mode"] == "eval"
    assert not torch.equal(evaluated, parts.model[0].weight)


def test_initial_weights_and_batches_are_the_same_for_every_arm(parts_of):
    sgd, adam = parts_of("sgd"), parts_of("adam")
    for (name, one), other in zip(sgd.model.state_dict().items(), adam.model.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    for (one, _), (other, _) in zip(sgd.batches.of(2), adam.batches.of(2), strict=True):
        assert torch.equal(one, other)


def test_another_init_seed_gives_other_weights_and_another_order_seed_the_same(parts_of):
    weights = parts_of().model[0].weight
    assert not torch.equal(weights, parts_of(init_seed=9).model[0].weight)
    assert torch.equal(weights, parts_of(order_seed=9).model[0].weight)


def test_the_penalty_is_in_the_gradient_norm_probe(parts_of):
    def network(shape, outputs):
        return torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(192, 4), torch.nn.Tanh(), torch.nn.Linear(4, outputs)
        )

    parts = parts_of(backbone=network, l2=0.2, augment=())
    train_split = parts.ingredients.train
    loss = torch.nn.functional.cross_entropy(parts.model(train_split.as_input(train_split.inputs)), train_split.targets)
    objective = loss + 0.1 * sum(p.square().sum() for p in parts.parameters)
    gradients = torch.autograd.grad(objective, parts.parameters)
    expected = torch.cat([g.flatten() for g in gradients]).norm()
    assert gradient_norm(parts, parts.model) == pytest.approx(float(expected), rel=1e-4)


def bench(parts, state=None):
    return SimpleNamespace(parts=lambda run: parts, state=lambda run_id: state)


def test_execute_yields_epochs_and_then_done_with_weights_and_predictions(parts_of):
    parts = parts_of()
    *epochs, done = execute(parts.run, bench(parts))
    assert [type(e) for e in epochs] == [Epoch] * 3
    assert isinstance(done, Done)
    assert done.predictions.shape == (24, 2)
    assert done.predictions.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert set(done.weights) == set(parts.model.state_dict())
    accuracy = (done.predictions.argmax(axis=1) == parts.ingredients.test.targets.numpy()).mean()
    assert done.metrics["test_accuracy"] == accuracy
    assert done.metrics["test_error"] == 1 - accuracy


def test_without_a_test_split_nothing_of_test_is_reported(parts_of):
    parts = parts_of(test=False)
    *_, done = execute(parts.run, bench(parts))
    assert done.predictions is None
    assert not done.weights
    assert not [name for name in done.metrics if name.startswith("test")]


def test_a_diverged_run_says_when_and_with_what(parts_of):
    parts = parts_of("sgd", {"lr": 1e30})
    *_, failed = execute(parts.run, bench(parts))
    assert failed == Failed("diverged", failed.reason)
    assert failed.reason.startswith("epoch 1: the training loss must be finite, got ")


def test_an_optimizer_that_raises_ends_its_run_with_a_traceback(parts_of):
    class Broken(torch.optim.SGD):
        def step(self, closure=None):
            raise KeyError("momentum buffer")

    parts = parts_of(Optimizer("broken", Broken, {}, {"lr": 0.1}))
    (failed,) = execute(parts.run, bench(parts))
    assert failed.kind == "error"
    assert failed.reason == "optimizer 'broken': must step, got KeyError: 'momentum buffer'"
    assert "in step" in failed.traceback


def test_an_optimizer_that_cannot_be_built_is_named(parts_of):
    with pytest.raises(PluginError, match="optimizer 'sgd': must build, got TypeError"):
        parts_of("sgd", {"learning_rate": 1})


@pytest.mark.parametrize("seconds", [-1.0, 1e9])
def test_a_run_can_be_left_between_two_steps_and_glances_change_nothing(parts_of, monkeypatch, seconds):
    plain, looked = parts_of(), parts_of()
    expected = list(execute(plain.run, bench(plain)))
    monkeypatch.setattr(parts_module, "GLANCES", seconds)
    told = list(turns(looked.run, bench(looked)))
    events = [event for event in told if event is not None]
    assert [event.metrics for event in events] == [event.metrics for event in expected]
    steps = looked.run.epochs * len(looked.batches)
    assert told.count(None) - (steps if seconds < 0 else 0) <= 2 * looked.run.epochs  # pauses at epochs' ends


def test_settings_stay_in_force_at_a_glance_and_are_put_back_where_the_run_is_left():
    from harness.plugin.process_settings import kept_apart
    from harness.training.pauses import GLANCE

    def changing():
        torch.set_default_dtype(torch.float64)
        yield GLANCE
        assert torch.get_default_dtype() == torch.float64
        yield "epoch"
        assert torch.get_default_dtype() == torch.float64
        yield GLANCE

    items = kept_apart(changing(), "arm")
    assert next(items) == (GLANCE, [])
    item, lines = next(items)
    assert (item, len(lines)) == ("epoch", 1)
    assert torch.get_default_dtype() == torch.float32
    assert next(items)[0] is GLANCE
    assert torch.get_default_dtype() == torch.float64
    items.close()
    assert torch.get_default_dtype() == torch.float32
