"""Whether an optimizer takes the steps of a reference, and where it does not, which change to the reference explains it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from harness.console.numbers import assignments, joined
from harness.errors import HarnessError, did_you_mean, shown
from harness.plugin.contracts import Optimizer
from harness.plugin.validate import is_penalty
from harness.testing.driving import torch_check
from harness.testing.likeness import Like
from harness.testing.optimizers.rules import (
    WRONG_SIGN,
    Rule,
    Ruled,
    changed_parts,
    changes,
    mirrored,
    rules_of,
)
from harness.testing.outcomes import require
from harness.training.rehearsal import Rehearsal, compare_steps, loss_of_step

STEPS = 60  # that are compared: more than fifty, for what is done every fiftieth
NEAR = 1e-10  # how far two weights may be apart, as a part of the way they have come
ROUNDING = 1e-14  # of float64 after so many steps, as a part of the largest weight
COARSE = 1e-6  # a part of the way by which single precision may differ
DECAY = 0.1  # at which two optimizers with a weight decay are compared too: at 0 nobody sees how they decay


@dataclass(frozen=True)
class Parted:
    """Where two optimizers part."""

    step: int  # the first one after which their weights differ
    by: float  # the largest difference then, as a part of the way so far


@torch_check
def parity(offer: Optimizer, like: Like) -> str:
    """It takes the steps of the reference, to 1e-10 in float64."""
    check_settings(offer, like)
    farthest, compared = 0.0, []
    for chosen in _chosen(offer, like):
        settings, reference_settings = _settings(offer, like.reference, chosen)
        parted, distance = _compare(offer, settings, like.reference, reference_settings)
        farthest = max(farthest, distance)
        compared.append(assignments(reference_settings))
        require(
            parted is None,
            _explain(parted, offer, settings, like.reference, reference_settings) if parted else "",
        )
    return (
        f"the steps of {like.reference.name} to {farthest:.1g}, {STEPS} steps in float64 at {' and at '.join(compared)}"
    )


def check_settings(offer: Optimizer, like: Like) -> None:
    """Raise HarnessError for a setting that neither the optimizer nor the reference has."""
    names = [*_known(offer), *_known(like.reference)]
    for name in like.settings:
        if name not in names:
            who = f"a hyperparameter of '{offer.name}' or '{like.reference.name}'"
            raise HarnessError(f"--set: must be {who}, got {shown(name)}{did_you_mean(name, names)}")


def _chosen(offer: Optimizer, like: Like) -> list[dict[str, Any]]:
    """Return the settings at which the two are compared: those that were chosen, and also with a weight decay."""
    chosen = dict(like.settings)
    settings, reference_settings = _settings(offer, like.reference, chosen)
    decays = [
        name
        for name in settings
        if is_penalty(name) and name in reference_settings and name not in chosen and settings[name] == 0
    ]
    return [chosen, {**chosen, **dict.fromkeys(decays, DECAY)}] if decays else [chosen]


def _settings(
    offer: Optimizer, reference: Optimizer, chosen: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what both are built with: the reference has the optimizer's values, wherever it knows their names."""
    names, reference_names = _known(offer), _known(reference)
    settings = {
        name: value
        for name, value in names.items()
        if name in offer.defaults or (name in reference_names and value is not None)
    }
    for name, distribution in offer.space.items():
        if name not in settings:
            settings[name] = (
                reference_names.get(name) if reference_names.get(name) is not None else _middle(distribution)
            )
    settings |= {name: value for name, value in chosen.items() if name in names}
    shared = {name: value for name, value in {**settings, **chosen}.items() if name in reference_names}
    return settings, reference.settings(shared)


def _known(offer: Optimizer) -> dict[str, Any]:
    """Return the hyperparameters of an optimizer with its defaults; None for one that has none."""
    arguments: dict[str, Any] = {}
    try:
        arguments = dict(inspect.signature(offer.build).parameters)
    except (TypeError, ValueError):  # written in C
        arguments = {}
    values = {name: argument.default for name, argument in list(arguments.items())[1:] if _is_value(argument.default)}
    return dict.fromkeys([*offer.limits, *offer.space]) | values | offer.settings({})


