"""newcomer keeps the contract of an optimizer, and does what its formula says."""

from __future__ import annotations

import pytest
import torch

from harness.testing import Check, checks
from harness.testing.templates.optimizer import Newcomer, harness_optimizers


@pytest.mark.parametrize("check", [check for offer in harness_optimizers() for check in checks(offer)], ids=str)
def test_it_keeps_its_contract(check: Check) -> None:
    check()


def test_two_steps_worked_out_by_hand() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = Newcomer([weight], lr=0.5, momentum=0.9)
    for gradient in ([1.0, 0.0], [0.0, 2.0]):
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    # velocities: (-0.5, 0), then 0.9 * (-0.5, 0) - 0.5 * (0, 2) = (-0.45, -1)
    torch.testing.assert_close(weight.detach(), torch.tensor([1.0 - 0.5 - 0.45, -2.0 - 1.0]))
