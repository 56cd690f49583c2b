"""newcomer keeps the contract of a backbone, and has the shape it says."""

from __future__ import annotations

import pytest
import torch

from harness.testing import Check, checks
from harness.testing.templates.backbone import build, harness_backbones


@pytest.mark.parametrize("check", [check for offer in harness_backbones() for check in checks(offer)], ids=str)
def test_it_keeps_its_contract(check: Check) -> None:
    check()


@pytest.mark.parametrize("size", [8, 33])
def test_images_of_any_size_become_outputs(size: int) -> None:
    assert build((3, size, size), 5)(torch.zeros(2, 3, size, size)).shape == (2, 5)


def test_the_number_of_weights() -> None:
    counted = sum(p.numel() for p in build((3, 32, 32), 2, width=1).parameters())
    assert counted == (27 + 1) + (18 + 2) + (72 + 4) + (8 + 2)
