"""newcomer keeps the contract of an analysis, and counts as worked out by hand."""

from __future__ import annotations

import pytest

from harness.testing import Check, checks
from harness.testing.templates.analysis import early, harness_analyses


@pytest.mark.parametrize("check", [check for offer in harness_analyses() for check in checks(offer)], ids=str)
def test_it_keeps_its_contract(check: Check) -> None:
    check()


@pytest.mark.parametrize(
    ("curve", "epoch"),
    [([0.5, 0.7, 0.89, 0.9], 3), ([0.5, 0.9, 0.6], 2), ([0.5, 0.4], 1), ([0.5], 1)],
)
def test_the_epoch_at_which_a_curve_has_arrived(curve: list[float], epoch: int) -> None:
    assert early(curve) == epoch
