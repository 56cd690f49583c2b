"""The gradient's length at the end: against closed forms, the bound it gives, and where it gives none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from harness_plugins.probes import gradient_norm

from harness import Backbone, Optimizer, Scheduler, Split, Task
from harness.plugin.discovery import discover
from harness.plugin.runs import Arm, Run
from harness.training.batches import put_on_device
from harness.training.device import Device
from harness.training.ingredients import Ingredients
from harness.training.loop import train
from harness.training.parts import Parts, assemble

FOUND = discover(())
CPU = Device("cpu", "fp32", 1)
COUNT, FEATURES = 60, 8


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows(task: str) -> Split:
    """Return two classes a plane keeps apart, or one number per row."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(COUNT, FEATURES)).astype(np.float32)
    inputs[:, 0] += np.where(inputs[:, 0] > 0, 1, -1)  # a gap between the classes
    targets = (inputs[:, 0] > 0).astype(np.int64)
    if task == "regression":
        targets = (inputs @ random.normal(size=(FEATURES, 1)) + random.normal(size=(COUNT, 1))).astype(np.float32)
    return Split(inputs, targets, tuple(map(str, range(COUNT))))


def trained(
    epochs: int, task: str = "regression", l2: float = 0.1, convex: bool = True, optimizer: str = "sgd", **settings
):
    """Return the parts of a linear network after so many steps on all rows, and its data."""
    data = rows(task)
    split = put_on_device(data, CPU)
    use = Ingredients(
        task=FOUND.get("task", task, Task),
        backbone=replace(FOUND.get("backbone", "linear", Backbone), convex=convex),
        optimizer=FOUND.get("optimizer", optimizer, Optimizer),
        scheduler=FOUND.get("scheduler", "cosine", Scheduler),
        outputs=1 if task == "regression" else 2,
        train=split, tune=split, test=split,
    )  # fmt: skip
    run = Run(
        phase="compare", arm=Arm("linear", optimizer, "cosine"), optimizer=settings or {"lr": 0.1}, scheduler={},
        epochs=epochs, batch_size=COUNT, l2=l2, augment=(), precision="fp32", task=task, init_seed=1, order_seed=1,
        data="", plugins={},
    )  # fmt: skip
    parts = assemble(run, use, CPU)
    for _ in train(run, parts):
        pass
    return parts, data


def theta(network: torch.nn.Module) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in network.parameters()]).double().numpy()


def ridge(weights: np.ndarray, data: Split, l2: float) -> tuple[float, np.ndarray, float]:
    """Return the objective, its gradient and its lowest value, from the normal equations in float64."""
    inputs, targets = np.c_[data.inputs.astype(np.float64), np.ones(COUNT)], data.targets[:, 0].astype(np.float64)
    hessian, pull = 2 / COUNT * inputs.T @ inputs + l2 * np.eye(FEATURES + 1), 2 / COUNT * inputs.T @ targets

    def value(at: np.ndarray) -> float:
        return float(((inputs @ at - targets) ** 2).mean() + l2 / 2 * at @ at)

    return value(weights), hessian @ weights - pull, value(np.linalg.solve(hessian, pull))


@pytest.mark.parametrize("epochs", [1, 20, 150])
def test_both_lengths_are_those_of_the_closed_form(epochs):
    parts, data = trained(epochs)
    found = gradient_norm.measure(parts)
    _, there, _ = ridge(theta(parts.model), data, 0.1)
    _, began, _ = ridge(theta(parts.beginning()), data, 0.1)
    # Of float32's making is 1e-7 of the start or less: a tolerance of 1e-4 is far above that.
    assert found["value"] == pytest.approx(np.linalg.norm(there), rel=1e-5, abs=1e-6 * np.linalg.norm(began))
    assert found["relative"] == pytest.approx(found["value"] / np.linalg.norm(began), rel=1e-5)


@pytest.mark.parametrize("epochs", [1, 5, 20, 80])
def test_the_objective_is_no_further_above_its_minimum_than_excess_says(epochs):
    parts, data = trained(epochs)
    here, _, lowest = ridge(theta(parts.model), data, 0.1)
    assert 0 < here - lowest <= gradient_norm.measure(parts)["excess"]


def test_trained_to_the_tolerance_the_excess_is_nothing():
    found = gradient_norm.measure(trained(150, lr=0.2, momentum=0.8)[0])
    assert found["relative"] < 1e-4
    assert found["excess"] < 1e-6


def test_on_separable_data_without_l2_any_tolerance_is_met_while_the_loss_still_falls_and_no_bound_is_given():
    parts, _ = trained(5, "classification", l2=0.0, lr=0.1)
    found, losses = [], []
    for _ in range(4):
        with torch.no_grad():
            for parameter in parts.model.parameters():
                parameter *= 2
        found.append(gradient_norm.measure(parts))
        losses.append(parts.done().metrics["train_loss"])
    assert found[0]["relative"] > found[1]["relative"] > found[2]["relative"] > found[3]["relative"]
    assert found[3]["relative"] < 1e-5  # the gate's usual tolerance is 1e-4
    assert losses[0] > losses[1] > losses[2] > losses[3]
    assert all("excess" not in each for each in found)


