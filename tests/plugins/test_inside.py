"""The probe of a network's inside: edges where they are, units where they see, and a network left as it was."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from harness_plugins.backbones import lesson_cnn
from harness_plugins.probes import inside
from harness_plugins.probes._edges import GREY, RIGHT, TOP, edges, shades
from harness_plugins.probes._layers import fields, layers
from harness_plugins.probes._patches import strip
from PIL import Image
from torch import nn

from harness.plugin.contracts import Backbone, Optimizer, Scheduler, Split, Task
from harness.plugin.runs import Arm, Run
from harness.training.batches import put_on_device
from harness.training.device import Device
from harness.training.ingredients import Ingredients
from harness.training.parts import assemble

CPU = Device("cpu", "fp32", 1)


@pytest.fixture
def parts_of(registry):
    """Return a function from a way to build a network, and test inputs, to the parts of its run."""

    def make(build, test):
        split = Split(test, np.arange(len(test)) % 2, tuple(map(str, range(len(test)))))
        data = put_on_device(split, CPU)
        use = Ingredients(
            registry.get("task", "classification", Task), Backbone("net", build),
            registry.get("optimizer", "sgd", Optimizer), registry.get("scheduler", "constant", Scheduler),
            2, data, data, data,
        )  # fmt: skip
        run = Run(
            "compare",
            Arm("net", "sgd", "constant"),
            {"lr": 0.1},
            {},
            1,
            8,
            0.0,
            (),
            "fp32",
            "classification",
            1,
            2,
            "",
            {},
        )
        return assemble(run, use, CPU)

    return make


def photos(count=20, size=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


# --- the detectors made by hand


@pytest.mark.parametrize(("above", "sign"), [(255, 1), (0, -1)])
def test_a_top_edge_is_seen_where_it_is_and_by_the_top_detector_alone(above, sign):
    photo = torch.full((8, 7, 3), 255 - above, dtype=torch.uint8)
    photo[:4] = above
    top, right = edges(photo)
    assert torch.allclose(top[2:4], torch.full((2, 5), 4.0 * sign))  # rows 2 and 3 of the map lie over rows 2 to 5
    assert torch.allclose(top[[0, 1, 4, 5]], torch.zeros(4, 5), atol=1e-6)
    assert torch.allclose(right, torch.zeros(6, 5), atol=1e-6)
    turned, straight = edges(photo.flip(0).transpose(0, 1).contiguous())
    assert torch.allclose(straight[:, 2:4], torch.full((5, 2), 4.0 * sign))  # bright to the right
    assert torch.allclose(turned, torch.zeros(5, 6), atol=1e-6)


def test_edges_are_the_sums_written_out():
    photo = photos(1, 7)[0]
    grey = photo.astype(float) / 255 @ np.array(GREY)
    for kernel, found in zip((TOP, RIGHT), edges(torch.from_numpy(photo)), strict=True):
        for row in range(5):
            for column in range(5):
                laid = sum(kernel[i][j] * grey[row + i, column + j] for i in range(3) for j in range(3))
                assert float(found[row, column]) == pytest.approx(laid, abs=1e-5)


def test_shades_keep_zero_in_the_middle_and_the_strongest_at_an_end():
    maps = torch.tensor([[[0.0, 2.0], [-4.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]], [[3.0, 0.0], [0.0, 0.0]]])
    assert shades(maps, 9).tolist() == [[[128, 192], [1, 160]], [[128, 128], [128, 128]], [[255, 128], [128, 128]]]
    assert shades(torch.ones(2, 20, 6), 9).shape == (2, 9, 6)


# --- layers and what their units can see


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.one = nn.Conv2d(width, width, 3, padding=1)
        self.two = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return (x + self.two(self.one(x).relu())).relu()


class Squeeze(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale = nn.Conv2d(width, width, 1)

    def forward(self, x):
        return x * self.scale(x.mean((2, 3), keepdim=True)).sigmoid()


NETWORKS = {
    "lesson_cnn": lambda: lesson_cnn.build((3, 24, 20), 2, 8),
    "stride, dilation": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 5, stride=2), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=2, dilation=2), nn.ReLU(), nn.Flatten()
    ),
    "residual": lambda: nn.Sequential(nn.Conv2d(3, 6, 4, stride=2, padding=1), Residual(6), nn.MaxPool2d(3, 2)),
    "squeeze": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), Squeeze(4)),
}


def seen_by(network, layer, place, shape):
    """Return the box of the pixels whose not being a number makes the unit's output not one: by brute force."""
    from harness_plugins.probes._layers import watching

    touched = np.zeros(shape[1:], bool)
    for row, column in np.ndindex(*shape[1:]):
        inputs = torch.zeros(1, *shape, dtype=torch.float64)
        inputs[0, :, row, column] = torch.nan
        out = []
        see = lambda call, module, output: out.append(output.clone()) if call == layer.last else None  # noqa: E731, B023
        with torch.no_grad(), watching(network, see):
            network(inputs)
        touched[row, column] = bool(out[0][0, :, place[0], place[1]].isnan().any())
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    return [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_unit_sees_what_it_sees_by_brute_force(name):
    torch.manual_seed(3)
    network, shape = NETWORKS[name]().eval(), (3, 24, 20)
    found = layers(network, torch.zeros(1, *shape))
    places = torch.tensor([[0, 0], [2, 1], [1, 0], [2, 1]])
    boxes = fields(network, found[-1], places, shape)
    exact = network.double()
    assert boxes.tolist() == [seen_by(exact, found[-1], place, shape) for place in places.tolist()]


def test_a_layer_is_a_convolution_with_what_follows_it():
    network = NETWORKS["lesson_cnn"]().eval()
    found = layers(network, torch.zeros(1, 3, 24, 20))
    assert [layer.name for layer in found] == [n for n, m in network.named_modules() if isinstance(m, nn.Conv2d)]
    assert all(isinstance(network.get_submodule(layer.passed), nn.ReLU) for layer in found)
    block = NETWORKS["residual"]().eval()
    assert [(layer.name, layer.passed) for layer in layers(block, torch.zeros(1, 3, 24, 20))] == [
        ("0", "0"), ("1.one", "1.one"), ("1.two", ""),
    ]  # fmt: skip
    assert [layer.name for layer in layers(NETWORKS["squeeze"]().eval(), torch.zeros(1, 3, 9, 9))] == ["0", "2"]


# --- the probe


def planted(input_shape, outputs):
    """Return a network whose second convolution has a unit, 2, that looks for red, and no other of any strength."""
    first, second = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 4, 3, padding=1)
    with torch.no_grad():
        first.weight[4] = torch.tensor([1.0, -0.5, -0.5])[:, None, None] / 9
        first.bias.zero_()
        second.weight.mul_(1e-3)
        second.bias.zero_()
        second.weight[2] = 0
        second.weight[2, 4, 1, 1] = 1
    return nn.Sequential(
        first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs)
    )


