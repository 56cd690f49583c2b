"""State: a tree comes back as it went in, through JSON."""

from __future__ import annotations

import json
import math

import pytest
import torch

from harness.errors import PluginError
from harness.training.state import flatten, restore


@pytest.mark.parametrize(
    "tree",
    [
        {"a": 1, "b": [1.5, None, True, "x"]},
        {0: "int keys", 1: (1, 2, (3,))},
        {"$tensor": "a name like our marks"},
        {"betas": (0.9, 0.999), "eps": 1e-8, "inf": math.inf, "tiny": 5e-324, "third": 1 / 3},
        {},
        [],
        (),
    ],
)
def test_plain_values_come_back_through_json(tree):
    assert restore(json.loads(json.dumps(flatten(tree, "x", {}))), {}) == tree


def test_tensors_are_copied_out_and_put_back():
    tensors: dict[str, torch.Tensor] = {}
    weight = torch.randn(3)
    tree = flatten({"state": {0: {"step": torch.tensor(2.0), "exp_avg": weight}}}, "o", tensors)
    weight.zero_()
    back = restore(json.loads(json.dumps(tree)), tensors)
    assert set(tensors) == {"o.state.0.step", "o.state.0.exp_avg"}
    assert back["state"][0]["exp_avg"].abs().sum() > 0


def test_what_is_neither_is_refused_by_name():
    with pytest.raises(PluginError, match=r"optimizer\.state\.0: must be tensors, numbers, .* got function"):
        flatten({"state": {0: lambda: 1}}, "optimizer", {})


@pytest.mark.parametrize("order", [(1, 0), (0, 2, 1), (2, 0, 1)])
def test_a_tensor_lies_in_memory_as_it_lay(order):
    """What a matrix product rounds to depends on that, on some processors."""
    tensor = torch.randn(*range(3, 3 + len(order))).permute(order)
    tensors: dict[str, torch.Tensor] = {}
    plain = json.loads(json.dumps(flatten({"q": tensor}, "state", tensors)))
    assert tensors["state.q"].is_contiguous()
    back = restore(plain, tensors)["q"]
    assert torch.equal(back, tensor)
    assert back.stride() == tensor.stride()
