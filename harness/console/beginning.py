"""When this command began: the operating system knows it, and it is before the first import."""

from __future__ import annotations

import os
import time
from pathlib import Path

_moment: list[float] = []  # the reading of ``time.monotonic`` when the process began, once it is noted


def note_start() -> None:
    """Note when this process began; only a process that does nothing but the command may call it."""
    _moment[:] = [time.monotonic() - _seconds_of_process()]


def command_began() -> float:
    """Return the reading of ``time.monotonic`` when the command began; now, where that was not noted."""
    return _moment[0] if _moment else time.monotonic()


def _seconds_of_process() -> float:
    """Return how long this process exists, in seconds; 0 where the system does not say it."""
    try:
        after_name = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        started = int(after_name[19]) / os.sysconf("SC_CLK_TCK")  # seconds since the machine began
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
