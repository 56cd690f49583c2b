"""Eight bugs that a reviewer planted in an AdamW of their own: ``harness check --like`` names all but the harmless one."""

from __future__ import annotations

import pytest
import torch

from harness import Float, Optimizer
from harness.plugin.discovery import discover
from harness.testing import Like, checks
from harness.testing.optimizers.parity import parity

(ADAMW,) = (discover().get("optimizer", name, Optimizer) for name in ("torch:AdamW",))


class Honest(torch.optim.Optimizer):
    """AdamW as its paper has it; each of the others below does one thing in another way."""

    def __init__(self, params, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
        settings = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings)

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad, self.moments_of(p), self.settings_of(group))

    def settings_of(self, group):
        return group

    def moments_of(self, p):
        moments = self.state[p]
        if not moments:
            moments |= {"t": 0, "m": torch.zeros_like(p), "v": torch.zeros_like(p)}
        return moments

    def move(self, p, gradient, moments, group):
        gradient = self.decay(p, gradient, group)
        moments["t"] += 1
        moments["m"].lerp_(gradient, 1 - group["beta1"])
        moments["v"].lerp_(gradient.square(), 1 - group["beta2"])
        self.take(p, moments, self.steps_of(moments), group)

    def decay(self, p, gradient, group):
        p.mul_(1 - group["lr"] * group["weight_decay"])
        return gradient

    def steps_of(self, moments):
        return moments["t"]

    def take(self, p, moments, steps, group):
        mean = moments["m"] / (1 - group["beta1"] ** steps)
        p.sub_(group["lr"] * mean / self.root(moments["v"] / (1 - group["beta2"] ** steps), group["eps"]))

    def root(self, square, eps):
        return square.sqrt() + eps


class WrongBetaInTheSecondCorrection(Honest):
    def take(self, p, moments, steps, group):
        mean = moments["m"] / (1 - group["beta1"] ** steps)
        p.sub_(group["lr"] * mean / self.root(moments["v"] / (1 - group["beta1"] ** steps), group["eps"]))


class FirstCorrectionAStepLate(Honest):
    def take(self, p, moments, steps, group):
        mean = moments["m"] / (1 - group["beta1"] ** (steps + 1))
        p.sub_(group["lr"] * mean / self.root(moments["v"] / (1 - group["beta2"] ** steps), group["eps"]))


class FirstGroupsSettings(Honest):
    def settings_of(self, group):
        return self.param_groups[0]


class BufferByShape(Honest):
    def moments_of(self, p):
        same = [other for other in self.param_groups[0]["params"] if other.shape == p.shape]
        return super().moments_of(same[0])


class ForgetsItsSteps(Honest):
    """Counts its steps where state_dict() does not look."""

    def __init__(self, params, **settings):
        super().__init__(params, **settings)
        self.steps = 0

    def step(self, closure=None):
        self.steps += 1
        super().step()

    def steps_of(self, moments):
        return self.steps


class NoBiasCorrection(Honest):
    def take(self, p, moments, steps, group):
        p.sub_(group["lr"] * moments["m"] / self.root(moments["v"], group["eps"]))


class CoupledDecay(Honest):
    def decay(self, p, gradient, group):
        return gradient + group["weight_decay"] * p


class EpsilonInTheRoot(Honest):
    def root(self, square, eps):
        return (square + eps).sqrt()


class ActsEveryFiftiethStep(ForgetsItsSteps):
    """Its count is lost too, but it does something with it once in fifty steps only."""

    def step(self, closure=None):
        super().step()
        if self.steps % 50 == 0:
            for moments in self.state.values():
                moments["m"].zero_()

    def steps_of(self, moments):
        return moments["t"]


class KeepsTheGradient(Honest):
    """Takes the gradient itself for a buffer, and never looks at it again; the loop gives a new one in every step."""

    def moments_of(self, p):
        moments = super().moments_of(p)
        moments["last"] = p.grad
        return moments


def offer(class_):
    space = {"lr": Float(1e-4, 1e-1, log=True)}
    defaults = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    return Optimizer(class_.__name__.lower(), class_, space, defaults)


