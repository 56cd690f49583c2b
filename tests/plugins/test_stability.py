"""The edge of an optimizer's own stability: limits against torch's optimizers, eigenvalues against dense matrices."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from harness_plugins.probes import stability
from harness_plugins.probes._curvature.landscape import Landscape, batch_statistics
from harness_plugins.probes._curvature.preconditioner import Rule, gradient_moments, rule_of
from torch import nn

from harness.plugin.contracts import Optimizer, Split
from harness.testing import problems
from harness.testing.driving import SGD, start
from harness.testing.problems import Problem

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
    assert rule.divisors(*torch.tensor([[0.0], [1.0]]).double()).item() == pytest.approx(divisor)


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


def test_what_adam_and_rmsprop_divide_by_is_what_they_keep():
    """Of a gradient that is drawn anew in every step, they keep a mean of squares, as the pass over batches gives it."""
    random, weight = torch.Generator().manual_seed(0), nn.Parameter(torch.zeros(3))
    gradients = torch.randn(4000, 3, generator=random) * torch.tensor([0.1, 1.0, 5.0]) + 0.3
    moments = gradients.mean(0), (gradients**2).mean(0)
    for optimizer in (
        torch.optim.Adam([weight], betas=(0.9, 0.9995)),
        torch.optim.RMSprop([weight], alpha=0.9995),
        torch.optim.RMSprop([weight], alpha=0.9995, centered=True),
    ):
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
        state, rule = optimizer.state[weight], rule_of(optimizer)
        square = state["exp_avg_sq"] if "exp_avg_sq" in state else state["square_avg"]
        square, mean = square / (1 - 0.9995**4000), state.get("grad_avg", torch.zeros(3)) / (1 - 0.9995**4000)
        kept = (square - mean**2 * rule.centred).sqrt()
        torch.testing.assert_close(rule.divisors(*moments), kept, rtol=0.1, atol=0)


# --- the probe


def small():
    body = [nn.Conv2d(3, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(12, 3))


def cnn(optimizer, settings, **changed):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (50, 10, 10, 3), dtype=np.uint8)
    rows = Split(pixels, np.arange(50) % 3, tuple(map(str, range(50))))
    parts = start(optimizer, Problem("cnn", small, problems.CLASSES, rows, outputs=3, batch_size=16), settings)
    for _ in range(3):
        parts.step(*parts.ingredients.train.batch(slice(16)))
    parts.run = replace(parts.run, **changed)
    parts.model.eval()
    return parts


def dense(parts, rows, l2):
    """Return the Hessian of the objective [d, d], and each batch's gradient [B, d], by torch alone and in double."""
    network = parts.model.double()
    names, tensors = zip(*((name, p.detach()) for name, p in network.named_parameters()), strict=True)
    sizes, train = [tensor.numel() for tensor in tensors], parts.ingredients.train
    point = torch.cat([tensor.reshape(-1) for tensor in tensors])

    def objective(vector, batch):
        weights = {n: v.view(t.shape) for n, v, t in zip(names, vector.split(sizes), tensors, strict=True)}
        inputs, targets = train.batch(batch)
        outputs = torch.func.functional_call(network, weights, (inputs.double(),))
        return nn.functional.cross_entropy(outputs, targets) + l2 / 2 * (vector**2).sum()

    with batch_statistics(network):
        hessian = sum(torch.autograd.functional.hessian(partial(objective, batch=batch), point) for batch in rows)
        gradients = [torch.func.grad(partial(objective, batch=batch))(point) for batch in rows]
    network.float()
    return hessian / len(rows), torch.stack(gradients)


@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize(("optimizer", "limit"), [(SGD, 2.0), (ADAM, 38.0)])
def test_the_eigenvalue_is_that_of_the_dense_matrix_over_what_the_optimizer_divides_by(optimizer, limit, l2):
    parts = cnn(optimizer, {"lr": 0.02}, l2=l2, l2_on="all")
    found = stability.measure(parts, images=48, lanczos=60)
    hessian, gradients = dense(parts, stability.batches_of(parts), l2)
    divisors = (gradients**2).mean(0).sqrt() + 1e-8 if optimizer is ADAM else torch.ones(len(hessian))
    largest = np.linalg.eigvals((hessian / divisors[:, None]).numpy()).real.max()
    assert found["residual"] < 0.01
    assert found["eigenvalue"] == pytest.approx(largest, rel=2e-3)
    assert found["rate"] == 0.02
    assert found["limit"] == pytest.approx(limit)
    assert found["times_rate"] == pytest.approx(0.02 * found["eigenvalue"])
    assert found["ratio"] == pytest.approx(found["times_rate"] / limit)
    assert found["images"] == 48


def test_the_penalty_leaves_scale_free_weights_alone_as_the_objective_does():
    parts = cnn(SGD, {"lr": 0.1}, l2=0.01)
    free = [name for name in dict(parts.model.named_parameters()) if name in parts.scale_free.units]
    assert free  # the convolutions before batch norm
    for name, part in zip(
        dict(parts.model.named_parameters()),
        stability.penalties(parts).split([p.numel() for p in parts.model.parameters()]),
        strict=True,
    ):
        assert (part == (0.0 if name in free else torch.tensor(0.01))).all()
    parts.run = replace(parts.run, l2_on="all")
    assert (stability.penalties(parts) == torch.tensor(0.01)).all()


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
    hessian, _ = dense(parts, stability.batches_of(parts), 0.0)
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


def test_gradients_are_averaged_batch_by_batch():
    torch.manual_seed(0)
    network, inputs, targets = nn.Linear(4, 3).double(), torch.randn(12, 4).double(), torch.arange(12) % 3
    batches = list(zip(inputs.split(5), targets.split(5), strict=True))
    loss = Landscape(network, batches, nn.functional.cross_entropy)
    penalty = torch.full_like(loss.weights(), 0.1)
    rows = []
    for given, right in batches:
        value = nn.functional.cross_entropy(network(given), right) + 0.05 * sum(
            (p**2).sum() for p in network.parameters()
        )
        rows.append(torch.cat([g.reshape(-1) for g in torch.autograd.grad(value, list(network.parameters()))]))
    mean, square = gradient_moments(loss, batches, penalty)
    torch.testing.assert_close(mean, torch.stack(rows).mean(0))
    torch.testing.assert_close(square, (torch.stack(rows) ** 2).mean(0))
