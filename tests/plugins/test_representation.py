"""The probe of representations: where it looks, what it makes of it, and what must not change a distance."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from harness_plugins.backbones import lesson_cnn, linear, mlp
from harness_plugins.probes._blocks import activations, places, pooled
from harness_plugins.probes.representation import chosen, measure
from torch import nn

from harness.plugin.contracts import Backbone, Split, Task
from harness.testing.driving import CPU, SGD, STEADY, run_of
from harness.testing.problems import NETWORK
from harness.training.batches import put_on_device
from harness.training.ingredients import Ingredients
from harness.training.parts import assemble

LAYERS = ("block1", "block2", "block3", "penultimate")
PLAIN = {f"{distance}_{layer}" for distance in ("cka", "procrustes") for layer in LAYERS}
WITHIN = {name.replace("_", "_within_") for name in PLAIN}
ALL = PLAIN | WITHIN | {"cka_penultimate_trimmed", "cka_value_penultimate", "images"}


@pytest.fixture
def parts_of(registry):
    """Return a function from a way to build a network and a seed to the parts of a run on 60 small images."""

    def make(build, seed=1, size=16, count=60, targets=None):
        pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
        targets = np.arange(count) % 2 if targets is None else targets
        data = put_on_device(Split(pixels, targets, tuple(map(str, range(count)))), CPU)
        use = Ingredients(registry.get("task", "classification", Task), Backbone("net", build), SGD, STEADY, 2, data, data, data)  # fmt: skip
        parts = assemble(run_of(SGD, NETWORK, STEADY, 1, init_seed=seed), use, CPU)
        parts.model.eval()
        return parts

    return make


@pytest.fixture
def timm_network(registry):
    """Return a function from the name of one of timm's to how it is built; its size is fixed for transformers."""
    return lambda name: registry.get("backbone", name, Backbone).build


def images(parts):
    return parts.ingredients.test.as_input(parts.ingredients.test.inputs)


# --- where it looks


def test_representations_of_lesson_cnn_are_what_its_layers_are_given(parts_of):
    """Worked out by hand: convolutions are layers 0, 4, 8, 12 and 15, and 18 to 20 pool, flatten and decide."""
    parts = parts_of(lesson_cnn.build)
    model, inputs = parts.model, images(parts)
    penultimate, blocks = places(model, inputs[:1])
    found = activations(model, iter(torch.split(inputs, 25)), [*blocks, penultimate])
    with torch.no_grad():
        expected = [model[:last](inputs).double().mean((2, 3)) for last in (4, 8, 15)] + [model[:20](inputs).double()]
    for got, right in zip(found, expected, strict=True):
        torch.testing.assert_close(got, right, rtol=1e-5, atol=1e-6)
        assert got.dtype == torch.float64


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("test_resnet", 32, ["conv1.6", "layer2.0", "layer3.0", "fc"]),
        ("test_vit", 160, ["blocks.1", "blocks.3", "blocks.4", "head"]),
        ("mobilenetv2_100", 32, ["blocks.2.1", "blocks.3.3", "blocks.5.0", "classifier"]),
        ("test_mambaout", 32, ["stages.0", "stages.1", "stages.3", "head.fc"]),
    ],
)
def test_blocks_of_timms_networks_are_their_own(timm_network, name, size, expected):
    torch.manual_seed(0)
    network = timm_network(name)((3, size, size), 2).eval()
    inputs = torch.randn(3, 3, size, size)
    penultimate, blocks = places(network, inputs)
    assert [place.name for place in (*blocks, penultimate)] == expected
    found = activations(network, iter([inputs]), [*blocks, penultimate])
    with torch.no_grad():
        last = network.forward_head(network.forward_features(inputs), pre_logits=True)
    torch.testing.assert_close(found[-1], last.double())
    assert all(each.ndim == 2 and len(each) == 3 for each in found)


def test_what_functions_do_between_layers_is_part_of_it():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.last = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 2)

        def forward(self, x):
            return self.last(torch.tanh(self.second(torch.relu(self.second(torch.relu(self.first(x)))))))

    torch.manual_seed(0)
    network, inputs = Net().eval(), torch.randn(7, 6)
    penultimate, blocks = places(network, inputs)
    assert [(place.name, place.call) for place in blocks] == [("second", 0), ("second", 1)]  # one layer, used twice
    first, second, last = activations(network, iter([inputs]), [*blocks, penultimate])
    with torch.no_grad():
        once = torch.relu(network.first(inputs))
        again = torch.relu(network.second(once))
        torch.testing.assert_close(first, once.double())
        torch.testing.assert_close(second, again.double())
        torch.testing.assert_close(last, torch.tanh(network.second(again)).double())


