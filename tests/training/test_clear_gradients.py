"""Gradients are cleared as ``zero_grad()`` clears them, and an optimizer that has a way of its own is asked."""

from __future__ import annotations

import types

import pytest
import torch

from harness.training.stages import clear_gradients


class Own(torch.optim.SGD):
    """An optimizer that keeps what it clears."""

    def zero_grad(self):
        self.seen = [parameter.grad for group in self.param_groups for parameter in group["params"]]
        super().zero_grad()


def with_gradients():
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(3)]
    sum(parameter.sum() for parameter in parameters).backward()
    return parameters


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, Own])
def test_all_gradients_of_all_groups_are_none(kind):
    parameters = with_gradients()
    optimizer = kind([{"params": parameters[:1]}, {"params": parameters[1:]}], lr=0.1)
    clear_gradients(optimizer)
    assert [parameter.grad for parameter in parameters] == [None, None, None]


def test_a_method_of_its_own_is_called_of_the_class_and_of_the_optimizer_alone():
    parameters = with_gradients()
    optimizer = Own(parameters, lr=0.1)
    clear_gradients(optimizer)
    assert len(optimizer.seen) == 3
    plain, called = torch.optim.SGD(with_gradients(), lr=0.1), []
    plain.zero_grad = types.MethodType(lambda self: called.append(self), plain)
    clear_gradients(plain)
    assert called == [plain]
    assert all(parameter.grad is not None for parameter in plain.param_groups[0]["params"])


def test_a_parameter_that_the_optimizer_does_not_have_keeps_its_gradient():
    parameters = with_gradients()
    clear_gradients(torch.optim.SGD(parameters[:1], lr=0.1))
    assert [parameter.grad is None for parameter in parameters] == [True, False, False]
