"""Which tensors are scale-free: networks of which it is known, and a test that leaves no trace."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from harness.training import scale_free
from harness.training.loop import train


@pytest.fixture(autouse=True)
def _nothing_known():
    scale_free._known.clear()
    yield
    scale_free._known.clear()


def pooled(*layers):
    """Return a network that ends in a linear layer on the mean over the image."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(2))


def built(network):
    """Return a backbone's ``build`` that gives lazy layers their shapes."""

    def build(shape, outputs):
        made = network()
        with torch.no_grad():
            made.eval()(torch.zeros(2, *shape))
        return made.train()

    return build


class Branch(nn.Module):
    """A residual branch whose gain begins next to zero, as in ConvNeXt."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.gain = nn.Parameter(torch.full((3, 1, 1), gain))

    def forward(self, x):
        return x + self.gain * torch.tanh(self.conv(x))


class Single(nn.Module):
    """Something that computes in float32 alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.norm(self.conv(x.float()))


class Sphere(nn.Module):
    """A layer whose weights are divided by their length, filter by filter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 1, 1))

    def forward(self, x):
        length = self.weight.flatten(1).norm(dim=1)[:, None, None, None]
        return torch.conv2d(x, self.weight / length)


FILTERS = {"0.weight": "filter"}
CASES = {
    "batch norm": (lambda: pooled(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()), FILTERS),
    "a bias before batch norm does nothing": (
        lambda: pooled(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), {**FILTERS, "0.bias": "filter"},
    ),
    "pooling in between": (
        lambda: pooled(nn.Conv2d(3, 4, 3, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.ReLU()), FILTERS,
    ),
    "dropout": (
        lambda: pooled(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU()), FILTERS,
    ),
    "a large eps": (
        lambda: pooled(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, eps=0.1), nn.ReLU()), FILTERS,
    ),
    "a gain that begins at zero": (
        lambda: pooled(nn.Conv2d(3, 4, 3, bias=False), zero_gain(nn.BatchNorm2d(4)), nn.Tanh()), FILTERS,
    ),
    "a group norm": (lambda: pooled(nn.Conv2d(3, 4, 3, bias=False), nn.GroupNorm(1, 4), nn.Tanh()), {"0.weight": "tensor"}),
    "a bias before a group norm": (
        lambda: pooled(zero_bias(nn.Conv2d(3, 4, 3)), nn.GroupNorm(1, 4), nn.Tanh()), {"0.weight": "group", "0.bias": "group"},
    ),
    "an instance norm": (lambda: pooled(nn.Conv2d(3, 4, 3, bias=False), nn.InstanceNorm2d(4), nn.ReLU()), FILTERS),
    "divided by its length": (lambda: pooled(Sphere(), nn.Tanh()), FILTERS),
    "no norm": (lambda: pooled(zero_bias(nn.Conv2d(3, 4, 3)), nn.ReLU(), zero_bias(nn.Conv2d(4, 4, 3)), nn.Tanh()), {}),
    "a branch next to zero": (lambda: pooled(Branch(1e-6), nn.Tanh()), {}),
    "a branch at zero": (lambda: pooled(Branch(0.0), nn.Tanh()), {}),
    "float32 alone": (lambda: pooled(Single(), nn.ReLU()), {"0.conv.weight": "filter"}),
    "a norm before another one": (
        lambda: pooled(
            nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Conv2d(4, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(),
        ),
        {"0.weight": "filter", "1.weight": "group", "1.bias": "group", "3.weight": "filter"},
    ),
    "weight and bias before a layer norm": (
        lambda: pooled(nn.Conv2d(3, 4, 3), nn.LayerNorm([4, 6, 6], elementwise_affine=False), nn.Tanh()),
        {"0.weight": "group", "0.bias": "group"},
    ),
    "two in a row": (
        lambda: pooled(
            nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Tanh()
        ),
        FILTERS,
    ),
}  # fmt: skip


def zero_bias(layer):
    nn.init.zeros_(layer.bias)
    return layer


def zero_gain(layer):
    nn.init.zeros_(layer.weight)
    return layer


@pytest.mark.parametrize("case", CASES)
def test_the_scale_free_tensors_of_a_network_are_those_that_are_known(parts_of, case):
    network, expected = CASES[case]
    found = parts_of(backbone=built(network)).scale_free
    assert (dict(found.units), found.problem) == (expected, "")


def test_statistics_that_are_fixed_make_nothing_scale_free(parts_of):
    network, _ = CASES["batch norm"]
    assert parts_of(backbone=built(network), batch_norm="frozen").scale_free.units == {}


def test_of_lesson_cnn_the_convolutions_are_free_and_all_norms_but_the_last(parts_of, registry):
    """The gain and the shift of a norm are taken away by the next one; the last one is before a linear layer."""
    from harness.plugin.contracts import Backbone

    found = parts_of(backbone=registry.get("backbone", "lesson_cnn", Backbone).build).scale_free
    filters = ["0.weight", "4.weight", "8.weight", "12.weight", "15.weight"]
    assert [name for name, unit in found.units.items() if unit == "filter"] == filters
    assert found.groups == [[f"{norm}.weight", f"{norm}.bias"] for norm in (2, 6, 10, 13)]


def test_the_norms_that_write_to_one_stream_are_free_together(parts_of):
    """In a residual network the stream is normalised by the branches that read it, and by the next stage."""
    found = parts_of(backbone=built(Stages)).scale_free
    groups = {tuple(sorted(group)) for group in found.groups}
    assert groups == {
        ("branch_norm.bias", "branch_norm.weight", "stem_norm.bias", "stem_norm.weight"),
        ("inner_norm.bias", "inner_norm.weight"),
    }


class Stages(nn.Module):
    """A stem, a residual block of two convolutions, and a next stage that begins with a convolution and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.inner, self.inner_norm = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.branch, self.branch_norm = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.next, self.next_norm = nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = torch.relu(self.stem_norm(self.stem(x)))
        inside = torch.relu(self.inner_norm(self.inner(x)))
        x = torch.relu(x + self.branch_norm(self.branch(inside)))
        return self.head(torch.relu(self.next_norm(self.next(x))).mean((2, 3)))


