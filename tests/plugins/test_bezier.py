"""The curve between two networks: through both of them, lower than the straight line, the same from either end."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from harness_plugins.backbones import lesson_cnn
from harness_plugins.probes import bezier, connectivity
from harness_plugins.probes._connect.curves import bezier as on_curve
from harness_plugins.probes._connect.landscape import Landscape

FEW = {"images": 96, "bn_images": 96}


@pytest.fixture
def pair(train, stripes):
    return [train(partial(lesson_cnn.build, (3, 16, 16), 3, width=8), stripes, init=init) for init in (1, 2)]


def test_a_bent_path_is_lower_than_the_straight_one(pair):
    before = [{name: each.clone() for name, each in parts.model.state_dict().items()} for parts in pair]
    generator = torch.get_rng_state()
    straight = connectivity.measure(*pair, alphas=9, **FEW)
    found = bezier.measure(*pair, points=9, epochs=12, lr=1e-2, **FEW)
    assert found["loss"] < 0.5 * straight["naive_loss"]
    assert found["error"] <= straight["naive_error"]
    assert found["max_loss"] == found["curve_loss"].max()
    assert found["max_error"] == found["curve_error"].max()
    assert found["bn_recalibrated"] == 1
    assert torch.equal(generator, torch.get_rng_state())
    for parts, state in zip(pair, before, strict=True):
        assert not parts.model.training
        assert all(torch.equal(state[name], each) for name, each in parts.model.state_dict().items())


def test_it_goes_through_both_networks_and_is_the_same_from_either(pair):
    there = bezier.measure(*pair, points=5, epochs=1, **FEW)
    back = bezier.measure(*pair[::-1], points=5, epochs=1, **FEW)
    ends = [Landscape(parts, 96, 96).at(parts.model.state_dict()) for parts in pair]
    assert there["curve_loss"][[0, -1]].tolist() == pytest.approx([end.loss for end in ends], rel=1e-5)
    assert there["end_loss"] == there["curve_loss"][[0, -1]].max()
    for name, value in there.items():
        np.testing.assert_array_equal(value, back[name][::-1] if "curve" in name else back[name])


def test_the_curve_is_quadratic():
    one, bend, other = ({"w": torch.tensor([float(value)]), "n": torch.tensor(value)} for value in (1, 5, 3))
    assert [float(on_curve(one, bend, other, t)["w"]) for t in (0.0, 0.5, 1.0)] == [1, 0.25 + 2.5 + 0.75, 3]
    assert int(on_curve(one, bend, other, 0.5)["n"]) == 1
