"""Every built-in optimizer, step by step against its reference implementation: float64, two groups, a falling rate.

A new built-in needs an entry in ``REFERENCES``: the hyperparameters that the plugin is given, and a function that moves
the same weights without it. Where the reference is a library's class it is called here by the library's own names, so
that a slip in how the plugin hands them on shows; SAM and the average of weights are written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import prodigyopt
import pytest
import schedulefree
import torch
from harness_plugins._timm import import_timm

from harness.plugin.contracts import Optimizer
from harness.plugin.discovery import discover

import_timm()
import timm.optim  # noqa: E402

FOUND = discover()
STEPS = 20
SHAPES = ((4, 3), (5,), (3, 2, 2, 2), ())  # a matrix, a vector, a kernel, a scalar
Weights = list[torch.Tensor]
History = list[Weights]


class Noisy:
    """A smooth function of the weights, another one every step, as minibatches give."""

    def __init__(self) -> None:
        random = torch.Generator().manual_seed(0)
        count = sum(torch.Size(shape).numel() for shape in SHAPES)
        self.rows = torch.randn(STEPS, 8, count, generator=random, dtype=torch.float64) / 4
        self.start = [torch.randn(shape, generator=random, dtype=torch.float64) for shape in SHAPES]

    def weights(self) -> list[torch.nn.Parameter]:
        return [torch.nn.Parameter(each.clone()) for each in self.start]

    def value(self, step: int, weights: Weights) -> torch.Tensor:
        flat = torch.cat([weight.reshape(-1) for weight in weights])
        return ((self.rows[step] @ flat - 1).square() + 0.1 * (self.rows[step] @ flat).sin()).sum()

    def gradient(self, step: int, weights: Weights) -> Weights:
        leaves = [weight.detach().clone().requires_grad_() for weight in weights]
        return list(torch.autograd.grad(self.value(step, leaves), leaves))


NOISY = Noisy()
FALLING = [1 - step / (2 * STEPS) for step in range(STEPS)]
SECOND = 0.5  # the second group's rate, of the first one's


def groups(weights: list[torch.nn.Parameter], lr: float, second: float = SECOND) -> list[dict[str, Any]]:
    return [{"params": weights[:2], "lr": lr}, {"params": weights[2:], "lr": lr * second}]


def driven(optimizer: torch.optim.Optimizer, weights: list[torch.nn.Parameter]) -> Iterator[Weights]:
    """Yield the weights after every step, and where there is a switch, those that are evaluated besides."""
    rates = [group["lr"] for group in optimizer.param_groups]
    switches: Any = optimizer if hasattr(optimizer, "eval") else None
    for step in range(STEPS):

        def closure(step: int = step) -> torch.Tensor:
            optimizer.zero_grad()
            value = NOISY.value(step, weights)
            value.backward()
            return value.detach()

        if switches:
            switches.train()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * FALLING[step]
        optimizer.step(closure)
        yield [weight.detach().clone() for weight in weights]
        if switches and step % 3 == 2:
            switches.eval()
            yield [weight.detach().clone() for weight in weights]


def library(
    make: Callable[..., Any], lr: float = 0.02, second: float = SECOND, **settings: Any
) -> Callable[[], History]:
    """Return what moves the weights by a library's class."""

    def reference() -> History:
        weights = NOISY.weights()
        return list(driven(make(groups(weights, lr, second), **settings), weights))

    return reference


def lbfgs() -> History:
    weights = NOISY.weights()
    settings = {"max_iter": 4, "max_eval": 8, "history_size": 3, "line_search_fn": "strong_wolfe"}
    return list(driven(torch.optim.LBFGS(weights, lr=0.5, **settings), weights))


