"""What a plugin may leave behind in a process beyond the settings that are put back: closed descriptors, and threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DESCRIPTORS = Path("/proc/self/fd")  # of Linux; elsewhere descriptors are not looked at


@dataclass(frozen=True)
class Process:
    """A process at one moment."""

    descriptors: Mapping[int, str]  # open ones, and what they lead to
    threads: frozenset[int]  # of Python


def process_now() -> Process:
    """Return what this process has open."""
    descriptors = {}
    for link in DESCRIPTORS.iterdir() if DESCRIPTORS.is_dir() else ():
        with suppress(OSError):  # the one that lists them is closed by now
            descriptors[int(link.name)] = str(link.readlink())
    return Process(descriptors, frozenset(thread.ident or 0 for thread in threading.enumerate()))


def changes_since(before: Process) -> str:
    """Return in words what is not as it was, so that this process should carry out nothing more; "" where all is.

    A descriptor that was closed or leads elsewhere counts, and so does a thread that still runs. New descriptors do not:
    libraries keep files open for good reasons.
    """
    now = process_now()
    lost = [number for number, target in before.descriptors.items() if now.descriptors.get(number) != target]
    if lost:
        return f"file descriptors that were open before were closed ({', '.join(map(str, lost[:4]))})"
    if now.threads - before.threads:
        return "a thread was left running"
    return ""