def test_a_network_inside_another_is_taken_apart():
    inner = lesson_cnn.build((3, 16, 16), 2)

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x)

    penultimate, blocks = places(Wrapped().eval(), torch.randn(1, 3, 16, 16))
    assert [place.name for place in (*blocks, penultimate)] == ["inner.4", "inner.8", "inner.15", "inner.20"]


@pytest.mark.parametrize("shape", [(4, 6, 5, 5), (4, 5, 5, 6)])
def test_maps_are_averaged_over_the_image_whichever_axis_has_the_channels(shape):
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    channels = shape.index(6)
    expected = maps.double().movedim(channels, 1).flatten(2).mean(2)
    torch.testing.assert_close(pooled(maps), expected)


def test_tokens_are_averaged():
    tokens = torch.arange(24.0).reshape(2, 3, 4)
    torch.testing.assert_close(pooled(tokens), torch.stack([tokens[:, i].double() for i in range(3)]).mean(0))


def test_the_images_are_a_draw_for_a_split_may_lie_in_the_order_of_its_classes():
    rows = chosen(4096, 2048)
    assert len(rows.unique()) == 2048
    assert torch.equal(rows, rows.sort().values)
    assert 0.45 < float((rows < 2048).double().mean()) < 0.55  # cats, then dogs
    assert 0.45 < float((rows % 2).double().mean()) < 0.55  # a cat, a dog, a cat
    assert torch.equal(chosen(30, 2048), torch.arange(30))


# --- what it measures


def textbook_cka(x, y):
    def hsic(a, b):
        n, k, gram = len(a), a @ a.T, b @ b.T
        np.fill_diagonal(k, 0)
        np.fill_diagonal(gram, 0)
        both = k.sum() * gram.sum() / ((n - 1) * (n - 2))
        return np.trace(k @ gram) + both - 2 * (k @ gram).sum() / (n - 2)

    return hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))


def test_its_numbers_are_the_textbooks_of_the_networks_activations(parts_of):
    parts = [parts_of(lesson_cnn.build, seed) for seed in (1, 2)]
    found = measure(*parts)
    assert set(found) == ALL
    with torch.no_grad():
        x, y = (each.model[:20](images(each)).double().numpy() for each in parts)
    assert found["cka_value_penultimate"] == pytest.approx(textbook_cka(x, y), abs=1e-5)
    assert found["cka_penultimate"] == pytest.approx(np.sqrt(1 - textbook_cka(x, y)), abs=1e-5)
    x, y = ((each - each.mean(0)) / np.linalg.norm(each - each.mean(0)) for each in (x, y))
    nuclear = np.linalg.norm(x.T @ y, "nuc")
    assert found["procrustes_penultimate"] == pytest.approx(np.sqrt(2 - 2 * nuclear), abs=1e-5)
    assert found["images"] == 60


def test_within_classes_it_is_of_what_the_means_of_the_classes_leave(parts_of):
    """With the example's own two classes: the means are taken away by hand, and each class is centred."""
    parts = [parts_of(lesson_cnn.build, seed) for seed in (1, 2)]
    found = measure(*parts)
    with torch.no_grad():
        x, y = (each.model[:20](images(each)).double().numpy() for each in parts)
    x, y = (np.concatenate([each[label::2] - each[label::2].mean(0) for label in (0, 1)]) for each in (x, y))
    nuclear = np.linalg.norm(x.T @ y, "nuc") / np.linalg.norm(x) / np.linalg.norm(y)
    assert found["procrustes_within_penultimate"] == pytest.approx(np.sqrt(2 - 2 * nuclear), abs=1e-5)
    assert found["cka_within_penultimate"] == pytest.approx(
        np.sqrt(1 - textbook_cka(x, y)), abs=0.02
    )  # but for its bias


@pytest.mark.parametrize("targets", [np.linspace(0, 1, 60, dtype=np.float32), np.eye(60, dtype=np.float32)])
def test_targets_that_are_no_classes_have_nothing_within(parts_of, targets):
    found = measure(*(parts_of(mlp.build, seed, targets=targets) for seed in (1, 2)))
    assert "cka_penultimate" in found
    assert not WITHIN & set(found)


def test_a_network_whose_representation_is_its_labels_is_at_no_known_distance_within(parts_of):
    class Labels(nn.Module):
        """Its hidden layer is the class alone, which the first pixel tells."""

        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(768, 3, bias=False), nn.Linear(3, 2)

        def forward(self, x):
            known = torch.arange(len(x)).remainder(2).to(x)[:, None]  # of the rows 0, 1, 2, ...
            return self.last(self.first(x.flatten(1)) * 0 + torch.cat([known, 1 - known, known], 1))

    found = measure(*(parts_of(lambda *_: Labels(), seed) for seed in (1, 2)))
    assert found["cka_penultimate"] == pytest.approx(0, abs=1e-6)
    assert not WITHIN & set(found)


