"""Device, precision and threads are chosen the same way everywhere, and refused in one line."""

from __future__ import annotations

import os
import warnings

import pytest
import torch

from harness.errors import DeviceError
from harness.training import device
from harness.training.device import Device, set_up_device
from harness.training.repeatable import noticed, repeatable_here


@pytest.fixture(autouse=True)
def _settings_kept(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with repeatable_here():
        torch.use_deterministic_algorithms(False)
        yield
    torch.set_num_threads(before)
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


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


def test_a_gpu_is_set_to_repeat_itself_and_a_cpu_is_left_as_it_is(monkeypatch):
    set_up_device("cpu", "fp32", 1)
    assert not torch.are_deterministic_algorithms_enabled()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    set_up_device("cuda", "fp32", 1)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()  # an operation that cannot is named, not refused
    assert not torch.utils.deterministic.fill_uninitialized_memory
    assert torch.backends.cudnn.deterministic
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_other_warnings_pass_where_operations_without_a_deterministic_form_are_noticed():
    operations = {}

    def work():
        with noticed(operations):
            warnings.warn("kthvalue CUDA does not have a deterministic implementation, but you set ...", stacklevel=1)
            warnings.warn("something else", DeprecationWarning, stacklevel=1)

    with pytest.warns(DeprecationWarning, match="something else") as caught:
        work()
    assert operations == {"kthvalue": None}
    assert len(caught) == 1