def momentum(gradient: Callable[[int, Weights], Weights], lr: float = 0.02, heavy: float = 0.8) -> History:
    weights: Weights = [weight.detach() for weight in NOISY.weights()]
    velocity = [torch.zeros_like(weight) for weight in weights]
    rates = [lr, lr, lr * SECOND, lr * SECOND]
    history = []
    for step in range(STEPS):
        velocity = [heavy * v + g for v, g in zip(velocity, gradient(step, weights), strict=True)]
        weights = [w - FALLING[step] * r * v for w, r, v in zip(weights, rates, velocity, strict=True)]
        history.append(weights)
    return history


def uphill(step: int, weights: Weights, rho: float = 0.2) -> Weights:
    """The gradient where SAM takes it."""
    gradient = NOISY.gradient(step, weights)
    length = sum(float(g.square().sum()) for g in gradient) ** 0.5
    return NOISY.gradient(step, [w + rho * g / length for w, g in zip(weights, gradient, strict=True)])


def ema(decay: float = 0.9) -> History:
    trained = momentum(NOISY.gradient)
    history = []
    for step, weights in enumerate(trained):
        history.append(weights)
        if step % 3 == 2:
            parts = [decay ** (step - i) for i in range(step + 1)]
            past = zip(*trained[: step + 1], strict=True)
            history.append([sum(p * w for p, w in zip(parts, each, strict=True)) / sum(parts) for each in past])
    return history


