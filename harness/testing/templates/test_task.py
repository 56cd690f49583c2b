"""newcomer keeps the contract of a task, and scores as worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from harness.testing import Check, checks
from harness.testing.templates.task import accuracy, harness_tasks, loss


@pytest.mark.parametrize("check", [check for offer in harness_tasks() for check in checks(offer)], ids=str)
def test_it_keeps_its_contract(check: Check) -> None:
    check()


def test_the_loss_of_one_example() -> None:
    logits = torch.log(torch.tensor([[0.75, 0.25]]))  # the smoothed target is (0.95, 0.05)
    expected = -0.95 * math.log(0.75) - 0.05 * math.log(0.25)
    assert float(loss(logits, torch.tensor([0]))) == pytest.approx(expected, rel=1e-5)


def test_the_accuracy_of_three_examples() -> None:
    predictions = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
    assert accuracy(predictions, np.array([0, 1, 1])) == pytest.approx(2 / 3)
