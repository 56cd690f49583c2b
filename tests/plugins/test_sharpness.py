"""Sharpness and distances: against closed forms and invariants, and a network left as it was."""

from __future__ import annotations

import math
import weakref
from functools import partial

import numpy as np
import pytest
import torch
from harness_plugins.probes import distance, sharpness
from harness_plugins.probes._curvature import landscape as curvature
from harness_plugins.probes._curvature.ascent import ascend, checkpoints
from harness_plugins.probes._curvature.landscape import Landscape, chosen_batches, exact, flat
from harness_plugins.probes._curvature.logits import Scale, lengths, normalise, scale_of
from torch import nn

from harness.plugin.contracts import Metric, Split, Task
from harness.testing import problems
from harness.testing.driving import SGD, start, step
from harness.testing.problems import Problem

SQUARES = Task(
    "squares", lambda _: 2, lambda out, right: (out - right).square().mean(), lambda out: out,
    {"loss": Metric(lambda out, right: float(((out - right) ** 2).mean()), "min")},
)  # fmt: skip


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def landscape(network, inputs, targets, sizes, loss=nn.functional.cross_entropy):
    batches = list(zip(inputs.split(sizes), targets.split(sizes), strict=True))
    return Landscape(network.double(), batches, loss)


def perceptron(outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, outputs)).double()


def worst(loss, scale, rho=0.001, steps=20):
    (found,) = sharpness.worst_cases(loss, loss.visit(loss.weights()), scale, [rho], steps)
    first_order = rho * float((loss.weights() * found.slope).abs().sum())
    return found.best - found.start, first_order


def test_a_visit_that_no_gradient_was_asked_of_is_freed():
    """The last step of an ascent asks for none. A graph that held itself took 130 MB of each flagship network for each rho."""
    network, outputs = perceptron(), []
    network[1].register_forward_hook(lambda module, inputs, output: outputs.append(weakref.ref(output)))
    land = landscape(network, normal(8, 6), torch.arange(8) % 3, 4)
    visit = land.visit(land.weights())
    assert len(outputs) == 2
    del visit
    assert [output() for output in outputs] == [None, None]


def rows(classes=3, count=70):
    random = np.random.default_rng(0)
    return Split(
        random.normal(size=(count, 48)).astype(np.float32), np.arange(count) % classes, tuple(map(str, range(count)))
    )


def trained(problem=problems.NORMALISED, steps=5):
    parts = start(SGD, problem)
    step(parts, steps)
    return parts


# --- the ascent


def quadratic(matrix, middle, linear):
    """Return the evaluation of ``d' matrix d / 2 + linear' d`` for d the way from the middle."""
    value = lambda d: float(d @ matrix @ d / 2 + linear @ d)  # noqa: E731
    return lambda point: (value(point - middle), lambda: matrix @ (point - middle) + linear)


def test_a_linear_function_is_largest_in_a_corner():
    middle, linear, radius = normal(9), normal(9, seed=1), normal(9, seed=2).abs()
    found = ascend(quadratic(torch.zeros(9, 9).double(), middle, linear), middle, radius, 1)
    assert found.best == pytest.approx(float((radius * linear).abs().sum()))
    assert torch.allclose(found.where, middle + radius * linear.sign())
    assert torch.equal(found.slope, linear)


def test_a_convex_quadratic_with_axes_is_largest_in_the_corner_that_its_slope_points_to():
    middle, curvature, linear, radius = normal(7), normal(7, seed=1).abs(), normal(7, seed=2), normal(7, seed=3).abs()
    found = ascend(quadratic(curvature.diag(), middle, linear), middle, radius, 20)
    assert found.best == pytest.approx(float((radius * linear.abs() + curvature * radius**2 / 2).sum()))