def test_the_patches_are_those_a_planted_detector_was_made_for(parts_of):
    test = np.repeat(np.random.default_rng(0).integers(90, 110, (20, 32, 32, 1), dtype=np.uint8), 3, axis=3)
    red = {7: (255, 20, 4), 3: (235, 5, 22), 15: (215, 25, 25), 0: (195, 12, 12), 9: (175, 8, 8), 11: (155, 16, 6)}
    for row, (strength, top, left) in red.items():
        test[row, top : top + 3, left : left + 3, 0] = strength
    found = inside.measure(parts_of(planted, test))
    assert 2 in found["late.units"][:1]  # it varies most
    assert found["late.rows"][0].tolist() == list(red)
    assert np.all(np.diff(found["late.values"][0]) < 0)
    boxes = [[top - 1, left - 1, top + 4, left + 4] for _, top, left in red.values()]
    assert found["late.fields"][0].tolist() == boxes
    drawn = np.asarray(Image.open(io.BytesIO(found["late.strip0"].tobytes()))).astype(int)
    assert drawn.shape == (48, 6 * 48, 3)
    for place, (strength, _, _) in enumerate(red.values()):
        middle = drawn[20:28, 48 * place + 20 : 48 * place + 28].mean((0, 1))
        assert middle == pytest.approx([strength, 100, 100], abs=14)  # it is a JPEG
    assert "middle.units" not in found  # of two layers the middle one is the last
    assert found["late.layer"].tolist() == [2, 2, 4, 32, 32]