def test_a_transformer_that_normalises_before_its_layers_has_no_scale_free_tensor(parts_of):
    assert parts_of(backbone=tiny_transformer).scale_free.units == {}


def test_a_group_that_is_multiplied_leaves_the_outputs_as_they_are(parts_of):
    """What a penalty would do with it: a tenth of the scale gives the same network and a lower objective."""
    parts = parts_of(backbone=built(CASES["a norm before another one"][0]), l2_on="all", l2=0.1)
    inputs = parts.ingredients.train.batch(slice(0, 16))[0]
    parts.switch("train")
    with torch.no_grad():
        before = parts.model(inputs)
        for name, parameter in parts.model.named_parameters():
            if parts.scale_free.units.get(name) == "group":
                parameter *= 0.1
        torch.testing.assert_close(
            parts.model(inputs), before, rtol=0, atol=0.02
        )  # what is left is the eps of batch norm


def tiny_transformer(shape, outputs):
    """Return a transformer of two layers on patches."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)
    return nn.Sequential(
        nn.Conv2d(shape[0], 8, 4, 4), nn.Flatten(2), Swap(), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False),
        nn.Flatten(), nn.Linear(32, outputs),
    )  # fmt: skip


class Swap(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


def test_the_answer_depends_neither_on_the_run_nor_on_what_was_drawn_before(parts_of):
    network, _ = CASES["a bias before batch norm does nothing"]
    build = built(network)
    first = parts_of(backbone=build).scale_free
    scale_free._known.clear()
    torch.manual_seed(77)
    assert parts_of(backbone=build, init_seed=5, order_seed=9, optimizer="adam").scale_free == first


def test_it_is_tested_once_in_a_process(parts_of):
    builds = []

    def build(shape, outputs):
        builds.append(shape)
        return pooled(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)).append(nn.LazyLinear(2))

    def counted(*arguments):
        network = build(*arguments)
        network.eval()(torch.zeros(2, 3, 8, 8))
        return network

    for seed in range(3):
        assert parts_of(backbone=counted, init_seed=seed).scale_free.units == {}
    assert len(builds) == 4  # one for each run, and one for the test


def test_what_another_process_has_tested_is_not_tested_again(parts_of, monkeypatch):
    network, expected = CASES["dropout"]
    recorded = {"backbone": built(network), "plugins": {"backbone": "a", "optimizer": "b"}}
    tested = parts_of(**recorded)
    plain = tested.scale_free.plain()
    scale_free._known.clear()
    monkeypatch.setattr(scale_free, "_tested", lambda run, ingredients: pytest.fail("it was told"))
    scale_free.learn(tested.run, plain)
    told = parts_of(**recorded, optimizer="adam", init_seed=7)
    assert told.scale_free.units == expected
    assert told.scale_free.plain() == plain


def test_the_test_leaves_generators_dtype_and_threads_as_they_were(parts_of):
    network, expected = CASES["dropout"]
    parts = parts_of(backbone=built(network), l2=0.0)  # so it is not asked for yet
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate(), torch.get_default_dtype()
    assert parts.scale_free.units == expected
    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate(), torch.get_default_dtype()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_a_network_that_cannot_be_tested_is_penalised_whole_and_the_record_says_why(parts_of):
    class Odd(nn.Linear):
        def forward(self, x):
            raise ValueError("no such batch")

    parts = parts_of(backbone=lambda shape, outputs: Odd(192, 2))
    assert parts.scale_free.problem == "ValueError: no such batch"
    assert list(parts.objective.penalised) == list(parts.parameters)


def test_the_first_epoch_says_which_tensors_are_scale_free_and_later_ones_do_not(parts_of):
    network, _ = CASES["batch norm"]
    parts = parts_of(backbone=built(network))
    first, *later = train(parts.run, parts)
    assert first.scale_free == {"tensors": FILTERS, "groups": [], "problem": ""}
    assert [epoch.scale_free for epoch in later] == [None, None]
