"""Device, precision and threads are chosen the same way everywhere, and refused in one line."""

from __future__ import annotations

import os

import pytest
import torch

from harness.errors import DeviceError
from harness.training import device
from harness.training.device import Device, set_up_device


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_auto_is_the_cpu_without_cuda_and_cuda_with_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert set_up_device("auto", "fp32", 1).name == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert set_up_device("auto", "fp32", 1).name == "cuda:0"
    assert set_up_device("cuda:1", "fp32", 1).name == "cuda:1"
    with pytest.raises(DeviceError, match="got 'cuda:2' on one that has 2 CUDA devices"):
        set_up_device("cuda:2", "fp32", 1)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "CPU", ""])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(DeviceError, match=r"b\.toml:3: must be auto, cpu, cuda or cuda:N"):
        set_up_device(name, "fp32", 1, "b.toml:3")


def test_threads_are_pinned(monkeypatch):
    assert set_up_device("cpu", "fp32", 1).threads == torch.get_num_threads() == 1
    if hasattr(os, "sched_getaffinity"):
        assert 1 <= set_up_device("cpu", "fp32", 0).threads <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "fp32")])
def test_precision_auto_follows_the_hardware(monkeypatch, native, precision):
    monkeypatch.setattr(device, "_multiplies_bf16", lambda kind: native)
    assert set_up_device("cpu", "auto", 1).precision == precision
    assert set_up_device("cpu", "bf16", 1).precision == "bf16"


def test_the_environment_hash_depends_on_device_and_precision():
    assert device.environment(Device("cpu", "fp32", 1))["hash"] != device.environment(Device("cpu", "bf16", 1))["hash"]
    assert device.environment(Device("cpu", "fp32", 1))["versions"]["torch"] == torch.__version__


@pytest.mark.parametrize(("busy", "threads", "warned"), [(0.1, 2, False), (1.0, 2, True), (1.0, 1, False)])
def test_the_user_is_told_of_contention(monkeypatch, busy, threads, warned):
    monkeypatch.setattr(device, "_busy_cores", lambda: busy)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert bool(device.contention(Device("cpu", "fp32", threads))) == warned
    assert device.contention(Device("cuda:0", "fp32", threads)) == ""
