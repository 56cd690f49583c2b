"""Where training happens and in which precision; torch is imported only when asked."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from harness.data.limits import usable_cores
from harness.errors import DeviceError, shown
from harness.plugin.runs import digest
from harness.records.files import checksum
from harness.training.repeatable import be_repeatable

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Device:
    """A device as torch names it, the precision of training on it, and how many CPU threads take part."""

    name: str  # "cpu", "cuda:0"
    precision: Precision
    threads: int

    @property
    def type(self) -> str:
        """``cpu`` or ``cuda``."""
        return self.name.partition(":")[0]


def set_up_device(device: str, precision: str, threads: int, where: str = "train.device") -> Device:
    """Pin and start torch's threads, have freed memory kept, and return the device for ``auto`` or a name; raises DeviceError.

    ``threads`` of 0 takes as many as there are cores that this process may use. A GPU is set to give the same numbers
    whenever it does the same work.
    ``auto`` takes CUDA when there is one. ``precision="auto"`` takes bfloat16 where the hardware multiplies it
    natively (there it is 1.7 to 2.8 times as fast, with channels_last), and float32 elsewhere.
    """
    import torch

    from harness.training.denormals import start_threads

    threads = threads or usable_cores()
    torch.set_num_threads(threads)
    start_threads()
    _keep_pages()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise DeviceError(f"{where}: must be auto, cpu, cuda or cuda:N, got {shown(device)}")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(index or 0) >= count:
            has = f"{count} CUDA device{'s' if count > 1 else ''}" if count else "no CUDA device"
            raise DeviceError(
                f"{where}: must be a device of this machine, got {shown(device)} on one that has {has}; use 'auto'"
            )
        device = f"cuda:{index or 0}"
        be_repeatable()
    if precision == "auto":
        precision = "bf16" if _multiplies_bf16(kind) else "fp32"
    return Device(device, "bf16" if precision == "bf16" else "fp32", threads)


def _multiplies_bf16(kind: str) -> bool:
    import torch

    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16") or flags.get("bf16"))


def _keep_pages() -> None:
    """Tell glibc to keep freed memory, because page faults otherwise cost up to half of the time on Linux.

    Every batch frees and allocates the same megabytes; by default glibc gives them back to the kernel each time.
    """
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


def contention(device: Device) -> str:
    """Return a warning for the user when other programs keep the processor busy; empty when they do not.

    Threads of one training wait for each other many times per step, so one that is not scheduled holds up all:
    beside one busy program two threads were measured to be 10 to 50 times slower, and one thread not at all.
    """
    if device.type != "cpu" or device.threads == 1:
        return ""
    busy, cores = _busy_cores(), os.cpu_count() or 1
    if busy + device.threads < cores + 0.5:
        return ""
    return (
        f"other programs keep {busy:.1f} of {cores} cores busy, and {device.threads} threads may wait for each other a "
        "lot; if this is slow, stop and go on with --set train.threads=1"
    )


def _busy_cores(over: float = 0.25) -> float:
    """Return the number of cores that other programs keep busy, measured over some seconds; 0 where the system does not say."""

    def working() -> int:
        user, nice, system = Path("/proc/stat").read_text(encoding="utf-8").split()[1:4]
        return int(user) + int(nice) + int(system)

    try:
        before = working()
        time.sleep(over)
        return (working() - before) / os.sysconf("SC_CLK_TCK") / over
    except (OSError, ValueError):
        return 0.0


@cache
def environment(device: Device) -> Mapping[str, Any]:
    """Return versions and hardware as plain values; ``hash`` sums up what could change the numbers."""
    import torch

    packages = ("torch", "timm", "optuna", "numpy", "pandas", "pillow", "pluggy", "optimizer-harness")
    versions = {"python": platform.python_version(), **{name: _package_version(name) for name in packages}}
    versions["training code"] = _training_code()
    hardware = {
        "device": torch.cuda.get_device_name(device.name) if device.type == "cuda" else _processor_name(),
        "cores": os.cpu_count() or 1,
        "threads": device.threads,
        "precision": device.precision,
        "system": f"{platform.system()} {platform.machine()}",
    }
    shown_hardware = {**hardware, "type": device.type}
    return {"hash": digest([versions, hardware])[:16], "versions": versions, "hardware": shown_hardware}


def _training_code() -> str:
    """Return eight hex digits that stand for the modules that train, which change within a version in development."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return digest([[file.name, checksum(file)] for file in files])[:8]


def _package_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor_name() -> str:
    """Return the processor's own name, where the system tells it."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
