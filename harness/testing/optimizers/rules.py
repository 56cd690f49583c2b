"""Update rules as values, so that a rule can be changed in one place: that is how the cause of a difference is found.

The rules are those of SGD, Adagrad, RMSprop, Adam and AdamW, each as ``torch.optim`` has it. ``changes`` returns what
people write instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import torch

from harness.plugin.contracts import Optimizer

EPSILONS = (0.0, 1e-16, 1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)  # that libraries have as their defaults
WRONG_SIGN = "the wrong sign of the step, which goes up the gradient"
BETAS = (0.0, 0.9, 0.95, 0.98, 0.99, 0.999)
NUMBERS = ("weight_decay", "eps", "momentum", "dampening", "alpha")  # entries of a group that a rule is told by


@dataclass(frozen=True)
class Rule:
    """How a weight moves by its gradients: a first moment over the root of a second one, and a decay."""

    first: Literal["gradient", "average", "sum"] = "gradient"  # g; b m + (1 - b) g; b m + (1 - dampening) g
    beta1: float = 0.0
    dampening: float = 0.0
    begins_with_gradient: bool = False  # the first moment's first value is the gradient itself
    first_corrected: bool = False  # divided by 1 - beta1^t
    nesterov: bool = False
    second: Literal["none", "average", "sum"] = "none"
    beta2: float = 0.0
    second_corrected: bool = False  # divided by 1 - beta2^t
    largest: bool = False  # AMSGrad
    eps: float = 0.0
    eps_place: Literal["outside", "uncorrected", "inside", "inside uncorrected"] = "outside"  # of the root
    after: bool = False  # the first moment is one of normalised gradients (RMSprop with momentum)
    decay: float = 0.0
    decay_way: Literal["coupled", "decoupled", "without rate", "after"] = "coupled"
    first_late: int = 0  # added to the number of the step in the correction of the first moment
    second_late: int = 0  # and of the second
    first_by: float | None = None  # the decay rate that the first moment is corrected by; None for its own
    second_by: float | None = None  # and the second
    sign: float = -1.0  # of the step


class Ruled(torch.optim.Optimizer):
    """An optimizer that steps by a rule."""

    def __init__(self, parameters: Any, lr: float, rule: Rule) -> None:
        super().__init__(parameters, {"lr": lr})
        self.rule = rule
        self.steps = 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move every weight by one step."""
        self.steps += 1
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group["lr"])

    def _move(self, weight: torch.Tensor, gradient: torch.Tensor, lr: float) -> None:
        rule, state = self.rule, self.state[weight]
        if rule.decay_way == "coupled":
            gradient = gradient + rule.decay * weight
        elif rule.decay_way != "after":
            weight.mul_(1 - (lr if rule.decay_way == "decoupled" else 1.0) * rule.decay)
        below = self._denominator(gradient, state)
        above = gradient / below if rule.after else gradient
        above = self._numerator(above, state)
        weight.add_(above if rule.after else above / below, alpha=rule.sign * lr)
        if rule.decay_way == "after":
            weight.mul_(1 - lr * rule.decay)

    def _numerator(self, gradient: torch.Tensor, state: dict[str, Any]) -> torch.Tensor:
        rule = self.rule
        if rule.first == "gradient":
            return gradient
        part = 1 - rule.beta1 if rule.first == "average" else 1 - rule.dampening
        if "first" not in state and rule.begins_with_gradient:
            state["first"] = gradient.clone()
        else:
            state["first"] = rule.beta1 * state.get("first", torch.zeros_like(gradient)) + part * gradient
        moment: torch.Tensor = state["first"]
        if rule.nesterov:
            moment = rule.beta1 * moment + (gradient if rule.first == "sum" else part * gradient)
        beta = rule.beta1 if rule.first_by is None else rule.first_by
        return moment / (1 - beta ** (self.steps + rule.first_late)) if rule.first_corrected else moment

    def _denominator(self, gradient: torch.Tensor, state: dict[str, Any]) -> torch.Tensor:
        rule = self.rule
        if rule.second == "none":
            return torch.ones_like(gradient)
        old, square = state.get("second", torch.zeros_like(gradient)), gradient.square()
        state["second"] = rule.beta2 * old + (1 - rule.beta2) * square if rule.second == "average" else old + square
        moment: torch.Tensor = state["second"]
        if rule.largest:
            moment = state["largest"] = torch.maximum(moment, state.get("largest", moment))
        beta = rule.beta2 if rule.second_by is None else rule.second_by
        correction = 1 - beta ** (self.steps + rule.second_late) if rule.second_corrected else 1.0
        if rule.eps_place == "outside":
            return (moment / correction).sqrt() + rule.eps
        if rule.eps_place == "uncorrected":
            return (moment.sqrt() + rule.eps) / math.sqrt(correction)
        if rule.eps_place == "inside":
            return (moment / correction + rule.eps).sqrt()
        return (moment + rule.eps).sqrt() / math.sqrt(correction)


