"""Optimizers that break naive contracts: around others, with a switch, by shape, without a rate."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from harness.errors import PluginError, UnknownName
from harness.plugin.contracts import Optimizer
from harness.plugin.discovery import discover
from harness.training.state import flatten, restore

FOUND = discover()


def offer(name: str) -> Optimizer:
    return FOUND.get("optimizer", name, Optimizer)


def weights(layout: torch.memory_format = torch.contiguous_format) -> list[torch.nn.Parameter]:
    random = torch.Generator().manual_seed(0)
    kernel = torch.randn(4, 3, 3, 3, generator=random).contiguous(memory_format=layout)
    return [torch.nn.Parameter(each) for each in (kernel, torch.randn(5, 4, generator=random), torch.ones(5))]


def built(name: str, parameters: Any = None, **settings: Any) -> Any:
    found = offer(name)
    return found.build(weights() if parameters is None else parameters, **found.settings(settings))


def steps(optimizer: Any, count: int = 3) -> None:
    every = [p for group in optimizer.param_groups for p in group["params"]]

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.stack([(p.square() + p.sin()).sum() for p in every]).sum()
        value.backward()
        return value.detach()

    for _ in range(count):
        optimizer.step(closure)


def copies(optimizer: Any) -> list[torch.Tensor]:
    return [p.detach().clone() for group in optimizer.param_groups for p in group["params"]]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("name", "closure", "switches", "scheduled", "space"),
    [
        ("sam", True, False, True, {"lr", "momentum", "nesterov", "rho"}),
        ("sam(adam)", True, False, True, {"lr", "beta1", "rho"}),
        ("sam(schedulefree)", True, True, False, {"lr", "beta1", "rho"}),
        ("ema", False, True, True, {"lr", "momentum", "nesterov", "horizon"}),
        ("ema(lbfgs)", True, True, False, {"lr", "max_iter", "horizon"}),
        ("ema(sam(prodigy))", True, True, True, {"beta1", "rho", "horizon"}),
    ],
)
def test_capabilities_are_carried_outward(name, closure, switches, scheduled, space):
    found = offer(name)
    assert (found.closure, found.switches, found.scheduled, set(found.space)) == (closure, switches, scheduled, space)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("sam(lbfgs)", "sam must go around one that takes a gradient as it is, got 'lbfgs', which calls a closure"),
        ("sam(sam)", "got 'sam', which calls a closure"),
        ("sam(timm:adahessian)", "sam must go around one that needs first derivatives only, got 'timm:adahessian'"),
        ("ema(schedulefree)", "ema must go around one that evaluates what it trains, got 'schedulefree'"),
        ("ema(ema)", "ema must go around one that evaluates what it trains, got 'ema'"),
        ("adam(sgd)", "must name an optimizer that goes around another, got 'adam'"),
    ],
)
def test_what_cannot_go_together_is_refused_in_one_line(name, why):
    with pytest.raises(UnknownName) as refused:
        FOUND.find("optimizer", name, "b.toml:3")
    assert str(refused.value).startswith("b.toml:3: ")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["ema", "ema(adam)", "ema(sam(muon))", "ema(lbfgs)"])
def test_the_average_goes_in_and_out_to_the_last_bit(name):
    optimizer = built(name)
    untouched = copies(optimizer)
    optimizer.eval()  # before the first step there is nothing to average
    optimizer.train()
    assert same(copies(optimizer), untouched)
    steps(optimizer)
    trained = copies(optimizer)
    optimizer.eval()
    average = copies(optimizer)
    optimizer.eval()
    assert same(copies(optimizer), average)
    assert not same(average, trained)
    with pytest.raises(RuntimeError, match="must be in train mode"):
        steps(optimizer)
    optimizer.train()
    optimizer.train()
    assert same(copies(optimizer), trained)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", ["ema(adam)", "ema(sam(timm:lamb))", "schedulefree", "sam(ema(muon))"])
def test_a_state_saved_in_either_mode_goes_on_bit_equal(name, mode):
    one = built(name)
    one.train()
    steps(one)
    getattr(one, mode)()
    tensors: dict[str, torch.Tensor] = {}
    saved = json.dumps(flatten(one.state_dict(), "optimizer", tensors))
    second = [torch.nn.Parameter(each) for each in copies(one)]  # as the model's state brings them back
    other = built(name, second)
    other.load_state_dict(restore(json.loads(saved), tensors))
    for optimizer in (one, other):
        optimizer.train()
        steps(optimizer)
    assert same(copies(one), copies(other))
    one.eval()
    other.eval()
    assert same(copies(one), copies(other))


def test_sam_comes_back_to_where_it_was_before_it_steps():
    optimizer = built("sam", lr=0.0, rho=0.5)
    before = copies(optimizer)
    steps(optimizer)
    assert same(copies(optimizer), before)


@pytest.mark.parametrize("name", ["sam(adam)", "ema(adam)", "ema(sam(adam))", "muon"])
def test_a_schedule_of_the_outer_one_moves_the_inner_one_after_loading_too(name):
    first = weights()
    optimizer = built(name, [{"params": first[:1], "lr": 0.1}, {"params": first[1:], "lr": 0.2}])
    optimizer.load_state_dict(optimizer.state_dict())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.1, 0.2]
    before = copies(optimizer)
    steps(optimizer)
    schedule.step()
    assert same(copies(optimizer), before)


def test_muon_orthogonalises_kernels_as_matrices_and_leaves_the_rest_to_adamw():
    kernel, matrix, bias = before = weights()
    start = [each.detach().clone() for each in before]
    optimizer = built("muon", before, lr=0.1)
    steps(optimizer, 1)
    moved = [(old - new.detach()) / 0.1 for old, new in zip(start, (kernel, matrix, bias), strict=True)]
    for step in (moved[0].flatten(1), moved[1]):
        size = 0.2 * max(step.shape) ** 0.5
        singular = torch.linalg.svdvals(step) / size
        assert 0.6 < singular.min() <= singular.max() < 1.3  # what five rounds of Newton-Schulz come to
    torch.testing.assert_close(moved[2].abs(), torch.ones(5), rtol=1e-3, atol=1e-3)  # AdamW's first step is a sign
    depthwise = torch.nn.Parameter(torch.ones(6, 1, 3, 3))
    token = torch.nn.Parameter(torch.ones(1, 4, 8))
    assert not any(half for half in built("muon", [depthwise, token]).halves[0].param_groups[0]["params"])


def test_muons_state_serves_weights_of_any_layout():
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        one = built("muon")
        steps(one)
        there = weights(layout)
        other = built("muon", there)
        other.load_state_dict(one.state_dict())
        with torch.no_grad():
            for p, value in zip(there, copies(one), strict=True):
                p.copy_(value)
        steps(other)
        assert there[0].is_contiguous(memory_format=layout)
        ends.append(copies(other))
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(a, b)


def test_muon_moves_as_timms_does_but_for_the_rounding_of_bfloat16():
    ours = built("muon", lr=0.01)
    theirs = FOUND.get("optimizer", "timm:muon", Optimizer)
    settings = {"momentum": 0.95, "ns_coefficients": "original", "adjust_lr_fn": "match_rms_adamw"}
    other = theirs.build(weights(), **{**theirs.defaults, "lr": 0.01, **settings})
    start = copies(ours)
    steps(ours, 5)
    steps(other, 5)
    for begin, a, b in zip(start[:2], copies(ours), copies(other), strict=False):  # the matrices
        assert (a - b).norm() < 0.02 * (a - begin).norm()


def test_prodigy_takes_one_rate_and_says_so():
    first = weights()
    with pytest.raises(
        PluginError, match=r"must have one learning rate for all layers, got \[0.5, 1.0\]; use layer_fac"
    ):
        built("prodigy", [{"params": first[:1]}, {"params": first[1:], "lr": 0.5}])


def test_prodigy_says_nothing_on_standard_output_where_it_decays(capsys):
    optimizer = built("prodigy", weight_decay=0.1)
    assert optimizer.param_groups[0]["weight_decay"] == 0.1
    assert capsys.readouterr().out == ""


def test_rates_that_a_method_finds_itself_are_not_searched():
    assert set(offer("prodigy").space) == {"beta1"}
    assert offer("prodigy").defaults["lr"] == 1
