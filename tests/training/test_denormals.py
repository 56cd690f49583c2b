"""Numbers below the normal range are zero while a network is trained or measured on the CPU, and nowhere else."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from harness.plugin.process_settings import flushes_denormals
from harness.training.denormals import denormals_flushed
from harness.training.device import Device
from harness.training.turns import Turn

ON_TWO_THREADS = """
import torch
from harness.training.device import set_up_device
from harness.training.turns import Turn

device = set_up_device("cpu", "fp32", 2)
denormals = torch.full((1 << 21,), 1 << 10, dtype=torch.int32).view(torch.float32)
with Turn(device):
    assert not (denormals * 1).any(), "a thread does not flush"
assert denormals[:10].mul(1).all(), "the main thread still flushes"
"""


def denormal() -> torch.Tensor:
    return torch.tensor([1 << 10], dtype=torch.int32).view(torch.float32)


@pytest.fixture
def turn() -> Turn:
    return Turn(Device("cpu", "fp32", 1))


def test_they_are_zero_in_a_runs_turn_and_not_after_it(turn: Turn) -> None:
    number = denormal()
    with turn:
        assert flushes_denormals()
        assert not (number * 1).any()
    assert not flushes_denormals()
    assert (number * 1).all()


def test_a_turn_that_fails_puts_the_setting_back(turn: Turn) -> None:
    with pytest.raises(ZeroDivisionError), turn:
        raise ZeroDivisionError
    assert not flushes_denormals()


def test_the_callers_own_setting_stays(turn: Turn) -> None:
    with denormals_flushed():
        with turn:
            assert flushes_denormals()
        assert flushes_denormals()
    assert not flushes_denormals()


def test_a_gradient_is_flushed_too(turn: Turn) -> None:
    weight = denormal().requires_grad_()
    with turn:
        (weight * 3).sum().mul(1e-30).mul(1e-9).backward()
    assert weight.grad is not None
    assert weight.grad.item() == 0


def test_all_threads_flush_from_their_start() -> None:
    done = subprocess.run([sys.executable, "-c", ON_TWO_THREADS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
