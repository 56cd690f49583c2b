"""newcomer keeps the contract of a probe, and measures as worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.testing import Check, checks
from harness.testing.templates.probe import harness_probes, measure


@pytest.mark.parametrize("check", [check for offer in harness_probes() for check in checks(offer)], ids=str)
def test_it_keeps_its_contract(check: Check) -> None:
    check()


def test_the_length_of_three_weights() -> None:
    model = torch.nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[2.0, 2.0]]))
        model.bias.fill_(1.0)
    parts: Any = SimpleNamespace(model=model)
    assert measure(parts) == pytest.approx({"length": 3.0, "largest": 8 / 9})
