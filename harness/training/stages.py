"""Stages of a training: the head alone, then everything, each with an optimizer and a schedule of its own.

The way of the lesson (fast.ai 2017) and of Howard & Ruder 2018, arXiv:1801.06146: a new head on a pretrained body gives
large and senseless gradients, so it is trained first, while the body stands still. After that everything is trained, with
smaller learning rates the nearer a layer is to the input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import torch

from harness.errors import PluginError
from harness.plugin.contracts import Backbone, Optimizer, Schedule, Scheduler
from harness.plugin.runs import Run
from harness.training.surroundings import surround

Groups = Sequence[Sequence[torch.nn.Parameter]]  # from the input to the outputs; the last one is the head


@dataclass(frozen=True)
class Stage:
    """Some epochs in which the same parameters are trained."""

    epochs: int
    head_only: bool


def stage_of(run: Run, epoch: int) -> Stage:
    """Return the stage that an epoch, 1 is the first, belongs to."""
    if epoch <= run.head_epochs:
        return Stage(run.head_epochs, head_only=True)
    return Stage(run.epochs - run.head_epochs, head_only=False)


def layer_groups(run: Run, backbone: Backbone, model: torch.nn.Module) -> Groups:
    """Return the layer groups of a network; all its trainable parameters in one where the run does not ask for more.

    Raises PluginError for a backbone that has none, and for one that forgets a parameter or names one twice.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    if not run.head_epochs and run.layer_factor == 1:
        return [trainable]
    if backbone.groups is None:
        raise PluginError(f"backbone '{backbone.name}': must have layer groups to be trained in stages, got none")
    groups = [list(group) for group in backbone.groups(model)]
    named = [id(p) for p in chain.from_iterable(groups)]
    if sorted(named) != sorted(map(id, trainable)) or len(groups) < 2 or not all(groups):
        raise PluginError(
            f"backbone '{backbone.name}': groups must be two or more with every trainable parameter in one of them, "
            f"got {[len(group) for group in groups]} for {len(trainable)} parameters"
        )
    return groups


def train_only(groups: Groups, all_groups: Groups) -> list[torch.nn.Parameter]:
    """Make these groups of a network trainable and no others; return their parameters, from the input to the outputs."""
    parameters = list(chain.from_iterable(groups))
    trained = {id(parameter) for parameter in parameters}
    for parameter in chain.from_iterable(all_groups):
        parameter.requires_grad_(id(parameter) in trained)
        parameter.grad = None
    return parameters


def build_optimizer(
    optimizer: Optimizer, settings: Mapping[str, Any], groups: Groups, layer_factor: float = 1
) -> torch.optim.Optimizer:
    """Return the optimizer of one stage, which trains ``groups``.

    The head has the learning rate ``lr`` and each group nearer to the input ``layer_factor`` times that of the one after
    it. Where the settings lack what it needs of a run, the groups are the whole network. Raises PluginError where it is no
    optimizer, or one that does not take rates of groups; else whatever it raises itself.
    """
    parameters = list(chain.from_iterable(groups))
    if not settings.keys() >= set(optimizer.needs):
        settings = {**surround(parameters).keywords(optimizer), **settings}
    if layer_factor == 1 or len(groups) == 1:
        return check_built(optimizer.build(parameters, **settings))
    if "lr" not in settings:
        raise PluginError("must have 'lr' among its hyperparameters to train by layer groups, got none")
    by_depth = [  # the head first: its rate is the one that is recorded
        {"params": list(group), "lr": settings["lr"] * layer_factor**depth}
        for depth, group in enumerate(reversed(groups))
    ]
    built = check_built(optimizer.build(by_depth, **settings))
    _check_rates(built, groups, layer_factor)
    return built


def clear_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Set the gradients to None, as ``zero_grad()`` does, which takes longer than a small head's other Python in a step.

    An optimizer with a method of its own is asked, without arguments, for some take none.
    """
    if getattr(optimizer.zero_grad, "__func__", None) is not torch.optim.Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def check_built(built: Any) -> torch.optim.Optimizer:
    """Return the result of an optimizer's ``build``; raises PluginError where a schedule could not move its rate."""
    if not isinstance(built, torch.optim.Optimizer):
        raise PluginError(f"must be a torch.optim.Optimizer, got {type(built).__name__}")
    for group in built.param_groups:
        if "lr" not in group:
            raise PluginError(
                "every parameter group must have an 'lr', which schedules move, got one without; add it to the defaults"
            )
        if isinstance(group["lr"], bool) or not isinstance(group["lr"], int | float | torch.Tensor):
            raise PluginError(
                f"the 'lr' of every parameter group must be a number, which schedules move, got {group['lr']!r}; "
                "give lr a default"
            )
    return built


def build_schedule(
    scheduler: Scheduler,
    settings: Mapping[str, Any],
    optimizer: torch.optim.Optimizer,
    steps: int,
    groups: Groups,
    layer_factor: float,
) -> Schedule:
    """Return the schedule of one stage; raises PluginError where it takes no notice of the groups' own rates."""
    built = scheduler.build(optimizer, steps, **settings)
    if layer_factor != 1:
        _check_rates(optimizer, groups, layer_factor)
    return built


def _check_rates(optimizer: torch.optim.Optimizer, groups: Groups, layer_factor: float) -> None:
    """Raise PluginError where the learning rates are not ``layer_factor`` apart from one layer group to the next."""
    rates: dict[int, float] = {}
    for group in optimizer.param_groups:
        rates |= {id(parameter): float(group["lr"]) for parameter in group["params"]}
    head = rates[id(groups[-1][0])]
    for depth, parameters in enumerate(reversed(groups)):
        expected = head * layer_factor**depth
        actual = next(
            (rates[id(p)] for p in parameters if not math.isclose(rates[id(p)], expected, rel_tol=1e-6)), expected
        )
        if actual != expected:
            raise PluginError(
                f"must keep the learning rates of layer groups, {expected:g} where the head has {head:g}, got {actual:g}; "
                "leave layer_factor out for it"
            )


def set_training(
    model: torch.nn.Module, head: Sequence[torch.nn.Parameter], batch_norm: Literal["train", "frozen"]
) -> None:
    """Set a network to training, or, where a ``head`` is named, that alone: the body is then as in evaluation.

    With frozen batch norm the statistics a network began with are used, and kept, all through the training; scale and
    shift are trained.
    """
    model.train(not head)
    if not head and batch_norm == "train":
        return  # looking at every module would take as long as an epoch of a small network's graphs
    of_head = {id(p) for p in head}
    for module in model.modules():
        parameter_ids = [id(p) for p in module.parameters()]
        if parameter_ids and of_head.issuperset(parameter_ids):
            module.train()
        if batch_norm == "frozen" and isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
