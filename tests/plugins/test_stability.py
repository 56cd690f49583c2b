"""The edge of an optimizer's own stability: limits against torch's optimizers, eigenvalues against dense matrices."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from harness_plugins.probes import stability
from harness_plugins.probes._curvature.landscape import batch_statistics
from harness_plugins.probes._curvature.preconditioner import Rule, rule_of
from torch import nn

from harness.plugin.contracts import Optimizer, Split
from harness.testing import problems
from harness.testing.driving import SGD, start
from harness.testing.problems import Problem
from harness.training.loop import train

ADAM = Optimizer("adam", torch.optim.Adam, {}, {"lr": 0.01})
EPS = 1e140  # so large that the root of the mean squared gradient is nothing beside it: an optimizer is then linear

LINEAR = {
    "sgd": (torch.optim.SGD, {}, 1.0),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}, 1.0),
    "dampened": (torch.optim.SGD, {"momentum": 0.8, "dampening": 0.5}, 1.0),
    "dampened without momentum": (torch.optim.SGD, {"dampening": 0.5}, 1.0),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, 1.0),
    "rmsprop": (torch.optim.RMSprop, {"eps": EPS}, EPS),
    "rmsprop with momentum": (torch.optim.RMSprop, {"eps": EPS, "momentum": 0.7}, EPS),
    "adam": (torch.optim.Adam, {"eps": EPS}, EPS),
    "adam .5": (torch.optim.Adam, {"eps": EPS, "betas": (0.5, 0.99)}, EPS),
    "adamw": (torch.optim.AdamW, {"eps": EPS, "weight_decay": 0.0}, EPS),
}


def distance_after(class_, settings, rate, steps=1000):
    """Return how far from its minimum a parabola of curvature 1 is left by an optimizer that began at 1e-3."""
    weight = nn.Parameter(torch.tensor([1e-3], dtype=torch.float64))
    optimizer = class_([weight], lr=rate, **settings)
    for _ in range(steps):
        weight.grad = weight.detach().clone()
        optimizer.step()
    return abs(weight.item())


@pytest.mark.parametrize("name", LINEAR)
def test_below_the_limit_torchs_optimizer_comes_to_rest_and_above_it_runs_away(name):
    class_, settings, divisor = LINEAR[name]
    rule = rule_of(class_([nn.Parameter(torch.zeros(1))], lr=0.1, **settings))
    edge = rule.limit * divisor  # of the rate, for a curvature of 1
    assert distance_after(class_, settings, 0.97 * edge) < 1e-4
    assert distance_after(class_, settings, 1.03 * edge) > 1e-1
    network = nn.Linear(1, 1, bias=False).double()
    optimizer = class_(network.parameters(), lr=0.1, **settings)
    network(torch.ones(1, 1).double()).sum().backward()
    optimizer.step()
    assert rule.divisors(optimizer, network).item() == pytest.approx(divisor)


def test_the_limits_are_those_of_the_papers():
    weight = [nn.Parameter(torch.zeros(1))]
    assert rule_of(torch.optim.SGD(weight)) == Rule(2.0)
    assert rule_of(torch.optim.Adam(weight)).limit == pytest.approx(38)  # Cohen et al. 2022
    assert rule_of(torch.optim.SGD(weight, momentum=0.9)).limit == pytest.approx(3.8)  # Cohen et al. 2021
    assert rule_of(torch.optim.SGD(weight, momentum=0.9, nesterov=True)).limit == pytest.approx(3.8 / 2.8)


@pytest.mark.parametrize(
    "optimizer",
    [
        torch.optim.NAdam,
        torch.optim.Adagrad,
        torch.optim.LBFGS,
        partial(torch.optim.Adam, amsgrad=True),
        partial(torch.optim.SGD, weight_decay=0.1),
        partial(torch.optim.SGD, momentum=0.9, dampening=1.0),
        type("Own", (torch.optim.SGD,), {}),
    ],
)
def test_what_no_rule_is_known_of_has_none(optimizer):
    assert rule_of(optimizer([nn.Parameter(torch.zeros(1))])) is None


@pytest.mark.parametrize(
    ("class_", "settings"),
    [
        (torch.optim.Adam, {"betas": (0.0, 0.9)}),
        (torch.optim.RMSprop, {"alpha": 0.9}),
        (torch.optim.RMSprop, {"alpha": 0.9, "centered": True, "eps": 1e-3}),
    ],
)
def test_it_is_what_torchs_optimizer_divided_its_last_step_by(class_, settings):
    """Without momentum a step is the rate times the gradient over P, so P is read off the step."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)).double()
    optimizer = class_(network.parameters(), lr=0.01, **settings)
    for _ in range(5):
        optimizer.zero_grad()
        network(torch.randn(4, 3).double()).square().mean().backward()
        before = torch.cat([p.detach().reshape(-1) for p in network.parameters()])
        optimizer.step()
    after, slope = (
        torch.cat([t.detach().reshape(-1) for t in tensors])
        for tensors in (list(network.parameters()), [p.grad for p in network.parameters()])
    )
    torch.testing.assert_close(rule_of(optimizer).divisors(optimizer, network), 0.01 * slope / (before - after))


