"""The landscapes against finite differences and autograd, and their minima."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.training.landscapes import LANDSCAPES

EACH = pytest.mark.parametrize("landscape", LANDSCAPES.values(), ids=lambda each: each.name)


def inside(landscape, count=50):
    random = np.random.default_rng(0)
    (left, right), (bottom, top) = landscape.window
    return zip(random.uniform(left, right, count), random.uniform(bottom, top, count), strict=True)


@EACH
def test_the_gradient_is_that_of_finite_differences(landscape):
    h = 1e-6
    for x, y in inside(landscape):
        by_x = (landscape.value(x + h, y) - landscape.value(x - h, y)) / (2 * h)
        by_y = (landscape.value(x, y + h) - landscape.value(x, y - h)) / (2 * h)
        assert landscape.gradient(x, y) == pytest.approx((by_x, by_y), rel=1e-5, abs=1e-4)


@EACH
def test_the_gradient_is_that_of_autograd(landscape):
    for x, y in inside(landscape):
        point = torch.tensor([x, y], dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(landscape.value(*point.unbind()), point)
        assert landscape.gradient(x, y) == pytest.approx(gradient.tolist(), rel=1e-12, abs=1e-9)


@EACH
def test_the_minimum_is_one_and_the_value_there_is_0(landscape):
    assert landscape.value(*landscape.minimum) == pytest.approx(0, abs=1e-20)
    assert landscape.gradient(*landscape.minimum) == pytest.approx((0, 0), abs=1e-12)
    assert all(landscape.value(x, y) > 0 for x, y in inside(landscape))


@EACH
def test_start_and_minimum_lie_in_the_window_and_the_start_is_far_up(landscape):
    for point in (landscape.start, landscape.minimum):
        assert all(low < at < high for at, (low, high) in zip(point, landscape.window, strict=True))
    assert landscape.value(*landscape.start) > 1
    assert not landscape.is_far(*landscape.start)
    assert landscape.is_far(1e3, 0.0)
    assert landscape.is_far(float("nan"), 0.0)


def test_the_ravine_is_as_steep_as_it_says_whatever_way_it_is_turned():
    value = LANDSCAPES["ravine"].value
    assert value(-0.6, 0.8) / value(0.8, 0.6) == pytest.approx(100)