def test_a_patch_that_hangs_over_the_border_is_grey_there():
    photo = np.full((1, 32, 32, 3), 250, np.uint8)
    box = np.array([[0, 10, 12, 32]])  # of a square of 22: it hangs over at the top
    drawn = np.asarray(Image.open(io.BytesIO(strip(photo, box, 22).tobytes()))).astype(int)
    assert drawn[:18].mean() == pytest.approx(128, abs=2)
    assert drawn[26:].mean() == pytest.approx(250, abs=2)


def test_kernels_are_the_networks_own_and_so_are_those_it_began_with(parts_of):
    parts = parts_of(lesson_cnn.build, photos(40, 24))
    begun = parts.model[0].weight.detach().clone()
    for epoch in parts.resume(None, 1):
        for inputs, targets in parts.batches.of(epoch):
            parts.step(inputs, targets)
    found = inside.measure(parts)
    assert np.array_equal(found["kernels"], parts.model[0].weight.detach().numpy())
    assert np.array_equal(found["initial"], begun.numpy())
    row = int(found["sample_row"][0])
    assert np.array_equal(found["sample"], photos(40, 24)[row])
    parts.model.eval()
    with torch.no_grad():
        seen = parts.model[0](parts.ingredients.test.as_input(parts.ingredients.test.inputs[row][None]))[
            0, : inside.SEEN
        ]
    assert np.array_equal(found["maps"], shades(seen, 64).numpy())
    assert found["edges"].shape == (2, 22, 22)


def final_maps(parts):
    parts.model.eval()
    with torch.no_grad():
        return parts.model[:-3](parts.ingredients.test.as_input(parts.ingredients.test.inputs)).numpy()


def variance(maps):
    return maps.astype(float).transpose(1, 0, 2, 3).reshape(maps.shape[1], -1).var(axis=1)


def test_the_strongest_photos_are_those_of_a_forward_pass(parts_of):
    parts = parts_of(lesson_cnn.build, photos(150, 24))
    before = final_maps(parts)
    for epoch in parts.resume(None, 1):
        for inputs, targets in parts.batches.of(epoch):
            parts.step(inputs, targets)
    found = inside.measure(parts)
    maps = final_maps(parts)
    common = np.argsort(-variance(before))[:3].tolist()
    own = [unit for unit in np.argsort(-variance(maps)).tolist() if unit not in common][:3]
    assert found["late.units"].tolist() == common + own
    assert found["late.common"].tolist() == [3]
    for unit, rows, values in zip(found["late.units"], found["late.rows"], found["late.values"], strict=True):
        most = maps[:, unit].reshape(150, -1).max(axis=1)
        assert rows.tolist() == np.argsort(-most, kind="stable")[:6].tolist()
        assert values == pytest.approx(most[rows], rel=1e-5)


def test_the_network_is_left_as_it_was(parts_of):
    parts = parts_of(lesson_cnn.build, photos(20, 24))
    parts.model.train()
    parts.model[1].eval()
    before = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    modes = [module.training for module in parts.model.modules()]
    random = torch.random.get_rng_state()
    first = inside.measure(parts)
    assert torch.equal(random, torch.random.get_rng_state())
    assert [module.training for module in parts.model.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in parts.model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in parts.model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in parts.model.modules())
    again = inside.measure(parts)
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize(
    ("build", "test"),
    [
        (lambda shape, outputs: nn.Linear(*shape, outputs), np.zeros((6, 5), np.float32)),
        (lambda shape, outputs: nn.Sequential(nn.Flatten(), nn.Linear(192, outputs)), photos(6, 8)),
        (lambda shape, outputs: nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten(), nn.Linear(4, outputs)), photos(6, 8)),
    ],
    ids=["no images", "no convolution", "no maps"],
)
def test_where_there_are_no_maps_there_is_nothing(parts_of, build, test):
    assert inside.measure(parts_of(build, test)) == {}


@pytest.mark.parametrize(("name", "which"), [("test_resnet", ["late", "middle"]), ("test_vit", ["late"])])
def test_networks_of_a_library(registry, parts_of, name, which):
    parts = parts_of(registry.get("backbone", name, Backbone).build, photos(8, 64))
    found = inside.measure(parts)
    assert sorted(key.partition(".")[0] for key in found if key.endswith(".units")) == which
    assert found["kernels"].shape[1] == 3
    assert sum(each.nbytes for each in found.values()) < 250_000  # of noise, which no JPEG makes small