SETTINGS = {
    "sgd": {"lr": 0.5, "momentum": 0.8},
    "adam": {"lr": 0.1, "beta1": 0.8},
    "rmsprop": {"lr": 0.02, "momentum": 0.8, "alpha": 0.9},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_with_l2_the_same_data_have_one_minimum_and_it_is_reached(name):
    parts, _ = trained(300, "classification", optimizer=name, **SETTINGS[name])
    again, _ = trained(300, "classification", lr=1.0, momentum=0.5)
    found = gradient_norm.measure(parts)
    # The slowest one, adam, comes to a hundredth of both bounds.
    assert found["relative"] < 1e-4
    np.testing.assert_allclose(theta(parts.model), theta(again.model), atol=1e-3)


def test_a_network_that_is_not_convex_is_given_no_bound():
    parts, _ = trained(5, convex=False)
    assert gradient_norm.measure(parts).keys() == {"value", "relative"}


# --- scale-free tensors


def images(count: int = 64) -> Split:
    random = np.random.default_rng(0)
    targets = np.arange(count) % 2
    pixels = random.integers(0, 156, (count, 8, 8, 3)) + 100 * targets[:, None, None, None]
    return Split(pixels.astype(np.uint8), targets.astype(np.int64), tuple(map(str, range(count))))


def convolutional(l2_on: str = "not_scale_free", batch_size: int = 16, epochs: int = 2):
    """Return the parts of lesson_cnn after some epochs."""
    split = put_on_device(images(), CPU)
    use = Ingredients(
        task=FOUND.get("task", "classification", Task), backbone=FOUND.get("backbone", "lesson_cnn", Backbone),
        optimizer=FOUND.get("optimizer", "sgd", Optimizer), scheduler=FOUND.get("scheduler", "cosine", Scheduler),
        outputs=2, train=split, tune=split, test=split,
    )  # fmt: skip
    run = Run(
        phase="compare", arm=Arm("lesson_cnn", "sgd", "cosine"), optimizer={"lr": 0.05}, scheduler={}, epochs=epochs,
        batch_size=batch_size, l2=1e-2, augment=(), precision="fp32", task="classification", init_seed=1, order_seed=1,
        data="", plugins={}, l2_on=l2_on,
    )  # fmt: skip
    parts = assemble(run, use, CPU)
    for _ in train(run, parts):
        pass
    return parts


def rescale(network: torch.nn.Module, factor: float) -> None:
    """Multiply every filter before a batch norm; the first of each convolution by its inverse."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter *= factor
                parameter[0] /= factor**2


@pytest.mark.parametrize("l2_on", ["not_scale_free", "all"])
@pytest.mark.parametrize("factor", [20.0, 0.05])
def test_the_lengths_of_scale_free_filters_do_not_matter(l2_on, factor):
    parts = convolutional(l2_on)
    before = gradient_norm.measure(parts)
    rescale(parts.model, factor)
    after = gradient_norm.measure(parts)
    # what is left of the difference is the eps of batch norm
    assert after["value"] == pytest.approx(before["value"], rel=0.02)
    assert after["relative"] == pytest.approx(before["relative"], rel=0.02)


def test_the_gradient_by_direction_is_that_of_a_network_which_divides_by_the_lengths():
    random = torch.Generator().manual_seed(0)
    weight, target = torch.randn(5, 7, generator=random), torch.randn(5, 7, generator=random)
    free = weight.clone().requires_grad_()
    ((free / free.norm(dim=1, keepdim=True)) * target).sum().backward()
    unit = (weight / weight.norm(dim=1, keepdim=True)).requires_grad_()
    ((unit / unit.norm(dim=1, keepdim=True)) * target).sum().backward()
    found = gradient_norm.on_sphere(free.grad, weight, 5)
    torch.testing.assert_close(found, unit.grad.double(), rtol=1e-5, atol=1e-6)


def test_a_filter_of_length_zero_has_no_gradient():
    found = gradient_norm.on_sphere(torch.ones(2, 3), torch.tensor([[0.0, 0, 0], [1, 0, 0]]), 2)
    torch.testing.assert_close(found, torch.tensor([[0.0, 0, 0], [0, 1, 1]], dtype=torch.float64))


def test_a_batch_norms_gradient_is_the_one_that_training_descends():
    """With one batch the steps of plain gradient descent are the gradient, times the rate."""
    parts = convolutional(batch_size=64, epochs=1)
    run = replace(parts.run, optimizer={"lr": 1e-3, "momentum": 0.0, "nesterov": False}, order_seed=3)
    still = assemble(run, parts.ingredients, CPU)
    gradient = still.objective_gradient(still.model)
    before = {name: p.detach().clone() for name, p in still.model.named_parameters()}
    still.switch("train")
    rate = still.optimizer.param_groups[0]["lr"]
    still.step(*next(still.batches.of(1)))
    for name, parameter in still.model.named_parameters():
        moved = (before[name] - parameter.detach()) / rate
        torch.testing.assert_close(moved, gradient[name], rtol=2e-2, atol=2e-4, msg=name)


def test_it_leaves_the_network_as_it_was():
    parts, _ = trained(5)
    before, gradients = theta(parts.model), [p.grad.clone() for p in parts.model.parameters()]
    gradient_norm.measure(parts)
    np.testing.assert_array_equal(theta(parts.model), before)
    assert all(torch.equal(p.grad, g) for p, g in zip(parts.model.parameters(), gradients, strict=True))


def test_the_start_of_a_run_that_has_not_moved_is_where_it_stands():
    moved, _ = trained(1)
    still: Parts = assemble(moved.run, moved.ingredients, CPU)
    assert gradient_norm.measure(still)["relative"] == 1