def failures(class_, *names):
    """Return the text of those of these checks that fail."""
    outcomes = {each.name: each.outcome() for each in checks(offer(class_), True, Like(ADAMW)) if each.name in names}
    return {name: outcome.text for name, outcome in outcomes.items() if outcome.status == "FAILED"}


STATE = ("state_round_trip", "continues_from_state", "keeps_attributes")


@pytest.mark.parametrize(
    ("class_", "check", "said"),
    [
        (FirstGroupsSettings, "several_groups", "take all settings from the group at hand"),
        (ForgetsItsSteps, "keeps_attributes", "lost 'steps' (8, and 1 after a stop)"),
        (NoBiasCorrection, "parity", "at step 1 of 60"),
        (
            NoBiasCorrection,
            "parity",
            "likely cause: no bias correction (so changed, torch:AdamW takes these very steps)",
        ),
        (CoupledDecay, "parity", "likely cause: coupled weight decay, added to the gradient"),
        (EpsilonInTheRoot, "parity", "likely cause: epsilon inside the root (so changed"),
        (WrongBetaInTheSecondCorrection, "parity", "likely cause: bias correction of the second moment with beta1 (so"),
        (
            FirstCorrectionAStepLate,
            "parity",
            "cause: bias correction of the first moment by a step too many (so changed",
        ),
        (ActsEveryFiftiethStep, "keeps_attributes", "lost 'steps' (8, and 1 after a stop)"),
        (ActsEveryFiftiethStep, "parity", "parts from it at step 51 of 60"),
    ],
)
def test_a_planted_bug_is_named(class_, check, said):
    assert said in failures(class_, check)[check]


def test_a_buffer_that_is_shared_by_shape_is_named():
    """No two tensors of the parity's problem have one shape, but two of the slope's and of the networks' have."""
    assert failures(BufferByShape, "several_groups", "without_gradient", *STATE, "channels_last", "deterministic")


def parted(class_, name, reference, **settings):
    """Return what the parity says of an optimizer of this class that does not take the steps of the reference."""
    own = Optimizer(name, class_, {"lr": Float(1e-4, 1e-1, log=True)}, settings)
    with pytest.raises(AssertionError) as error:
        parity(own, Like(discover().get("optimizer", reference, Optimizer, "test")))
    return str(error.value)


class WrongSign(torch.optim.SGD):
    """SGD that goes up the gradient."""

    def __init__(self, params, lr, momentum):
        super().__init__(params, lr=lr, momentum=momentum, maximize=True)


class WrongLion(torch.optim.Optimizer):
    """Lion that goes up the gradient: a reference whose rule cannot be changed in parts."""

    def __init__(self, params, lr, beta1, beta2):
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.add_(torch.sign(group["beta1"] * m + (1 - group["beta1"]) * p.grad), alpha=group["lr"])
                m.lerp_(p.grad, 1 - group["beta2"])


class Signs(WrongSign):
    """Signs of the gradient, which no change of SGD makes."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad.sign(), alpha=-group["lr"])


def test_a_wrong_sign_is_named_whatever_the_rule_of_the_reference():
    for class_, reference, settings in (
        (WrongSign, "torch:SGD", {"lr": 0.05, "momentum": 0.9}),
        (WrongLion, "lion", {"lr": 0.01, "beta1": 0.9, "beta2": 0.99}),
    ):
        text = parted(class_, "wrong", reference, **settings)
        assert f"likely cause: the wrong sign of the step, which goes up the gradient (so changed, {reference}" in text


def test_a_cause_that_is_not_known_says_in_words_what_was_tried():
    text = parted(Signs, "signs", "torch:SGD", lr=0.05, momentum=0.9)
    assert "; cause unknown: no change of sign and momentum, nor of two of them, explains it" in text
    assert "epsilon" not in text  # SGD has none
    text = parted(Signs, "signs", "lion", lr=0.05, momentum=0.9)
    assert text.endswith(
        "; cause unknown: a change of the sign does not explain it, and of lion nothing else can be changed"
    )


@pytest.mark.parametrize("class_", [Honest, KeepsTheGradient])
def test_what_is_right_or_harmless_passes(class_):
    assert failures(class_, "parity", "several_groups", "keeps_gradients", "keeps_attributes") == {}