def rules_of(group: Mapping[str, Any]) -> Iterator[Rule]:
    """Yield the rules that an optimizer with such a parameter group may have; it is then tried which one it has."""
    if any(not isinstance(group[name], int | float) for name in NUMBERS if name in group):
        return  # Adafactor has two epsilons
    decay = float(group.get("weight_decay", 0.0))
    eps = float(group.get("eps", 0.0))
    for way in ("coupled", "decoupled"):
        if "betas" in group and len(group["betas"]) == 2:
            beta1, beta2 = map(float, group["betas"])
            yield Rule(
                "average", beta1, first_corrected=True, second="average", beta2=beta2, second_corrected=True,
                largest=bool(group.get("amsgrad")), eps=eps, decay=decay, decay_way=way,
            )  # fmt: skip
        elif "alpha" in group:
            momentum, alpha = float(group.get("momentum", 0.0)), float(group["alpha"])
            first: Literal["sum", "gradient"] = "sum" if momentum else "gradient"
            yield Rule(first, momentum, second="average", beta2=alpha, eps=eps, after=True, decay=decay, decay_way=way)
        elif "momentum" in group:
            momentum = float(group["momentum"])
            yield Rule(
                "sum" if momentum else "gradient", momentum, float(group.get("dampening", 0.0)),
                begins_with_gradient=True, nesterov=bool(group.get("nesterov")), decay=decay, decay_way=way,
            )  # fmt: skip
        else:
            yield Rule(second="sum" if eps else "none", eps=eps, decay=decay, decay_way=way)


def words_of(rule: Rule) -> str:
    """Return the name of the method that a rule is, with what makes it a variant.

    >>> words_of(Rule("sum", 0.9, begins_with_gradient=True, nesterov=True))
    'SGD with Nesterov momentum 0.9'
    """
    nesterov = "Nesterov " if rule.nesterov else ""
    momentum = f" with {nesterov}momentum {rule.beta1:g}" if rule.first != "gradient" else ""
    match rule.second:
        case "none":
            return f"SGD{momentum or ' without momentum'}"
        case "sum":
            return "Adagrad"
    if rule.after:
        return f"RMSprop{momentum}"
    return "AMSGrad" if rule.largest else "Adam"


