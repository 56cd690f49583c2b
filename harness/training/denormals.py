"""Numbers below the normal range of a float, 1.2e-38 in float32, with which a processor takes many times as long.

A penalty shrinks the weights of a unit that has died towards zero and never to it, so they end there: a head of photos whose
every second weight was denormal took ten times as long. While a network is trained or measured on the CPU, the processor
takes them as zero, as its bf16 units always do. A GPU has them at full speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from harness.plugin.process_settings import flushes_denormals

PARALLEL = 1 << 20  # numbers in a tensor, enough for torch to work on it with all of its threads


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Have this thread take denormal numbers as zero inside, and after it do what it did before."""
    before = flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def start_threads() -> None:
    """Start torch's threads so that they flush denormals for good.

    A thread has the setting with which it was started. Without this call it would depend on what the process did first.
    """
    if torch.get_num_threads() > 1:
        with denormals_flushed():
            torch.ones(PARALLEL).add_(1)
