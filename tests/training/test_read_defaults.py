"""Defaults that a plugin does not declare are read where that is unambiguous, and from nowhere else."""

from __future__ import annotations

import pytest
import torch

from harness import Float, Optimizer, Scheduler
from harness.plugin.discovery import discover
from harness.testing.optimizers.building import defaults_in_space
from harness.training.read_defaults import ARGUMENTS, BUILT, read_defaults

SPACE = {"lr": Float(1e-4, 1.0, log=True)}


def in_arguments(parameters, lr, momentum=0.9, eps=None):
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum)


def handed_on(parameters, **settings):
    return torch.optim.Adam(parameters, **settings)


def betas(parameters, lr=0.1, **settings):
    given = (settings.get("beta1", 0.8), settings.get("beta2", 0.99))
    return torch.optim.Adam(parameters, lr=lr, betas=given)


def as_power(parameters, lr=2.0, **settings):
    """Its lr is the power of ten, and eps is another number than that of the group."""
    return torch.optim.Adam(parameters, lr=10**-lr, eps=2 * settings.get("eps", 1e-8))


def fails_without(parameters, **settings):
    return torch.optim.SGD(parameters, lr=settings["lr"])


@pytest.mark.parametrize(
    ("build", "declared", "name", "value", "source"),
    [
        (in_arguments, {"lr": 0.1}, "momentum", 0.9, ARGUMENTS),
        (in_arguments, {"lr": 0.1}, "weight_decay", None, None),  # it takes none
        (in_arguments, {"lr": 0.1}, "eps", None, None),  # None is no value that a file can have
        (torch.optim.SGD, {}, "lr", 1e-3, ARGUMENTS),
        (handed_on, {}, "lr", 1e-3, BUILT),
        (handed_on, {}, "beta2", None, None),  # Adam takes betas, so to name it fails
        (handed_on, {}, "amsgrad", False, BUILT),
        (handed_on, {}, "betas", None, None),
        (betas, {}, "beta1", 0.8, BUILT),
        (betas, {}, "beta3", None, None),
        (as_power, {}, "lr", 2.0, ARGUMENTS),
        (as_power, {}, "eps", None, None),  # the entry of that name means something else
        (fails_without, {}, "lr", None, None),
        (fails_without, {"lr": 0.1}, "lr", None, None),  # it is declared
    ],
)
def test_a_default_is_read_where_naming_it_changes_nothing(build, declared, name, value, source):
    read = read_defaults(Optimizer("o", build, SPACE, declared), [name])
    assert [(default.value, default.source) for default in read.values()] == ([(value, source)] if source else [])


def test_a_schedules_are_read_from_its_arguments():
    def build(optimizer, total_steps, power=2.0, floor=None):
        return torch.optim.lr_scheduler.PolynomialLR(optimizer, total_steps, power)

    read = read_defaults(Scheduler("poly", build), ["power", "floor", "total_steps"])
    assert {name: default.value for name, default in read.items()} == {"power": 2.0}


def test_nothing_drawn_by_it_is_missing_elsewhere():
    """The generator of torch is left as it was, whatever ``build`` draws."""

    def build(parameters, **settings):
        torch.rand(3)
        return torch.optim.SGD(parameters, **settings)

    before = torch.get_rng_state()
    assert read_defaults(Optimizer("o", build, SPACE), ["lr"])["lr"].value == 1e-3
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("name", "value"), [("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8)])
def test_of_a_library_whatever_a_file_may_search_has_its_default(name, value):
    adam = discover().get("optimizer", "torch:RAdam", Optimizer)
    assert read_defaults(adam, [name])[name].value == value


def test_the_check_says_what_a_default_was_read_from():
    space = {**SPACE, "momentum": Float(0.0, 0.99), "decay": Float(0.0, 1.0)}
    text = defaults_in_space(Optimizer("o", in_arguments, space, {"lr": 0.1}))
    assert text == (
        "a search begins with lr=0.1; momentum = 0.9 is read from the arguments of build; without a default, the first "
        "trial of a search draws decay"
    )
