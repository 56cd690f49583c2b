"""newcomer keeps the contract of a scheduler, and does what its formula says."""

from __future__ import annotations

import pytest
import torch

from harness.testing import Check, checks
from harness.testing.templates.scheduler import build, harness_schedulers


@pytest.mark.parametrize("check", [check for offer in harness_schedulers() for check in checks(offer)], ids=str)
def test_it_keeps_its_contract(check: Check) -> None:
    check()


def test_the_rates_of_four_steps() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=16.0)
    schedule = build(optimizer, 4, power=2.0)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([16.0, 9.0, 4.0, 1.0])