def changes(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Yield what may have been written instead of a rule, in words and as a rule: one change each, then two at a time."""
    single = list(_single_changes(rule))
    yield from ((words, replace(rule, **change)) for words, change in single)
    for (words, change), (second_words, second_change) in combinations(single, 2):
        if not change.keys() & second_change.keys():
            yield f"{words}, and {second_words}", replace(rule, **change, **second_change)


def changed_parts(rule: Rule) -> list[str]:
    """Return in a word each which parts of a rule ``changes`` changes; docs/plugins.md has what it makes of them."""
    parts = ["sign"]
    if rule.first != "gradient":
        parts.append("momentum")
    if rule.second != "none":
        parts += ["second moment", "epsilon"]
    if rule.decay:
        parts.append("weight decay")
    return parts


def mirrored(reference: Optimizer) -> Optimizer:
    """Return an optimizer whose every step is the reference's in the opposite direction, whatever its rule."""

    def build(*arguments: Any, **named: Any) -> torch.optim.Optimizer:
        optimizer = reference.build(*arguments, **named)
        step = optimizer.step

        def step_back(closure: Any = None) -> Any:
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            before = [weight.detach().clone() for weight in weights]
            value = step() if closure is None else step(closure)
            with torch.no_grad():
                for weight, start in zip(weights, before, strict=True):
                    weight.copy_(2 * start - weight)
            return value

        optimizer.step = step_back  # type: ignore[method-assign]
        return optimizer

    return replace(reference, build=build)


def _single_changes(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    yield WRONG_SIGN, {"sign": 1.0}
    if rule.first != "gradient":
        yield from _changes_of_first(rule)
    if rule.second != "none":
        yield from _changes_of_second(rule)
    if rule.first_corrected and rule.second_corrected:
        yield "no bias correction", {"first_corrected": False, "second_corrected": False}
        yield "bias correction by a step too many", {"first_late": 1, "second_late": 1}
        yield "bias correction of the first moment by a step too many", {"first_late": 1}
        yield "bias correction of the second moment by a step too many", {"second_late": 1}
        if rule.beta1 != rule.beta2:
            yield "bias correction of the first moment with beta2", {"first_by": rule.beta2}
            yield "bias correction of the second moment with beta1", {"second_by": rule.beta1}
            yield "beta1 and beta2 exchanged", {"beta1": rule.beta2, "beta2": rule.beta1}
    if rule.decay:
        yield from _changes_of_decay(rule)


def _changes_of_first(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    if rule.first_corrected:
        yield "no bias correction of the first moment", {"first_corrected": False}
        yield (
            "a first moment that begins as the gradient, uncorrected",
            {
                "first_corrected": False,
                "begins_with_gradient": True,
            },
        )
    else:
        yield "a bias correction of the first moment", {"first_corrected": True}
    if rule.begins_with_gradient:
        yield "a momentum that begins at 0, times 1 - dampening", {"begins_with_gradient": False}
    if rule.first == "sum":
        yield "momentum as an average, (1 - momentum) * gradient", {"first": "average", "begins_with_gradient": False}
    else:
        yield "momentum as a sum, without the factor 1 - beta1", {"first": "sum"}
    yield f"{'no ' if rule.nesterov else ''}Nesterov momentum", {"nesterov": not rule.nesterov}
    for beta in BETAS:
        if beta != rule.beta1:
            yield f"{beta:g} for the decay rate of the first moment, {rule.beta1:g}", {"beta1": beta}


def _changes_of_second(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    if rule.second_corrected:
        yield "no bias correction of the second moment", {"second_corrected": False}
    else:
        yield "a bias correction of the second moment", {"second_corrected": True}
    places = {
        "outside": "epsilon outside the root",
        "uncorrected": "epsilon added before the root is corrected for its bias",
        "inside": "epsilon inside the root",
        "inside uncorrected": "epsilon inside the root, before the bias correction",
    }
    for place, words in places.items():
        if place != rule.eps_place and (rule.second_corrected or "uncorrected" not in place):
            yield words, {"eps_place": place}
    yield f"{'no ' if rule.largest else ''}AMSGrad", {"largest": not rule.largest}
    yield from ((f"{eps:g} for epsilon, {rule.eps:g}", {"eps": eps}) for eps in EPSILONS if eps != rule.eps)
    if rule.second == "average":
        for beta in BETAS:
            if beta != rule.beta2:
                yield f"{beta:g} for the decay rate of the second moment, {rule.beta2:g}", {"beta2": beta}


def _changes_of_decay(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    ways = {
        "coupled": "coupled weight decay, added to the gradient",
        "decoupled": "decoupled weight decay",
        "without rate": "decoupled weight decay, not times the learning rate",
        "after": "decoupled weight decay after the step, not before it",
    }
    yield from ((words, {"decay_way": way}) for way, words in ways.items() if way != rule.decay_way)
    yield "weight decay of the wrong sign, which makes weights grow", {"decay": -rule.decay}
    yield "no weight decay", {"decay": 0.0}