def distances(found):
    return {name: number for name, number in found.items() if name not in ("images", "cka_value_penultimate")}


BUILDS = {
    "lesson_cnn": (lesson_cnn.build, 16),
    "mlp": (mlp.build, 8),
    "deep mlp": (lambda shape, outputs: mlp.build(shape, outputs, (40, 30, 20, 20)), 8),
    "test_resnet": ("test_resnet", 32),
    "test_vit": ("test_vit", 160),
}


@pytest.mark.parametrize("name", BUILDS)
def test_a_copy_is_no_distance_away_and_another_start_is(parts_of, timm_network, name):
    build, size = BUILDS[name]
    build = timm_network(build) if isinstance(build, str) else build
    one, copied, other = (parts_of(build, seed, size, count=30) for seed in (1, 1, 2))
    assert max(distances(measure(one, copied)).values()) < 1e-6
    apart = distances(measure(one, other))
    assert min(apart.values()) > 0.01, apart
    assert measure(other, one) == pytest.approx(measure(one, other), abs=1e-9)
    assert set(apart) == ALL - {"images", "cka_value_penultimate"} or name == "mlp"


def test_the_order_of_hidden_units_makes_no_difference(parts_of):
    one, other = parts_of(lesson_cnn.build), parts_of(lesson_cnn.build)
    random = torch.Generator().manual_seed(0)
    layers = list(other.model)
    weighted = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    with torch.no_grad():
        for parts in (one, other):  # scales that differ, as after training
            for norm in (layer for layer in parts.model if isinstance(layer, nn.BatchNorm2d)):
                norm.weight.copy_(torch.linspace(0.5, 2, len(norm.weight)))
        for layer, norm, following in zip(weighted[:-1], norms, weighted[1:], strict=True):
            order = torch.randperm(len(norm.weight), generator=random)
            layer.weight.copy_(layer.weight[order])
            norm.weight.copy_(norm.weight[order])
            following.weight.copy_(following.weight[:, order])
    assert not torch.equal(one.model[4].weight, other.model[4].weight)
    torch.testing.assert_close(one.model(images(one)), other.model(images(other)), rtol=1e-4, atol=1e-5)
    assert max(distances(measure(one, other)).values()) < 1e-4


def test_a_head_without_a_hidden_layer_has_nothing_of_its_own(parts_of):
    assert measure(parts_of(linear.build, 1), parts_of(linear.build, 2)) == {}


def test_an_mlp_of_one_hidden_layer_has_a_penultimate_one_alone(parts_of):
    found = measure(parts_of(mlp.build, 1), parts_of(mlp.build, 2))
    assert set(found) == {name for name in ALL if "block" not in name}


def test_fewer_images_are_a_part_of_all(parts_of):
    assert measure(parts_of(mlp.build, 1), parts_of(mlp.build, 2), images=20)["images"] == 20
    few = measure(parts_of(mlp.build, 1), parts_of(mlp.build, 2), images=4)
    assert {"cka_penultimate", "procrustes_penultimate"} <= set(few)  # too few to leave some out
    assert not {"cka_penultimate_trimmed", "cka_within_penultimate"} & set(few)  # nor are there four of a class
    assert measure(parts_of(mlp.build, 1), parts_of(mlp.build, 2), images=3) == {}
    assert measure(parts_of(mlp.build, 1, count=3), parts_of(mlp.build, 2, count=3)) == {}


def test_a_network_that_says_the_same_of_all_images_is_no_known_distance_away(parts_of):
    one, dead = parts_of(lesson_cnn.build, 1), parts_of(lesson_cnn.build, 2)
    with torch.no_grad():
        dead.model[15].weight.zero_()  # the last convolution
    found = measure(one, dead)
    assert set(found) == {name for name in ALL if "penultimate" not in name}


def test_networks_of_other_depth_are_refused(parts_of):
    with pytest.raises(ValueError, match="must be of networks of one architecture"):
        measure(parts_of(mlp.build), parts_of(lesson_cnn.build))


def test_a_network_is_run_once_and_left_as_it_was(parts_of):
    parts = [parts_of(lesson_cnn.build, seed) for seed in (1, 2, 3)]
    parts[0].model.train()
    before = [copy.deepcopy(each.model.state_dict()) for each in parts]
    generator = torch.get_rng_state()
    calls = []
    for each in parts:
        each.model[20].register_forward_hook(lambda module, given, output: calls.append(module))
    measure(parts[0], parts[1])
    assert len(calls) == 2 * 3  # one batch each, after one image twice to find the layers
    measure(parts[2], parts[0])
    assert len(calls) == 3 * 3
    assert parts[0].model.training
    assert not parts[1].model.training
    assert torch.equal(torch.get_rng_state(), generator)
    for each, state in zip(parts, before, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in each.model.state_dict().items())
        assert sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in each.model.modules()) == 1  # the above
