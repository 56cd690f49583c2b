"""How busy the GPU is, and how much of its memory is in use, sampled in a thread."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Busy:
    """Samples of the GPU: when, the share of the time in which a kernel ran, and the memory in use."""

    samples: list[tuple[float, float, float]] = field(default_factory=list)
    problem: str = ""

    def share(self, begins: float, ends: float) -> float | None:
        """Return the mean share between two times, None where nothing was sampled."""
        within = [busy for when, busy, _ in self.samples if begins <= when <= ends]
        return round(sum(within) / len(within) / 100, 3) if within else None

    @property
    def most_memory(self) -> float:
        """GB in use at the most."""
        return round(max((memory for _, _, memory in self.samples), default=0.0), 2)


@contextmanager
def sampled(gpu: bool, every: float = 0.1) -> Iterator[Busy]:
    """Sample the first GPU in a thread until the end of the block."""
    busy, over = Busy(), threading.Event()
    thread = threading.Thread(target=_sample, args=(busy, over, every), daemon=True)
    if gpu:
        thread.start()
    try:
        yield busy
    finally:
        over.set()
        if gpu:
            thread.join(5)


def _sample(busy: Busy, over: threading.Event, every: float) -> None:
    read = _nvml() or _nvidia_smi
    while not over.wait(every):
        try:
            busy.samples.append((time.time(), *read()))
        except Exception as error:
            busy.problem = f"{type(error).__name__}: {error}"[:120]
            if read is _nvidia_smi:
                return
            read = _nvidia_smi


def _nvml() -> Any:
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    except Exception:
        return None

    def read() -> tuple[float, float]:
        rates, memory = pynvml.nvmlDeviceGetUtilizationRates(handle), pynvml.nvmlDeviceGetMemoryInfo(handle)
        return float(rates.gpu), memory.used / 1e9

    return read


def _nvidia_smi() -> tuple[float, float]:
    command = ["nvidia-smi", "-i", "0", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
    busy, memory = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.split(",")
    return float(busy), float(memory) / 1000