def _is_value(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def _middle(distribution: Any) -> Any:
    if hasattr(distribution, "choices"):
        return distribution.choices[0]
    if isinstance(distribution.low, int):
        return distribution.low
    return math.sqrt(distribution.low * distribution.high) if distribution.log else distribution.high / 2


def _compare(
    one: Optimizer, settings: Mapping[str, Any], other: Optimizer, others: Mapping[str, Any]
) -> tuple[Parted | None, float]:
    """Return where two optimizers part, and the largest part of the way that they were apart before that."""
    pair = (Rehearsal(one, settings, torch.float64), Rehearsal(other, others, torch.float64))
    start = [weight.detach().clone() for weight in pair[0].weights]
    rates = [[group["lr"] for group in rehearsal.optimizer.param_groups] for rehearsal in pair]
    distance = 0.0
    for number in range(STEPS):
        ends = []
        for rehearsal, built in zip(pair, rates, strict=True):
            for group, rate in zip(rehearsal.optimizer.param_groups, built, strict=True):
                group["lr"] = rate * (1 - number / (2 * STEPS))  # what takes the rate into its memory parts here
            torch.manual_seed(number)
            ends.append(rehearsal.step(loss_of_step(number)))
        way = max(float((w - s).abs().max()) for w, s in zip(ends[1], start, strict=True))
        off = max(float((a - b).abs().max()) for a, b in zip(*ends, strict=True))
        largest = max(float(w.abs().max()) for w in ends[1])
        if not off <= NEAR * way + ROUNDING * largest:
            return Parted(number + 1, off / way if way else math.inf), distance
        distance = max(distance, off / way if way else 0.0)
    return None, distance


def _explain(
    parted: Parted, offer: Optimizer, own: Mapping[str, Any], reference: Optimizer, others: Mapping[str, Any]
) -> str:
    """Return that they part, and why, as far as changing the reference shows."""
    parts = (
        f"must take the steps of {reference.name}, parts from it at step {parted.step} of {STEPS} by {parted.by:.2g} "
        f"times the distance that the weights have moved, at {assignments(others)}"
    )
    rule = _rule_of(reference, others)
    if rule is None:
        return f"{parts}; {_explain_by_sign(offer, own, reference, others)}"
    for words, changed in changes(rule):
        if _compare(offer, own, *_ruled(changed, others))[0] is None:
            return f"{parts}; likely cause: {words} ({_taken_by(reference)})"
    precision = "as little as single precision makes; " if parted.by < COARSE else ""
    return f"{parts}; {precision}cause unknown: no change of {joined(changed_parts(rule))}, nor of two of them, explains it"


def _explain_by_sign(offer: Optimizer, own: Mapping[str, Any], reference: Optimizer, others: Mapping[str, Any]) -> str:
    """Return the cause where the reference has none of the rules that can be changed: its steps can only be turned round."""
    if _compare(offer, own, mirrored(reference), others)[0] is None:
        return f"likely cause: {WRONG_SIGN} ({_taken_by(reference)})"
    return (
        f"cause unknown: a change of the sign does not explain it, and of {reference.name} nothing else can be changed"
    )


def _taken_by(reference: Optimizer) -> str:
    return f"so changed, {reference.name} takes these very steps"


def plain_rule(offer: Optimizer, settings: Mapping[str, Any]) -> Rule | None:
    """Return the rule whose steps an optimizer takes, exactly or but for the rounding of float32, as a run compares arms."""
    for rule in rules_of(Rehearsal(offer, settings).optimizer.param_groups[0]):
        if compare_steps(offer, settings, *_ruled(rule, settings)) != "not":
            return rule
    return None


def _rule_of(offer: Optimizer, settings: Mapping[str, Any]) -> Rule | None:
    """Return the rule by which an optimizer steps, None where it is none of those that are known and can be varied."""
    group = Rehearsal(offer, settings, torch.float64).optimizer.param_groups[0]
    for rule in rules_of(group):
        if _compare(offer, settings, *_ruled(rule, settings))[0] is None:
            return rule
    return None


def _ruled(rule: Rule, settings: Mapping[str, Any]) -> tuple[Optimizer, dict[str, Any]]:
    """Return an optimizer that steps by a rule, and its settings."""
    return Optimizer("a rule", partial(Ruled, rule=rule), {}, {}), {"lr": settings["lr"]}
