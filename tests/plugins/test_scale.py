"""Filters at norm 1: the network computes the same, whatever scale they had, and so do the barriers."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from harness_plugins._timm import import_timm
from harness_plugins.backbones import lesson_cnn, mlp
from harness_plugins.probes import bezier, connectivity
from harness_plugins.probes._connect import line
from harness_plugins.probes._connect.scale import Gain, ScaleFree, normalised, scale_free
from torch import nn

from harness.training.scale_free import find_scale_free

IMAGE = (3, 16, 16)
CNN = partial(lesson_cnn.build, IMAGE, 3, width=8)
SHORT = {"alphas": 5, "images": 96, "bn_images": 96, "bend_steps": 6}


def timm(name, **settings):
    return import_timm().create_model(name, num_classes=3, **settings)


@pytest.fixture
def cnn(train, stripes):
    return partial(train, CNN, stripes)


def found_in(network, shape=IMAGE, kind=ScaleFree):
    steps = scale_free(network, torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)))
    return [step for step in steps if isinstance(step, kind)]


@torch.no_grad()
def scaled(parts, factor=20.0):
    """Multiply the filters of a network, which computes the same then: its statistics too."""
    state = parts.model.state_dict()
    for layer in found_in(parts.model):
        for name, power in ((layer.weight, 1), (layer.mean, 1), (layer.variance, 2)):
            state[name].mul_(factor**power)
    for gain in found_in(parts.model, kind=Gain):
        for name in (gain.weight, gain.bias):
            state[name].mul_(factor / 2)
        (after,) = (layer for layer in found_in(parts.model) if layer.weight in gain.layers)
        for name, power in ((after.mean, 1), (after.variance, 2)):
            state[name].mul_((factor / 2) ** power)
    return parts


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "mobilenetv2_035"])
def test_all_convolutions_before_batch_norm_are_found(name):
    network = timm(name)
    convolutions = {f"{module}.weight" for module, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}
    squeezing = {weight for weight in convolutions if ".se." in weight}
    assert {layer.weight for layer in found_in(network, (3, 32, 32))} == convolutions - squeezing


def test_gains_are_found_where_only_free_filters_come_after_them():
    gains = {gain.weight: gain.layers for gain in found_in(CNN(), kind=Gain)}
    network = CNN()
    norms = [f"{name}.weight" for name, layer in network.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    filters = [f"{name}.weight" for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
    assert gains == {norm: (after,) for norm, after in zip(norms, filters[1:], strict=False)}  # the head sees the last
    for act, is_free in ((nn.ReLU(), True), (nn.ReLU6(), False), (nn.GELU(), False)):
        layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), act, nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
        assert bool(found_in(nn.Sequential(*layers), kind=Gain)) == is_free


@pytest.mark.parametrize(
    "build",
    [partial(mlp.build, IMAGE, 3), partial(timm, "test_vit", img_size=16), partial(timm, "test_convnext")],
)
def test_without_batch_norm_nothing_is_free(build):
    assert found_in(build(), kind=object) == []


@pytest.mark.parametrize("name", [None, "test_resnet"])
def test_what_is_found_is_scale_free_by_the_numbers_too(train, stripes, name):
    """The harness looks for scale-free tensors by multiplying them, and knows nothing of layers."""
    parts = train(CNN if name is None else partial(timm, name), stripes, epochs=0)
    by_numbers = find_scale_free(parts.run, parts.ingredients)
    filters, gains = (found_in(parts.model, kind=kind) for kind in (ScaleFree, Gain))
    assert {step.weight for step in filters} == {unit for unit, kind in by_numbers.units.items() if kind == "filter"}
    free = set(by_numbers.units).union(*by_numbers.groups)
    assert gains
    assert {name for step in gains for name in (step.weight, step.bias)} <= free


class Seen(nn.Module):
    """A convolution before batch norm whose scale something else sees, or nothing does."""

    def __init__(self, way):
        super().__init__()
        self.way, self.one, self.norm = (
            way,
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4, affine=way != "no weights"),
        )
        self.two, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 3)

    def forward(self, images):
        maps = self.one(images)
        if self.way == "clipped":
            maps = nn.functional.relu6(maps)
        if self.way == "pooled":
            maps = nn.functional.max_pool2d(maps, 2)
        if self.way == "added":
            maps = maps + self.two(images)
        out = self.norm(maps)
        if self.way == "passed by":
            out = out + maps.sigmoid()
        if self.way == "penalised":
            out = out * self.one.weight.norm()
        if self.way == "shared":
            out = out + self.one(images)
        return self.head(out.mean((2, 3)))


@pytest.mark.parametrize(
    "way", ["alone", "pooled", "clipped", "added", "passed by", "penalised", "shared", "no weights"]
)
def test_a_filter_is_free_only_if_batch_norm_alone_sees_it(way):
    assert bool(found_in(Seen(way))) == (way in ("alone", "pooled"))


def test_the_network_computes_the_same_with_filters_at_norm_1(cnn):
    parts = cnn()
    inputs = parts.ingredients.train.batch(slice(None))[0]
    layers, network = found_in(parts.model), CNN().eval()
    with torch.no_grad():
        parts.model.state_dict()[layers[2].weight][3] *= 1e-5  # shorter than the eps of batch norm can see
        parts.model.state_dict()[layers[2].variance][3] *= 1e-10
        state = normalised(parts.model.state_dict(), found_in(parts.model, kind=object))
        network.load_state_dict(state)
        apart = (network(inputs) - parts.model(inputs)).abs().max()
    assert len(layers) == 5
    assert apart <= 1e-5 * parts.model(inputs).abs().max()
    for layer in layers:
        torch.testing.assert_close(state[layer.weight].flatten(1).norm(dim=1), torch.ones(len(state[layer.weight])))


def test_a_filter_of_zeros_stays():
    network = CNN().eval()
    with torch.no_grad():
        network[0].weight[1] = 0
    state = normalised(network.state_dict(), found_in(network, kind=object))
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    assert float(state["0.weight"][1].abs().sum()) == 0


def test_filters_times_20_change_no_barrier(cnn, monkeypatch):
    one, other = cnn(init=1), cnn(init=2)
    before = connectivity.measure(one, other, **SHORT)
    curve = bezier.measure(one, other, points=5, epochs=1, images=96, bn_images=96)
    after = connectivity.measure(one, scaled(cnn(init=2)), **SHORT)
    assert after["normalised"] == before["normalised"] == 8 + 16 + 16 + 24 + 24
    for kind in ("naive", "aligned", "path"):
        assert after[f"{kind}_error"] == pytest.approx(before[f"{kind}_error"], abs=0.002)
        assert after[f"{kind}_loss"] == pytest.approx(before[f"{kind}_loss"], abs=0.002)
    assert before["naive_error"] > 0.1
    again = bezier.measure(one, scaled(cnn(init=2)), points=5, epochs=1, images=96, bn_images=96)
    assert again["error"] == pytest.approx(curve["error"], abs=0.002)
    monkeypatch.setattr(line, "scale_free", lambda network, inputs: ())  # as it was before
    fresh, large = cnn(init=1), scaled(cnn(init=2))
    raw = connectivity.measure(fresh, large, **SHORT)
    assert raw["naive_error"] < before["naive_error"] - 0.05


def test_a_permuted_copy_with_other_scales_has_no_barrier(cnn):
    from harness_plugins.probes._connect.graph import symmetry
    from harness_plugins.probes._connect.permutation import permuted, randomly

    one, other = cnn(init=1), cnn(init=2, epochs=0)
    units = symmetry(one.model, one.ingredients.train.batch(slice(2))[0])
    orders = randomly(units, torch.Generator().manual_seed(5))
    other.model.load_state_dict(permuted(one.model.state_dict(), units, orders))
    found = connectivity.measure(one, scaled(other, 7.0), **SHORT)
    assert found["aligned_error"] == found["path_error"] == 0
    assert found["aligned_loss"] < 1e-3
    assert found["naive_error"] > 0.05
