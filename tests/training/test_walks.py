"""Walks against hand-written rules, and the choice of the learning rate against the whole grid."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from harness import Choice, Float, Optimizer
from harness.training.landscapes import LANDSCAPES
from harness.training.walks import Walk, best_walk, neighbour_rates, rate_grid, walk, walk_all

RAVINE = LANDSCAPES["ravine"]


@pytest.fixture
def named(registry):
    def find(name):
        return registry.get("optimizer", name, Optimizer, "here")

    return find


def plain(build=torch.optim.SGD, space=None, **more):
    return Optimizer("plain", build, {"lr": Float(1e-3, 1.0, log=True)} if space is None else space, **more)


def test_sgd_walks_as_gradient_descent_written_by_hand(named):
    for landscape in LANDSCAPES.values():
        found = walk(named("sgd"), landscape, {"lr": 1e-3, "momentum": 0.0}, 60)
        x, y = landscape.start
        for step in range(61):
            assert found.xy[step] == pytest.approx((x, y), abs=1e-4)
            by_x, by_y = landscape.gradient(x, y)
            x, y = x - 1e-3 * by_x, y - 1e-3 * by_y
        assert found.xy.shape == (61, 2)
        assert found.value == pytest.approx([landscape.value(*point) for point in found.xy])


def test_a_walk_is_the_same_twice_and_leaves_torchs_generator_alone():
    def noisy(parameters, lr):
        class Noisy(torch.optim.SGD):
            def step(self, closure=None):
                super().step()
                with torch.no_grad():
                    parameters[0].add_(0.01 * torch.randn(2))

        return Noisy(parameters, lr)

    before = torch.get_rng_state()
    first, second = (walk(plain(noisy), RAVINE, {"lr": 1e-3}, 30) for _ in range(2))
    assert np.array_equal(first.xy, second.xy)
    assert torch.equal(torch.get_rng_state(), before)


def test_one_with_a_closure_walks_and_its_gradients_are_counted(named):
    found = walk(named("torch:LBFGS"), RAVINE, {"lr": 1.0}, 100)
    assert found.value[-1] < 1e-6
    assert (np.diff(found.gradients) >= 1).all()
    assert found.gradients[1] > 1


def test_one_that_switches_shows_what_it_evaluates():
    class Halved(torch.optim.SGD):
        """Evaluates half of what it trains."""

        def eval(self):
            with torch.no_grad():
                self.param_groups[0]["params"][0].mul_(0.5)

        def train(self):
            with torch.no_grad():
                self.param_groups[0]["params"][0].mul_(2.0)

    found = walk(plain(Halved, switches=True), RAVINE, {"lr": 0.0}, 3)
    assert found.xy[1:] == pytest.approx(np.array([RAVINE.start] * 3), abs=1e-6)
    assert walk(plain(Halved), RAVINE, {"lr": 0.0}, 3).xy[-1] == pytest.approx(RAVINE.start, abs=1e-6)


def test_second_derivatives_are_there_for_one_that_takes_them():
    class Newton(torch.optim.Optimizer):
        def __init__(self, parameters):
            super().__init__(parameters, {"lr": 1.0})  # which every group must have

        def step(self, closure=None):
            (point,) = self.param_groups[0]["params"]
            rows = [torch.autograd.grad(each, point, retain_graph=True)[0] for each in point.grad]
            with torch.no_grad():
                point.sub_(torch.linalg.solve(torch.stack(rows), point.grad))

    def build(parameters):
        return Newton(parameters)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = walk(plain(build, {}, second_order=True), RAVINE, {}, 1)
    assert found.xy[1] == pytest.approx(RAVINE.minimum, abs=1e-5)  # of a quadratic in one step


def test_a_walk_that_leaves_by_far_is_ended():
    found = walk(plain(), RAVINE, {"lr": 1.0})
    assert found.lost
    assert found.score == math.inf
    assert len(found.xy) < 10
    assert RAVINE.is_far(*found.xy[-1])
    assert np.isfinite(found.value).all()


def test_the_grid_covers_the_declared_range_and_a_power_of_ten_more(named):
    grid = rate_grid(named("adam"))  # 1e-4 to 1e-1
    assert grid == pytest.approx([1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0])
    assert rate_grid(plain(space={})) == []
    assert rate_grid(plain(space={"lr": Choice([0.5, 0.1])})) == [0.1, 0.5]
    assert neighbour_rates(0.1) == pytest.approx([0.05, 0.2])
    assert neighbour_rates(0.03) == pytest.approx([0.02, 0.05])


@pytest.mark.parametrize("landscape", LANDSCAPES.values(), ids=lambda each: each.name)
def test_the_chosen_rate_is_the_best_of_the_grid(landscape):
    optimizer = plain()
    lr, found = best_walk(optimizer, landscape, {})
    scores = {rate: walk(optimizer, landscape, {"lr": rate}).score for rate in rate_grid(optimizer)}
    scores |= {
        rate: walk(optimizer, landscape, {"lr": rate}).score for rate in neighbour_rates(min(scores, key=scores.get))
    }
    assert found.score == scores[lr] == min(scores.values())


def test_the_score_is_the_mean_logarithm_per_gradient():
    values = np.array([100.0, 10.0, 1e-9])
    found = Walk(np.zeros((3, 2)), np.array([0, 1, 4]), values, lost=False)
    assert found.score == pytest.approx((1 + 3 * -4) / 4)


def test_the_table_names_the_optimizer_that_fails_and_has_the_others(named):
    def broken(parameters, **hyperparameters):
        raise RuntimeError("no such thing")

    table = walk_all({"good": (plain(), {}), "bad": (Optimizer("bad", broken, {}), {})})
    assert list(table) == ["arm", "landscape", "step", "gradients", "x", "y", "value", "lr", "problem"]
    bad = table[table["arm"] == "bad"]
    assert list(bad["landscape"]) == list(LANDSCAPES)
    assert set(bad["problem"]) == {"failed: RuntimeError: no such thing"}
    good = table[table["arm"] == "good"]
    assert set(good["problem"]) == {""}
    assert (good.groupby("landscape")["step"].max() == 200).all()


def test_a_rate_it_does_not_take_is_left_out():
    def choosy(parameters, lr):
        if lr > 0.01:
            raise ValueError("too large")
        return torch.optim.SGD(parameters, lr)

    lr, _ = best_walk(plain(choosy), RAVINE, {})
    assert 0 < lr <= 0.01


def test_tuned_hyperparameters_are_used_except_the_learning_rate(named):
    table = walk_all({"a": (named("sgd"), {"lr": 123.0, "momentum": 0.0}), "b": (plain(), {})})
    first, second = (table[table["arm"] == arm].drop(columns="arm").reset_index(drop=True) for arm in "ab")
    assert first.equals(second)
    free = walk_all({"a": (plain(space={}), {"lr": 1e-3})})  # it declares none to choose, so it is as it is given
    assert free["lr"].isna().all()
    assert free["x"].iloc[1] != RAVINE.start[0]