def test_a_weight_that_the_optimizer_never_moved_is_divided_by_infinity():
    network = nn.Linear(2, 1).double()
    optimizer = torch.optim.Adam(network.parameters())
    network.weight.sum().backward()
    optimizer.step()
    assert rule_of(optimizer).divisors(optimizer, network).tolist() == [pytest.approx(1), pytest.approx(1), math.inf]


# --- the probe


def small():
    body = [nn.Conv2d(3, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(12, 3))


def cnn(optimizer, settings, **changed):
    """Return the parts of a run of three epochs at its end."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (50, 10, 10, 3), dtype=np.uint8)
    rows = Split(pixels, np.arange(50) % 3, tuple(map(str, range(50))))
    problem = Problem("cnn", small, problems.CLASSES, rows, outputs=3, batch_size=16)
    parts = start(optimizer, problem, settings, epochs=3)
    for _ in train(parts.run, parts):
        pass
    parts.run = replace(parts.run, **changed)
    parts.model.eval()
    return parts


def dense(parts, rows):
    """Return the Hessian of the loss [d, d], by torch alone and in double."""
    network = parts.model.double()
    names, tensors = zip(*((name, p.detach()) for name, p in network.named_parameters()), strict=True)
    sizes, split = [tensor.numel() for tensor in tensors], parts.ingredients.train
    point = torch.cat([tensor.reshape(-1) for tensor in tensors])

    def loss(vector, batch):
        weights = {n: v.view(t.shape) for n, v, t in zip(names, vector.split(sizes), tensors, strict=True)}
        inputs, targets = split.batch(batch)
        outputs = torch.func.functional_call(network, weights, (inputs.double(),))
        return nn.functional.cross_entropy(outputs, targets)

    with batch_statistics(network):
        hessian = sum(torch.autograd.functional.hessian(partial(loss, batch=batch), point) for batch in rows)
    network.float()
    return hessian / len(rows)


@pytest.mark.parametrize(("optimizer", "limit"), [(SGD, 2.0), (ADAM, 38.0)])
def test_the_eigenvalue_is_that_of_the_dense_matrix_over_what_the_optimizer_divides_by(optimizer, limit):
    parts = cnn(optimizer, {"lr": 0.02})
    found = stability.measure(parts, images=48, lanczos=60)
    divisors = torch.ones(1)
    if optimizer is ADAM:  # the optimizer that trained the network, which a run does not keep
        squares = torch.cat([parts.optimizer.state[p]["exp_avg_sq"].reshape(-1) for p in parts.model.parameters()])
        divisors = (squares / (1 - 0.999**9)).sqrt() + 1e-8  # after nine steps
    hessian = dense(parts, stability.batches_of(parts))
    largest = np.linalg.eigvals((hessian / divisors[:, None]).numpy()).real.max()
    assert found["gap"] == 0
    assert found["residual"] < 0.01
    assert found["eigenvalue"] == pytest.approx(largest, rel=2e-3)
    assert found["rate"] == 0.02
    assert found["limit"] == pytest.approx(limit)
    assert found["times_rate"] == pytest.approx(0.02 * found["eigenvalue"])
    assert found["ratio"] == pytest.approx(found["times_rate"] / limit)
    assert found["images"] == 48


def test_weights_that_another_training_led_to_are_seen():
    parts = cnn(ADAM, {"lr": 0.01})
    with torch.no_grad():
        parts.model[0].weight.mul_(1.1)
    assert 0.01 < stability.measure(parts, lanczos=5)["gap"] < 0.1


def test_the_network_is_left_alone_and_the_answer_is_the_same_again():
    parts = cnn(ADAM, {"lr": 0.01})
    before = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    modes = [(module.training, getattr(module, "track_running_stats", None)) for module in parts.model.modules()]
    gradients = [p.grad.clone() for p in parts.model.parameters()]
    found = stability.measure(parts, lanczos=5)
    state = parts.model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in before.items())
    assert modes == [(m.training, getattr(m, "track_running_stats", None)) for m in parts.model.modules()]
    assert all(torch.equal(p.grad, was) for p, was in zip(parts.model.parameters(), gradients, strict=True))
    assert all(type(number) is float and math.isfinite(number) for number in found.values())
    assert found == stability.measure(parts, lanczos=5)
    assert found["images"] == 48  # whole batches of 16


def test_frozen_batch_norm_keeps_the_statistics_that_it_has():
    parts = cnn(SGD, {"lr": 0.1})
    free = stability.measure(parts, lanczos=20)["eigenvalue"]
    parts.run = replace(parts.run, batch_norm="frozen")
    frozen = stability.measure(parts, lanczos=20)["eigenvalue"]
    assert abs(frozen / free - 1) > 0.01
    with torch.no_grad():
        next(m for m in parts.model.modules() if isinstance(m, nn.BatchNorm2d)).running_var.mul_(4)
    assert stability.measure(parts, lanczos=20)["eigenvalue"] != frozen


def test_a_layer_with_a_rate_of_its_own_counts_by_it():
    """With a rate of nearly 0 for the body, the eigenvalue is that of the head's block."""
    parts = cnn(SGD, {"lr": 0.1})
    backbone = parts.ingredients.backbone
    groups = lambda model: [list(model[:-1].parameters()), list(model[-1].parameters())]  # noqa: E731
    parts.ingredients = replace(parts.ingredients, backbone=replace(backbone, groups=groups))
    parts.run = replace(parts.run, layer_factor=1e-6)
    found = stability.measure(parts, lanczos=60)["eigenvalue"]
    hessian = dense(parts, stability.batches_of(parts))
    head = sum(p.numel() for p in parts.model[-1].parameters())
    assert found == pytest.approx(float(torch.linalg.eigvalsh(hessian[-head:, -head:])[-1]), rel=2e-3)


def test_what_is_not_trained_has_no_curvature():
    parts = cnn(SGD, {"lr": 0.1})
    whole = stability.measure(parts, lanczos=40)["eigenvalue"]
    parts.model[0].requires_grad_(False)
    assert stability.measure(parts, lanczos=40)["eigenvalue"] < whole
    assert (stability.rate_parts(parts)[: parts.model[0].weight.numel()] == 0).all()


def test_an_optimizer_without_a_rule_or_a_rate_has_no_numbers():
    assert stability.measure(cnn(Optimizer("nadam", torch.optim.NAdam, {}, {"lr": 0.01}), {})) == {}
    parts = cnn(SGD, {})
    parts.ingredients = replace(parts.ingredients, optimizer=replace(SGD, defaults={}))
    assert stability.measure(parts) == {}
