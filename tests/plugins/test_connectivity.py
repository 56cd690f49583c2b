"""The line between two networks: zero where they are one, high without new statistics, low after alignment."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from harness_plugins._timm import import_timm
from harness_plugins.backbones import lesson_cnn, linear, mlp
from harness_plugins.probes import _images, connectivity
from harness_plugins.probes._connect import batch_norm, landscape, repair
from harness_plugins.probes._connect.curves import barrier, between, points
from harness_plugins.probes._connect.graph import symmetry
from harness_plugins.probes._connect.landscape import Landscape
from harness_plugins.probes._connect.line import Line
from harness_plugins.probes._connect.permutation import permuted, randomly
from torch import nn

from harness.plugin.contracts import Metric, Split, Task

SHORT = {"alphas": 5, "images": 96, "bn_images": 96, "bend_steps": 6}
CNN = partial(lesson_cnn.build, (3, 16, 16), 3, width=8)


def clusters(count=96):
    random = np.random.default_rng(0)
    targets = np.arange(count) % 3
    rows = 0.7 * random.normal(size=(3, 12))[targets] + random.normal(size=(count, 12))
    return Split(rows.astype(np.float32), targets, tuple(map(str, range(count))))


MLP = partial(mlp.build, (12,), 3, widths=(24, 16))


@pytest.fixture
def cnn(train, stripes):
    return partial(train, CNN, stripes)


@pytest.fixture
def plain(train):
    return partial(train, MLP, clusters())


def permuted_copy(parts, other, seed=5):
    """Load a network with the first one's weights, its units in another order, into the other's parts."""
    train = parts.ingredients.train
    units = symmetry(parts.model, train.as_input(train.inputs[:2]))
    orders = randomly(units, torch.Generator().manual_seed(seed))
    other.model.load_state_dict(permuted(parts.model.state_dict(), units, orders))
    return other


def test_a_network_and_itself_have_no_barrier(cnn):
    one, same = cnn(epochs=3), cnn(epochs=3)
    found = connectivity.measure(one, same, **SHORT)
    assert found["naive_loss"] == pytest.approx(0, abs=1e-6)
    assert found["aligned_loss"] == pytest.approx(0, abs=1e-6)
    assert found["naive_error"] == found["aligned_error"] == 0


@pytest.mark.parametrize("kind", ["cnn", "plain"])
def test_a_permuted_copy_is_connected_once_aligned(kind, request):
    make = request.getfixturevalue(kind)
    one = make(init=1)
    other = permuted_copy(one, make(init=2, epochs=0))
    found = connectivity.measure(one, other, **SHORT)
    assert found["naive_loss"] > 0.05
    assert found["naive_error"] > 0.05
    assert found["aligned_loss"] < 1e-3
    assert found["aligned_error"] == 0
    assert found["method"] in (1, 2)
    assert found["aligned"] == found["movable"] == found["bn_recalibrated"] == 1
    assert found["path_error"] == 0
    assert found["batch_norm"] == (kind == "cnn")
    if kind == "plain":
        assert found["repaired_loss"] < 1e-3
    else:
        assert "repaired_loss" not in found


def test_both_orders_say_the_same_and_curves_turn_round(cnn):
    one, other = cnn(init=1, epochs=2), cnn(init=2, epochs=3)
    there, back = connectivity.measure(one, other, **SHORT), connectivity.measure(other, one, **SHORT)
    for name, value in there.items():
        expected = back[name][::-1] if "curve" in name else back[name]
        np.testing.assert_array_equal(value, expected)
    ends = [Landscape(parts, 96, 96).at(parts.model.state_dict()) for parts in (one, other)]
    for name in ("naive_curve_loss", "aligned_curve_loss"):
        assert there[name][[0, -1]].tolist() == pytest.approx([end.loss for end in ends], rel=1e-5)
    assert there["aligned_curve_error"][[0, -1]].tolist() == [end.error for end in ends]


def test_barriers_are_those_of_the_curves(cnn):
    found = connectivity.measure(cnn(init=1), cnn(init=2), **{**SHORT, "alphas": 6})
    for kind in ("naive_loss", "naive_error", "aligned_loss", "aligned_error"):
        curve = found[kind.replace("_", "_curve_")]
        assert found[kind] == barrier(curve, found["alphas"])
    assert found["aligned_error"] <= found["naive_error"]


def test_without_the_naive_line_the_aligned_one_is_the_same(cnn):
    one, other = cnn(init=1), cnn(init=2)
    both, short = (connectivity.measure(one, other, naive=naive, **SHORT) for naive in (True, False))
    assert not any(name.startswith("naive") for name in short)
    assert {name: value for name, value in both.items() if name in short and not isinstance(value, np.ndarray)} == {
        name: value for name, value in short.items() if not isinstance(value, np.ndarray)
    }


@pytest.fixture
def narrow(train, stripes):
    """Networks so narrow that no straight line between them is low."""
    return partial(train, partial(lesson_cnn.build, (3, 16, 16), 3, width=2), stripes, epochs=12)


def test_a_path_with_a_bend_is_lower_than_the_straight_line(narrow):
    one, other = narrow(init=1), narrow(init=2)
    straight, bent = (connectivity.measure(one, other, **{**SHORT, "bend_steps": steps}) for steps in (0, 40))
    assert not any(name.startswith(("path", "bent")) for name in straight)
    assert {name: value for name, value in bent.items() if name in straight and not isinstance(value, np.ndarray)} == {
        name: value for name, value in straight.items() if not isinstance(value, np.ndarray)
    }
    assert straight["aligned_error"] > 0.1
    assert bent["bent"] == 1
    assert bent["path_error"] < 0.02
    assert bent["path_error"] == barrier(bent["path_curve_error"], bent["alphas"])
    assert bent["path_loss"] == barrier(bent["path_curve_loss"], bent["alphas"])
    assert bent["path_curve_loss"][[0, -1]].tolist() == bent["aligned_curve_loss"][[0, -1]].tolist()
    again = connectivity.measure(narrow(init=2), narrow(init=1), **{**SHORT, "bend_steps": 40})
    assert again["path_curve_loss"][::-1].tolist() == bent["path_curve_loss"].tolist()


def test_the_straight_line_is_the_path_where_no_bend_is_lower(narrow):
    found = connectivity.measure(narrow(init=1), narrow(init=2), **{**SHORT, "bend_lr": 100.0})
    assert found["aligned_error"] > 0
    assert found["bent"] == 0
    assert found["path_error"] == found["aligned_error"]
    assert found["path_curve_loss"].tolist() == found["aligned_curve_loss"].tolist()


def test_a_bend_can_be_left_out_within_an_arm(narrow, monkeypatch):
    monkeypatch.setattr(Line, "bent", lambda line, end, *_: line.curve(end))
    one, other = narrow(init=1), narrow(init=2)
    within = connectivity.measure(one, other, **SHORT, bend_within=False)
    assert not any(name.startswith(("path", "bent")) for name in within)
    other.run = replace(other.run, arm=replace(other.run.arm, optimizer="adam"))
    assert "path_error" in connectivity.measure(one, other, **SHORT, bend_within=False)


def test_no_bend_is_trained_where_the_error_does_not_rise(cnn, monkeypatch):
    monkeypatch.setattr(Line, "bent", lambda *_: pytest.fail("a bend was trained"))
    found = connectivity.measure(cnn(init=1), cnn(init=2), **SHORT)
    assert found["aligned_error"] == found["path_error"] == found["bent"] == 0


def test_statistics_of_one_batch_are_used_as_they_are_made(cnn, monkeypatch):
    parts = cnn()
    weights = parts.model.state_dict()
    at_once, apart = Landscape(parts, 96, 96), Landscape(parts, 96, 96)
    assert at_once._at_once
    apart._at_once = False
    assert at_once.at(weights).error == apart.at(weights).error
    # It divides by n, and not by n - 1.
    assert at_once.at(weights).loss == pytest.approx(apart.at(weights).loss, rel=0.05)
    monkeypatch.setattr(landscape, "BATCH", 50)
    assert not Landscape(parts, 96, 96)._at_once
    assert not Landscape(parts, 40, 48)._at_once


def test_a_permuted_vision_transformer_is_connected_once_aligned(train, stripes):
    build = partial(
        import_timm().create_model, "vit_tiny_patch16_224",
        img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=3, num_classes=3,
    )  # fmt: skip
    one, other = train(build, stripes, init=1, epochs=12), train(build, stripes, init=2, epochs=0)
    inputs = one.ingredients.train.batch(slice(None))[0]
    permuted_copy(one, other)
    with torch.no_grad():
        torch.testing.assert_close(one.model(inputs), other.model(inputs), atol=1e-5, rtol=1e-4)
    found = connectivity.measure(one, other, **SHORT)
    assert found["movable"] == 1
    assert found["batch_norm"] == found["normalised"] == 0
    assert found["naive_error"] > 0.2
    assert found["aligned_loss"] < 1e-5
    assert found["aligned_error"] == found["repaired_error"] == found["path_error"] == 0


def test_networks_that_began_alike_and_saw_another_order_are_close(cnn):
    near = connectivity.measure(cnn(init=1, order=2, lr=0.02), cnn(init=1, order=3, lr=0.02), **SHORT)
    far = connectivity.measure(cnn(init=1, order=2, lr=0.02), cnn(init=2, order=3, lr=0.02), **SHORT)
    assert near["naive_loss"] < 0.02
    assert far["naive_loss"] > 5 * near["naive_loss"]


def test_midway_without_new_statistics_is_far_worse_than_with(cnn):
    one = cnn(init=1, epochs=12)
    other = permuted_copy(one, cnn(init=2, epochs=0))
    land = Landscape(one, 96, 96)
    middle = between(one.model.state_dict(), other.model.state_dict(), 0.5)
    assert land.at(one.model.state_dict(), recalibrated=False).error < 0.05
    assert land.at(middle, recalibrated=False).loss > 1.5 * land.at(middle).loss
    assert land.at(middle, recalibrated=False).error > land.at(middle).error + 0.1


class InPlace(nn.Module):
    """A network that works on its input in place."""

    def __init__(self):
        super().__init__()
        self.rest = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))

    def forward(self, images):
        return self.rest(images.mul_(-3).add_(1))


@pytest.mark.parametrize("build", [CNN, InPlace])
def test_photos_that_are_kept_are_the_same_in_every_pass(train, stripes, build, monkeypatch):
    parts = train(build, stripes, epochs=1)
    weights = parts.model.state_dict()
    kept = Landscape(parts, 96, 96)
    heights = [kept.at(weights) for _ in range(3)]
    monkeypatch.setattr(_images, "KEPT", 0)
    made_anew = Landscape(parts, 96, 96)
    assert heights == [made_anew.at(weights) for _ in range(3)]
    assert bool(kept._evaluated._kept) == (build is CNN)
    assert not made_anew._evaluated._kept


def test_spoiled_statistics_are_computed_anew(cnn):
    parts = cnn()
    trained = {name: each.clone() for name, each in parts.model.state_dict().items()}
    for layer in batch_norm.layers(parts.model):
        layer.running_mean.add_(3)
        layer.running_var.mul_(20)
    land = Landscape(parts, 96, 96)
    spoiled = land.at(parts.model.state_dict(), recalibrated=False)
    mended = land.at(parts.model.state_dict())
    assert spoiled.error > 0.3
    assert mended == land.at(trained)
    assert mended.error < 0.05
    found = connectivity.measure(parts, cnn(), **SHORT)
    assert found["endpoint_gap"] > 0.005  # such a network must be refused
    for name, each in parts.model.state_dict().items():  # and stays as it was
        expected = (
            trained[name] + 3
            if "running_mean" in name
            else trained[name] * 20
            if "running_var" in name
            else trained[name]
        )
        assert torch.equal(each, expected)


@torch.no_grad()
def test_statistics_are_the_plain_average_of_batches():
    network = nn.Sequential(nn.BatchNorm1d(4, momentum=0.3))
    batches = torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1
    batch_norm.recalibrate(network, batches)
    torch.testing.assert_close(network[0].running_mean, batches.mean((0, 1)))
    torch.testing.assert_close(network[0].running_var, batches.var(1).mean(0))
    assert network[0].momentum == 0.3
    assert not network[0].training


def test_statistics_of_another_kind_are_not_said_to_be_computed_anew(train):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("running_mean", torch.zeros(12))
            self.layer = nn.Linear(12, 3)

        def forward(self, rows):
            return self.layer(rows - self.running_mean)

    one, other = (train(Own, clusters(), init=init, epochs=1) for init in (1, 2))
    assert connectivity.measure(one, other, **SHORT)["bn_recalibrated"] == 0


def test_a_convex_network_is_aligned_as_it_is(train):
    one, other = (train(partial(linear.build, (12,), 3), clusters(), init=init, convex=True) for init in (1, 2))
    found = connectivity.measure(one, other, naive=False, **SHORT)
    assert found["aligned"] == 1
    assert found["method"] == 0
    assert found["aligned_loss"] == pytest.approx(0, abs=1e-6)  # no barrier in a convex loss
    assert "repaired_loss" not in found


def test_without_alignment_only_the_naive_barrier_is_told(train):
    class Ranked(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(12, 6), nn.Linear(6, 3)

        def forward(self, rows):
            return self.two(self.one(rows).relu().cumsum(1))

    one, other = (train(Ranked, clusters(), init=init, epochs=2, lr=0.01) for init in (1, 2))
    found = connectivity.measure(one, other, naive=False, **SHORT)
    assert found["aligned"] == found["method"] == found["movable"] == 0
    assert not any(name.startswith(("aligned_", "repaired_")) for name in found)
    assert found["naive_loss"] >= found["path_loss"] >= 0


def test_without_classes_only_losses_are_told(train):
    random = np.random.default_rng(0)
    rows = random.normal(size=(96, 12)).astype(np.float32)
    split = Split(rows, np.tanh(rows[:, :2]), tuple(map(str, range(96))))
    task = Task("regression", lambda _: 2, nn.functional.mse_loss, lambda out: out, {"mse": Metric(None, "min")})
    build = partial(mlp.build, (12,), 2, widths=(8,))
    one, other = (train(build, split, init=init, task=task, outputs=2) for init in (1, 2))
    found = connectivity.measure(one, other, **SHORT)
    assert not any("error" in name for name in found)
    assert found["endpoint_gap"] == 0
    assert {"naive_loss", "aligned_loss", "repaired_loss"} <= found.keys()


def test_repaired_activations_have_the_ends_statistics(plain):
    one, other = plain(init=1), plain(init=2)
    inputs = one.ingredients.train.inputs
    ends = [repair.statistics(parts.model, [inputs]) for parts in (one, other)]
    assert list(ends[0]) == ["1", "3"]  # the last layer makes the outputs
    wanted = repair.between(*ends, 0.5)
    land = Landscape(one, 96, 96)
    land.load(between(one.model.state_dict(), other.model.state_dict(), 0.5))
    shrunk = repair.statistics(land.network, [inputs])
    with repair.repaired(land.network, wanted, [inputs]):
        mended = repair.statistics(land.network, [inputs])
    assert float(shrunk["3"].deviation.mean()) < 0.9 * float(wanted["3"].deviation.mean())
    for name, each in wanted.items():
        varies = shrunk[name].deviation > 1e-6
        torch.testing.assert_close(mended[name].mean, each.mean, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(mended[name].deviation[varies], each.deviation[varies], atol=1e-5, rtol=1e-4)
    assert not any(module._forward_hooks for module in land.network.modules())


def test_networks_of_two_architectures_are_refused(train, plain):
    other = train(partial(mlp.build, (12,), 3, widths=(8,)), clusters(), epochs=0)
    with pytest.raises(ValueError, match="one architecture"):
        connectivity.measure(plain(epochs=0), other, **SHORT)


def test_a_barrier_is_what_rises_above_the_line_between_the_ends():
    assert barrier([1.0, 3.0, 2.0], [0, 0.5, 1]) == 1.5
    assert barrier([1.0, 1.0, 2.0], [0, 0.5, 1]) == 0
    assert points(5) == [0, 0.25, 0.5, 0.75, 1]
    with pytest.raises(ValueError, match="3 points"):
        points(2)


def test_the_examples_are_of_both_classes_however_they_lie():
    from harness_plugins.probes._connect.landscape import _drawn

    for count in (64, 256, 512):
        rows = _drawn(1024, count)
        assert len(set(rows.tolist())) == count
        assert 0.3 < (rows % 2).double().mean() < 0.7  # where two classes take turns
        assert 0.3 < (rows < 512).double().mean() < 0.7  # where one comes after the other
    assert _drawn(10, 64).tolist() == list(range(10))