def muon() -> History:
    """Torch's two classes on leaves of their own: kernels are reshaped where the function uses them."""
    start = NOISY.weights()
    leaves = [start[0], start[1], torch.nn.Parameter(start[2].detach().reshape(3, 8)), start[3]]
    settings = {"momentum": 0.9, "adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.0}
    moved = [{"params": [leaves[0]], "lr": 0.02}, {"params": [leaves[2]], "lr": 0.02 * SECOND}]
    others = [{"params": [leaves[1]], "lr": 0.02}, {"params": [leaves[3]], "lr": 0.02 * SECOND}]
    halves = [
        torch.optim.Muon(moved, **settings),
        torch.optim.AdamW(others, betas=(0.85, 0.99), eps=1e-6, weight_decay=0.0),
    ]
    rates = [[group["lr"] for group in half.param_groups] for half in halves]
    history = []
    for step in range(STEPS):
        leaves_grad = torch.autograd.grad(NOISY.value(step, leaves), leaves)
        for leaf, gradient in zip(leaves, leaves_grad, strict=True):
            leaf.grad = gradient
        for half, both in zip(halves, rates, strict=True):
            for group, rate in zip(half.param_groups, both, strict=True):
                group["lr"] = rate * FALLING[step]
            half.step()
        history.append([leaf.detach().clone().reshape(shape) for leaf, shape in zip(leaves, SHAPES, strict=True)])
    return history


BETAS = {"beta1": 0.85, "beta2": 0.99}
REFERENCES: Mapping[str, tuple[dict[str, Any], Callable[[], History]]] = {
    "adagrad": (
        {"initial_accumulator_value": 0.1, "eps": 1e-6},
        library(torch.optim.Adagrad, initial_accumulator_value=0.1, eps=1e-6),
    ),
    "adam": ({**BETAS, "eps": 1e-6}, library(torch.optim.Adam, betas=(0.85, 0.99), eps=1e-6)),
    "adamw": (
        {**BETAS, "eps": 1e-6, "weight_decay": 0.1},
        library(torch.optim.AdamW, betas=(0.85, 0.99), eps=1e-6, weight_decay=0.1),
    ),
    "ema": ({"momentum": 0.8, "nesterov": False, "horizon": 10.0}, ema),
    "lbfgs": ({"lr": 0.5, "max_iter": 4, "history_size": 3}, lbfgs),
    "lion": (
        {**BETAS, "weight_decay": 0.1},
        library(timm.optim.Lion, betas=(0.85, 0.99), weight_decay=0.1),
    ),
    "muon": ({**BETAS, "momentum": 0.9, "eps": 1e-6}, muon),
    "nadam": (
        {**BETAS, "eps": 1e-6, "momentum_decay": 0.01},
        library(torch.optim.NAdam, betas=(0.85, 0.99), eps=1e-6, momentum_decay=0.01),
    ),
    "prodigy": (
        {**BETAS, "lr": 1.0, "d0": 1e-3, "d_coef": 2.0},
        library(prodigyopt.Prodigy, lr=1.0, second=1.0, betas=(0.85, 0.99), d0=1e-3, d_coef=2.0, safeguard_warmup=True),
    ),
    "rmsprop": (
        {"alpha": 0.95, "momentum": 0.5, "eps": 1e-6},
        library(torch.optim.RMSprop, alpha=0.95, momentum=0.5, eps=1e-6),
    ),
    "sam": ({"momentum": 0.8, "nesterov": False, "rho": 0.2}, lambda: momentum(uphill)),
    "schedulefree": (
        {**BETAS, "eps": 1e-6, "warmup_steps": 4},
        library(schedulefree.AdamWScheduleFree, betas=(0.85, 0.99), eps=1e-6, warmup_steps=4),
    ),
    "schedulefree_sgd": ({"momentum": 0.85}, library(schedulefree.SGDScheduleFree, momentum=0.85)),
    "sgd": ({"momentum": 0.8, "nesterov": True}, library(torch.optim.SGD, momentum=0.8, nesterov=True)),
}
ONE_RATE = ("lbfgs", "prodigy")  # known failures of several groups


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def plugin(offer: Optimizer, settings: Mapping[str, Any]) -> History:
    """Move the weights as the harness would: from the plugin's defaults, settings beside them."""
    weights = NOISY.weights()
    chosen = {**offer.defaults, "lr": 0.02, **settings}
    given: Any = weights if offer.name in ONE_RATE else groups(weights, chosen["lr"])
    return list(driven(offer.build(given, **chosen), weights))


def distance(one: History, other: History) -> float:
    assert len(one) == len(other)
    pairs = ((a, b) for here, there in zip(one, other, strict=True) for a, b in zip(here, there, strict=True))
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.mark.parametrize("offer", FOUND.all("optimizer"), ids=lambda offer: offer.name)
def test_it_moves_as_its_reference_does(offer: Optimizer):
    assert offer.name in REFERENCES, f"'{offer.name}' must have a reference in REFERENCES to be compared with, got none"
    settings, reference = REFERENCES[offer.name]
    right = reference()
    assert distance(plugin(offer, settings), right) <= 1e-10
    near = {**settings, "lr": settings.get("lr", 0.02) * (1 + 1e-6)}
    assert distance(plugin(offer, near), right) > 1e-10  # so the comparison would see the smallest slip
    assert distance(right, [right[0]] * len(right)) > 1e-2  # and the weights have moved


@pytest.mark.parametrize("name", ["schedulefree", "schedulefree_sgd", "ema"])
def test_what_is_evaluated_is_not_what_is_trained(name: str):
    history = REFERENCES[name][1]()
    assert len(history) == STEPS + STEPS // 3
    assert distance(history[2:3], history[3:4]) > 1e-4  # a million times what rounding may do


def test_the_defaults_are_those_of_the_reference_where_the_plugin_does_not_say_otherwise():
    differ = {"lr", "weight_decay", "safeguard_warmup", "nesterov"}
    classes = {
        "adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "nadam": torch.optim.NAdam,
        "lion": timm.optim.Lion, "prodigy": prodigyopt.Prodigy, "schedulefree": schedulefree.AdamWScheduleFree,
        "rmsprop": torch.optim.RMSprop, "schedulefree_sgd": schedulefree.SGDScheduleFree,
    }  # fmt: skip
    for name, class_ in classes.items():
        offer = FOUND.get("optimizer", name, Optimizer)
        ours = offer.build(NOISY.weights(), **offer.defaults).param_groups[0]
        theirs = class_(NOISY.weights()).param_groups[0]
        for key in set(ours) - differ - {"params"}:
            assert ours[key] == theirs[key], (name, key)