def test_a_saddle_is_climbed_higher_than_ten_thousand_random_points():
    half, middle = normal(7, 7), normal(7, seed=1)
    matrix, linear, radius = half + half.T, normal(7, seed=2), normal(7, seed=3).abs()
    found = ascend(quadratic(matrix, middle, linear), middle, radius, 20)
    there = radius * (2 * torch.rand(10_000, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1)
    assert found.best > float((((there @ matrix) * there).sum(1) / 2 + there @ linear).max())


def test_halved_steps_find_a_maximum_inside_the_box():
    middle, top, radius = torch.zeros(5).double(), 0.3 * normal(5), torch.ones(5).double()
    evaluate = lambda point: (-float((point - top).square().sum()), lambda: 2 * (top - point))  # noqa: E731
    gaps = [-ascend(evaluate, middle, radius, steps).best for steps in (5, 20, 100)]
    assert gaps[0] > 10 * gaps[1] > 100 * gaps[2]


def test_it_stays_in_the_box_and_never_falls_below_the_start():
    middle, radius = normal(6), normal(6, seed=1).abs()
    seen = []

    def evaluate(point):
        seen.append(point)
        return -float((point - middle).square().sum()), lambda: normal(6, seed=len(seen))  # a gradient that misleads

    found = ascend(evaluate, middle, radius, 20)
    assert found.best == found.start == 0
    assert len(seen) == 21
    assert all(bool(((point - middle).abs() <= radius * (1 + 1e-12)).all()) for point in seen)


def test_checkpoints_come_ever_closer():
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(20) == [5, 9, 12, 14, 16, 18, 19]
    assert checkpoints(1) == []


# --- logits


def test_logits_lose_their_scale_and_their_mean():
    logits = normal(11, 4)
    own = normalise(logits, Scale.OWN_LENGTH)
    assert torch.allclose(own.norm(dim=1), torch.ones(11).double())
    assert torch.allclose(own.sum(1), torch.zeros(11).double())
    assert torch.allclose(normalise(logits * normal(11, 1).abs() + 3, Scale.OWN_LENGTH), own)
    mean = normalise(logits, Scale.MEAN_LENGTH)
    assert float(lengths(mean).mean()) == pytest.approx(1)
    assert torch.allclose(normalise(7 * logits + 3, Scale.MEAN_LENGTH), mean)
    assert torch.equal(normalise(logits, Scale.ONE), logits)
    assert torch.equal(normalise(torch.zeros(2, 3), Scale.OWN_LENGTH), torch.zeros(2, 3))


def test_what_logits_are_divided_by():
    classes = torch.tensor([0, 1, 1])
    assert scale_of(torch.zeros(3, 3), classes) == Scale.OWN_LENGTH
    assert scale_of(torch.zeros(3, 2), classes) == Scale.MEAN_LENGTH
    assert scale_of(torch.zeros(3, 1), classes) == Scale.ONE
    assert scale_of(torch.zeros(3, 2), torch.zeros(3, 2)) == Scale.ONE


def test_two_logits_over_their_own_length_would_have_no_sharpness():
    loss = landscape(perceptron(2), normal(40, 6), torch.arange(40) % 2, 40)
    assert worst(loss, Scale.OWN_LENGTH)[1] < 1e-12
    assert worst(loss, Scale.MEAN_LENGTH)[1] > 1e-5


# --- sharpness of networks


@pytest.mark.parametrize("outputs", [2, 3])
def test_neither_rescaled_layers_nor_rescaled_logits_change_it(outputs):
    network, inputs, targets = perceptron(outputs), normal(40, 6), torch.arange(40) % outputs
    loss = landscape(network, inputs, targets, [17, 23])
    scale = scale_of(network(inputs), targets)
    before, plain = worst(loss, scale), worst(loss, Scale.ONE)
    said = network(inputs).detach()
    with torch.no_grad():
        for parameter in network[0].parameters():
            parameter.mul_(10)
        network[2].weight.div_(10)
    assert float((network(inputs).detach() - said).abs().max()) < 1e-13  # sums of 16 products of size 1, in float64
    assert worst(loss, scale) == pytest.approx(before, rel=1e-9)
    assert worst(loss, Scale.ONE) == pytest.approx(plain, rel=1e-9)
    with torch.no_grad():
        for parameter in network[2].parameters():
            parameter.mul_(3)
    assert worst(loss, scale) == pytest.approx(before, rel=1e-9)
    assert worst(loss, Scale.ONE)[0] > 1.5 * plain[0]  # unless logits are normalised


def test_for_a_small_radius_it_is_the_first_order():
    loss = landscape(perceptron(), normal(40, 6), torch.arange(40) % 3, 40)
    value, first_order = worst(loss, Scale.OWN_LENGTH, rho=1e-6)
    assert value == pytest.approx(first_order, rel=1e-3)


@pytest.mark.parametrize("room", [0, 2**30])
def test_several_radii_share_the_start_and_are_each_what_they_are_alone(room, monkeypatch):
    monkeypatch.setattr(curvature, "KEPT", room)
    loss, steps, forward = landscape(perceptron(), normal(40, 6), torch.arange(40) % 3, 40), 9, []
    run = loss.network.forward
    monkeypatch.setattr(loss.network, "forward", lambda inputs: forward.append(1) or run(inputs))
    together = sharpness.worst_cases(loss, loss.visit(loss.weights()), Scale.OWN_LENGTH, sharpness.RHOS, steps)
    backward = 1 + 3 * (steps - 1)
    assert len(forward) == 3 * steps + 1 + (0 if room else backward)
    for rho, found in zip(sharpness.RHOS, together, strict=True):
        (alone,) = sharpness.worst_cases(loss, loss.visit(loss.weights()), Scale.OWN_LENGTH, [rho], steps)
        assert (alone.start, alone.best) == (found.start, found.best)
        assert torch.equal(alone.where, found.where)
        assert bool(((found.where - loss.weights()).abs() <= rho * loss.weights().abs() * (1 + 1e-12)).all())
    assert together[0].best < together[1].best < together[2].best


@pytest.mark.parametrize("room", [0, 2**30])
def test_what_is_kept_for_a_gradient_changes_no_bit_of_it(room, monkeypatch):
    monkeypatch.setattr(curvature, "KEPT", room)
    network, inputs, targets = perceptron(), normal(23, 6), torch.arange(23) % 3
    loss, point = landscape(network, inputs, targets, [7, 1, 10, 5]), flat(network)
    expected = torch.zeros_like(point)
    outputs = torch.cat([network(rows) for rows, _ in loss.batches]).detach().requires_grad_()
    (by,) = torch.autograd.grad(nn.functional.cross_entropy(outputs, targets), outputs)
    for (rows, _), part in zip(loss.batches, by.split([7, 1, 10, 5]), strict=True):
        gradients = torch.autograd.grad(network(rows), list(network.parameters()), part)
        expected += torch.cat([gradient.flatten() for gradient in gradients])
    visit = loss.visit(point)
    assert bool(visit._runs) == bool(room)
    first = visit.pull(nn.functional.cross_entropy(visit.outputs, targets), again=True)
    assert torch.equal(first, expected)
    assert torch.equal(visit.pull(nn.functional.cross_entropy(visit.outputs, targets)), expected)


def test_the_gradient_is_that_of_all_examples_whatever_the_batches():
    inputs, targets = normal(23, 6), torch.arange(23) % 3
    network = perceptron()
    whole = landscape(network, inputs, targets, 23).slope(flat(network))
    ragged = landscape(network, inputs, targets, [7, 1, 10, 5]).slope(flat(network))
    value = nn.functional.cross_entropy(network(inputs), targets)
    assert whole[0] == pytest.approx(value.item())
    wanted = torch.cat([each.reshape(-1) for each in torch.autograd.grad(value, list(network.parameters()))])
    assert torch.allclose(whole[1], wanted, atol=1e-15)
    assert torch.allclose(ragged[1], wanted, atol=1e-15)


def test_linear_regression_has_the_sharpness_of_its_quadratic():
    torch.manual_seed(0)
    network, inputs = nn.Linear(4, 1, bias=False).double(), torch.linalg.qr(normal(30, 4)).Q * normal(4)
    targets, off, rho = network(inputs).detach(), 1e-3, 0.1
    with torch.no_grad():
        network.weight.add_(off)  # at the very solution the slope has no sign to follow
    loss = landscape(network, inputs, targets, [7, 23], loss=lambda out, right: (out - right).square().mean())
    curvature, radius = (inputs**2).sum(0) / 30, rho * loss.weights().abs()
    assert worst(loss, Scale.ONE, rho=rho)[0] == pytest.approx(
        float((curvature * ((off + radius) ** 2 - off**2)).sum())
    )


# --- the probe


def untouched(parts, before):
    state = parts.model.state_dict()
    return all(torch.equal(tensor, state[name]) for name, tensor in before.items())


@pytest.mark.parametrize(("classes", "scale"), [(2, 1), (3, 2)])
def test_the_probe_measures_and_leaves_the_network_alone(classes, scale):
    build = lambda: nn.Sequential(nn.Linear(48, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, classes))  # noqa: E731
    parts = trained(Problem("net", build, problems.CLASSES, rows(classes), outputs=classes, batch_size=16))
    parts.model.zero_grad(set_to_none=True)
    before = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    found = sharpness.measure(parts, images=60, steps=10)
    assert untouched(parts, before)
    assert parts.model.training
    assert all(parameter.grad is None for parameter in parts.model.parameters())
    assert all(type(number) is float and math.isfinite(number) for number in found.values())
    for rho in ("0.001", "0.002", "0.005"):
        assert 0 < found[f"value_{rho}"] < 20 * found[f"first_order_{rho}"]
    assert found["first_order_0.005"] == pytest.approx(5 * found["first_order_0.001"])
    assert found["scale"] == scale
    assert found["images"] == 60
    assert found == sharpness.measure(parts, images=60, steps=10)
    weights = torch.cat([parameter.detach().reshape(-1) for parameter in parts.model.parameters()])
    assert found["weight_norm"] == pytest.approx(float(weights.norm()), rel=1e-6)


def test_the_loss_and_its_gradient_are_those_of_the_train_split_in_evaluation_mode():
    parts = trained()
    found = sharpness.measure(parts, steps=1)
    assert found["images"] == 64  # all there are
    network = parts.model.eval()
    value = parts.ingredients.task.loss(network(parts.ingredients.train.inputs), parts.ingredients.train.targets)
    slope = torch.cat([each.reshape(-1) for each in torch.autograd.grad(value, list(network.parameters()))])
    assert found["grad_norm_train"] == pytest.approx(float(slope.norm()), rel=1e-5)
    assert found["loss"] == pytest.approx(parts.evaluate(parts.ingredients.train, "train")["train_loss"], rel=1e-5)


def test_outputs_of_a_regression_are_left_as_they_are():
    split = Split(rows().inputs, np.random.default_rng(1).normal(size=(70, 2)).astype(np.float32), rows().names)
    parts = trained(Problem("line", partial(nn.Linear, 48, 2), SQUARES, split, outputs=2, batch_size=16))
    found = sharpness.measure(parts, steps=3)
    assert found["scale"] == 0
    assert found["loss"] == found["normalised_loss"]
    assert "logit_norm" not in found


def test_examples_are_the_same_for_every_seed_and_disjoint_from_those_that_follow():
    parts, other = trained(), trained(steps=9)
    first, again = (torch.cat([inputs for inputs, _ in chosen_batches(each, 20)]) for each in (parts, other))
    assert torch.equal(first, again)
    rest = torch.cat([inputs for inputs, _ in chosen_batches(parts, 99, skip=20)])
    assert len(rest) == 44
    assert not any(bool((row == rest).all(1).any()) for row in first)
    larger = torch.cat([inputs for inputs, _ in chosen_batches(parts, 40)])
    assert all(bool((row == larger).all(1).any()) for row in first)


def test_arithmetic_is_plain_inside_and_as_it_was_outside():
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    network[0].eval()
    cudnn, before = torch.backends.cudnn, torch.backends.cudnn.conv.fp32_precision
    with exact(network):
        assert not network[1].training
        assert cudnn.conv.fp32_precision == torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert cudnn.deterministic
    assert cudnn.conv.fp32_precision == before
    assert [network[0].training, network[1].training, cudnn.deterministic] == [False, True, False]


# --- distances


def test_distances_are_the_sums_written_out():
    parts = trained()
    begun, now = (
        np.concatenate([p.detach().numpy().ravel() for p in network.parameters()]).astype(float)
        for network in (parts.beginning(), parts.model)
    )
    found = distance.measure(parts)
    assert found["moved"] == pytest.approx(np.linalg.norm(now - begun))
    assert found["relative"] == pytest.approx(np.linalg.norm(now - begun) / np.linalg.norm(begun))
    assert found["weight_norm"] == pytest.approx(np.linalg.norm(now))
    other = trained(steps=9)
    then = np.concatenate([p.detach().numpy().ravel() for p in other.model.parameters()]).astype(float)
    pair = distance.between(parts, other)
    assert pair["l2"] == pytest.approx(np.linalg.norm(now - then))
    assert pair["cosine"] == pytest.approx(now @ then / np.linalg.norm(now) / np.linalg.norm(then))
    assert pair["relative"] == pytest.approx(pair["l2"] / (found["moved"] + distance.measure(other)["moved"]) * 2)
    assert distance.between(other, parts) == pytest.approx(pair)


def test_a_network_is_at_no_distance_from_itself_and_from_one_that_has_not_moved():
    parts, still = trained(), start(SGD, problems.NORMALISED)
    same = distance.between(parts, parts)
    assert (same["l2"], same["relative"]) == (0, 0)
    assert same["cosine"] == pytest.approx(1)
    assert distance.measure(still)["moved"] == 0
    assert distance.between(still, still)["relative"] == 0


def test_networks_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="must have the same parameters, got"):
        distance.between(trained(), trained(problems.NETWORK))
