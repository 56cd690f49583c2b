"""The objective: what is penalised, in every way in which an optimizer asks for it; its value at both ends; its gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from harness.training import scale_free
from harness.training.loop import train
from harness.training.parts import assemble

L2 = 0.1


@pytest.fixture(autouse=True)
def _nothing_known():
    scale_free._known.clear()
    yield
    scale_free._known.clear()


def network(shape, outputs):
    return nn.Sequential(
        nn.Conv2d(shape[0], 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, outputs),
    )  # fmt: skip


def plain(shape, outputs):
    return nn.Sequential(
        nn.Conv2d(shape[0], 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs)
    )


def names_of(parts, tensors):
    wanted = {id(tensor) for tensor in tensors}
    return [name for name, parameter in parts.model.named_parameters() if id(parameter) in wanted]


ALL = ["0.weight", "1.weight", "1.bias", "5.weight", "5.bias"]


def test_scale_free_tensors_are_not_penalised_unless_the_benchmark_says_so(parts_of):
    parts, everything = parts_of(backbone=network, l2=L2), parts_of(backbone=network, l2=L2, l2_on="all")
    assert names_of(parts, parts.objective.penalised) == ALL[1:]
    assert names_of(everything, everything.objective.penalised) == ALL
    assert parts.run.id != everything.run.id


def test_without_a_penalty_nothing_is_penalised_and_nothing_is_tested(parts_of):
    parts = parts_of(backbone=network, l2=0.0)
    assert list(parts.objective.penalised) == []
    assert not scale_free._known


def test_of_a_stage_those_are_penalised_that_it_trains(parts_of):
    parts = parts_of(
        backbone=network, l2=L2, head_epochs=1, groups=lambda m: [list(m[:2].parameters()), list(m[5].parameters())]
    )
    assert names_of(parts, parts.objective.penalised) == ["5.weight", "5.bias"]
    parts.enter_last_stage()
    assert names_of(parts, parts.objective.penalised) == ALL[1:]


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs", "sam", "timm:adahessian"])
def test_every_kind_of_optimizer_is_given_the_gradient_of_that_objective(parts_of, optimizer):
    """By hand: the loss and the penalty as autograd has them."""
    parts = parts_of(optimizer=optimizer, settings={"lr": 0.0625}, backbone=network, l2=L2, augment=())
    parts.switch("train")
    inputs, targets = next(parts.batches.of(1))
    buffers = [(buffer, buffer.clone()) for buffer in parts.model.buffers()]
    loss, value = parts.objective.differentiate(inputs, targets)
    gradients = {name: p.grad.detach().clone() for name, p in parts.model.named_parameters()}
    for buffer, before in buffers:
        buffer.copy_(before)
    outputs = parts.model(inputs)
    penalty = L2 / 2 * sum(p.square().sum() for name, p in parts.model.named_parameters() if name != "0.weight")
    expected_loss = parts.ingredients.task.loss(outputs, targets)
    expected = torch.autograd.grad(expected_loss + penalty, list(parts.model.parameters()))
    for (name, gradient), by_hand in zip(gradients.items(), expected, strict=True):
        torch.testing.assert_close(gradient, by_hand, rtol=1e-5, atol=1e-6, msg=name)
    torch.testing.assert_close(loss, expected_loss.detach())
    asks = parts.ingredients.optimizer.closure or parts.ingredients.optimizer.second_order
    torch.testing.assert_close(value, (expected_loss + penalty).detach() if asks else loss)


def test_a_network_all_of_whose_tensors_are_scale_free_has_no_penalty(parts_of):
    def free(shape, outputs):
        return nn.Sequential(
            nn.Conv2d(shape[0], outputs, 3, bias=False), nn.BatchNorm2d(outputs, affine=False), nn.AdaptiveMaxPool2d(1), nn.Flatten()
        )  # fmt: skip

    for optimizer in ("sgd", "lbfgs", "timm:adahessian"):
        parts = parts_of(optimizer=optimizer, settings={"lr": 0.0625}, backbone=free, l2=L2)
        assert list(parts.objective.penalised) == []
        assert len(list(train(parts.run, parts))) == 3


def objective_of(parts, model):
    """Return the objective of a network on the whole train split, in evaluation mode."""
    inputs, targets = parts.ingredients.train.batch(slice(None))
    with torch.no_grad():
        loss = float(parts.ingredients.task.loss(model.eval()(inputs), targets))
        free = set(parts.scale_free.units)
        return loss + L2 / 2 * sum(float(p.square().sum()) for name, p in model.named_parameters() if name not in free)


@pytest.mark.parametrize("build", [plain, network])
def test_the_objective_is_recorded_at_the_end_and_at_the_start(parts_of, build):
    parts = parts_of(backbone=build, l2=L2, augment=("flip",))
    for _ in train(parts.run, parts):
        pass
    metrics = parts.done().metrics
    assert metrics["train_objective"] == pytest.approx(objective_of(parts, parts.model), rel=1e-5)
    start = parts.beginning()
    if build is network:  # batch norm has the statistics of the train split, which is one batch here
        start.train()
        start[1].momentum = 1.0
        start(parts.ingredients.train.batch(slice(None))[0])
    assert metrics["start_objective"] == pytest.approx(objective_of(parts, start), rel=1e-5)
    assert metrics["train_objective"] < metrics["start_objective"]


@pytest.mark.parametrize("build", [plain, network])
def test_a_run_that_follows_another_starts_at_its_objective(parts_of, build):
    first = parts_of(backbone=build, l2=L2)
    for _ in train(first.run, first):
        pass
    done = first.done()
    use = replace(first.ingredients, origin=lambda: done.weights)
    after = assemble(replace(first.run, follows=first.run.id, epochs=1), use, first.device)
    assert after.done().metrics["start_objective"] == pytest.approx(done.metrics["train_objective"], rel=1e-6)
    assert torch.equal(after.beginning()[0].weight, done.weights["0.weight"])


def test_a_search_run_records_no_objective(parts_of):
    parts = parts_of(backbone=network, test=False)
    for _ in train(parts.run, parts):
        pass
    assert not {"train_objective", "start_objective"} & parts.done().metrics.keys()


# --- the gradient of the whole


def test_the_gradient_of_the_whole_objective_is_that_of_all_rows(parts_of):
    parts = parts_of(backbone=plain, l2=L2, augment=(), batch_size=16)  # 40 rows: two batches, of 16 and of 24
    gradient = parts.objective_gradient(parts.model)
    inputs, targets = parts.ingredients.train.batch(slice(None))
    loss = parts.ingredients.task.loss(parts.model(inputs), targets)
    penalty = L2 / 2 * sum(p.square().sum() for p in parts.model.parameters())
    expected = torch.autograd.grad(loss + penalty, list(parts.model.parameters()))
    for (name, value), by_hand in zip(gradient.items(), expected, strict=True):
        torch.testing.assert_close(value, by_hand, rtol=1e-4, atol=1e-6, msg=name)


def test_the_gradient_leaves_the_network_as_it_was_and_is_the_same_again(parts_of):
    parts = parts_of(backbone=network, l2=L2)
    parts.model.eval()
    before = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    first, second = parts.objective_gradient(parts.model), parts.objective_gradient(parts.model)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(tensor, before[name]) for name, tensor in parts.model.state_dict().items())
    assert not any(module.training for module in parts.model.modules())
    assert all(p.grad is None for p in parts.model.parameters())


def test_the_gradient_has_no_part_along_a_scale_free_filter_and_one_along_it_where_all_is_penalised(parts_of):
    for on, along in (("not_scale_free", False), ("all", True)):
        parts = parts_of(backbone=network, l2=L2, l2_on=on, augment=())
        weight, gradient = parts.model[0].weight.detach(), parts.objective_gradient(parts.model)["0.weight"]
        products = (weight * gradient).flatten(1).sum(1)
        expected = L2 * weight.square().flatten(1).sum(1) if along else torch.zeros(len(weight))
        torch.testing.assert_close(products, expected, rtol=1e-3, atol=1e-4)
