"""The surface through three solutions: a plane that is one, and losses that are those of the networks there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from harness_plugins.probes import surface
from harness_plugins.probes._curvature.plane import Plane
from torch import nn

from harness.plugin.contracts import Metric
from harness.testing import problems
from harness.testing.driving import SGD, start, step


def normal(size, seed):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def trained(problem, seed, steps=3):
    parts = start(SGD, problem)
    with torch.no_grad():
        for parameter in parts.model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    step(parts, steps)
    return parts


def three(problem):
    return [trained(problem, seed) for seed in range(3)]


def test_the_plane_goes_through_its_points_with_axes_at_right_angles():
    points = [normal(50, seed) for seed in range(3)]
    plane = Plane.through(*points)
    for point, (x, y) in zip(points, plane.places, strict=True):
        assert torch.allclose(plane.at(x, y), point, atol=1e-12)
    assert float(plane.across.norm()) == pytest.approx(1)
    assert float(plane.up.norm()) == pytest.approx(1)
    assert float(plane.across @ plane.up) == pytest.approx(0, abs=1e-14)
    wanted = [
        float((a - b).norm()) for a, b in ((points[0], points[1]), (points[0], points[2]), (points[1], points[2]))
    ]
    assert plane.sides == pytest.approx(wanted)
    assert plane.places[0].tolist() == [0, 0]
    assert plane.places[1, 1] == 0
    assert plane.places[2, 1] > 0


def test_the_grid_goes_beyond_the_points_on_every_side():
    plane = Plane.through(torch.zeros(2), torch.tensor([4.0, 0.0]), torch.tensor([-1.0, 2.0]))
    assert plane.axis(0, 3, 0.2).tolist() == pytest.approx([-2, 1.5, 5])
    assert plane.axis(1, 3, 0.5).tolist() == pytest.approx([-1, 1, 3])


def test_the_surface_is_the_loss_of_the_networks_there():
    parts = three(problems.NETWORK)
    found = surface.measure(*parts, points=5, margin=0.25)
    rows = parts[0].ingredients.train
    for network, (x, y), loss in zip(parts, found["solutions"], found["solution_loss"], strict=True):
        assert loss == pytest.approx(network.evaluate(rows, "")["_loss"], rel=1e-5), (x, y)
    weights = [nn.utils.parameters_to_vector(each.model.parameters()).detach() for each in parts]
    plane = Plane.through(*weights)
    nn.utils.vector_to_parameters(plane.at(found["x"][3], found["y"][1]), parts[0].model.parameters())
    assert found["loss"][1, 3] == pytest.approx(parts[0].evaluate(rows, "")["_loss"], rel=1e-5)
    assert found["loss"].shape == (5, 5)
    assert found["one_other"] == pytest.approx(float((weights[0] - weights[1]).norm()), rel=1e-5)
    assert "error" not in found  # the task has none


def test_the_error_is_there_where_the_task_has_one():
    wrong = Metric(lambda said, right: float((said.argmax(1) != right).mean()), "min")
    task = replace(problems.CLASSES, metrics={**problems.CLASSES.metrics, "error": wrong})
    parts = three(replace(problems.NETWORK, task=task))
    found = surface.measure(*parts, points=3)
    assert found["error"].shape == (3, 3)
    for network, error in zip(parts, found["solution_error"], strict=True):
        assert error == pytest.approx(network.evaluate(network.ingredients.train, "")["_error"])
    assert 0 <= found["error"].min() <= found["error"].max() <= 1


def test_batch_norm_is_recomputed_for_the_weights_of_the_point():
    """Statistics that fit no weights change nothing, because none of them is used."""
    parts = three(problems.NORMALISED)
    before = surface.measure(*parts, points=3)
    for each in parts:
        each.model[1].running_mean += 100
    after = surface.measure(*parts, points=3)
    assert np.array_equal(before["loss"], after["loss"])
    inputs, targets = parts[1].ingredients.train.inputs, parts[1].ingredients.train.targets
    parts[1].model.train()
    parts[1].model[3].p = 0.0
    wanted = nn.functional.cross_entropy(parts[1].model(inputs), targets)  # 64 rows are one batch
    assert before["solution_loss"][1] == pytest.approx(
        wanted.item(), rel=0.02
    )  # it divides by n, the statistics by n - 1


def test_filters_times_20_change_nothing():
    parts = three(problems.NORMALISED)
    before = surface.measure(*parts, points=3)
    with torch.no_grad():
        parts[1].model[0].weight *= 20
        parts[1].model[1].running_mean *= 20
        parts[1].model[1].running_var *= 400
    after = surface.measure(*parts, points=3)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-3, atol=1e-4)


def test_statistics_that_a_fine_tuning_froze_stay():
    parts = three(problems.NORMALISED)
    for each in parts:
        each.run = replace(each.run, batch_norm="frozen")
    found = surface.measure(*parts, points=3)
    assert found["solution_loss"][0] == pytest.approx(
        parts[0].evaluate(parts[0].ingredients.train, "")["_loss"], rel=1e-5
    )
    with torch.no_grad():
        parts[0].model[1].running_mean += 100
    assert not np.allclose(surface.measure(*parts, points=3)["loss"], found["loss"])


@pytest.mark.parametrize("images", [31, 33, 65])
def test_no_batch_is_too_small_for_batch_norm(images, monkeypatch):
    from harness_plugins.probes._curvature import landscape

    monkeypatch.setattr(landscape, "BATCH", 10)
    assert np.isfinite(surface.measure(*three(problems.NORMALISED), points=2, images=images)["loss"]).all()


def test_solutions_on_a_line_have_no_plane():
    parts = three(problems.NETWORK)
    found = surface.measure(parts[0], parts[1], parts[0], points=3)
    assert found["one_third"] == 0
    assert set(found) == {"one_other", "one_third", "other_third"}
    assert surface.measure(parts[0], parts[0], parts[0])["one_other"] == 0


def test_networks_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="must have the same parameters, got"):
        surface.measure(*three(problems.NETWORK)[:2], trained(problems.NORMALISED, 0))


def test_the_networks_are_left_alone_and_it_measures_the_same_again():
    parts = three(problems.NORMALISED)
    for each in parts:
        each.model.zero_grad(set_to_none=True)
    before = [{name: tensor.clone() for name, tensor in each.model.state_dict().items()} for each in parts]
    found, again = (surface.measure(*parts, points=3) for _ in range(2))
    for each, state in zip(parts, before, strict=True):
        assert all(torch.equal(tensor, each.model.state_dict()[name]) for name, tensor in state.items())
        assert each.model.training
        assert all(parameter.grad is None for parameter in each.model.parameters())
    assert all(np.array_equal(value, again[name]) for name, value in found.items())
