"""Optimizers that are SGD, and that harm their process once, in the middle of a run; a plugin for ``test_workers``.

All of them train alike, so every arm must get the numbers of ``harmless``, whatever one of them did to its process before.
The harm is done in the process of a worker only, at the sixth step of a run, and once for a name: a file in the folder
$HARMFUL says that it was done. The names in ``ALWAYS`` do it each time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Optimizer, Probe, hookimpl

STEP = 6  # more than a rehearsal has, and behind the first epoch of four steps
GIGABYTES = 3


def _segfault() -> None:
    ctypes.string_at(0)


def _die_as_if_for_memory() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _sleep() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(3600)


def _eat() -> None:
    eaten = []
    for _ in range(GIGABYTES * 64):
        eaten.append(bytearray(os.urandom(1)) * (1 << 24))
        time.sleep(0.01)
    time.sleep(3600)


def _print() -> None:
    for stream in (sys.stdout, sys.__stdout__):
        print("{}\n\x00\xff" * 2000, file=stream, flush=True)
    os.write(1, b"\x00\xff\n" * 2000)


def _start_thread() -> None:
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()


def _set_threads() -> None:
    import torch

    torch.set_num_threads(torch.get_num_threads() + 1)


def _set_seeds() -> None:
    import numpy as np
    import torch

    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


def _set_default_dtype() -> None:
    import torch

    torch.set_default_dtype(torch.float64)


def _close_descriptors() -> None:
    """Close all that this process has open, and leave a thread that does not end with it."""
    threading.Thread(target=time.sleep, args=(3600,)).start()
    os.closerange(3, 4096)


def _close_and_sleep() -> None:
    """Close all that this process has open, and say nothing more."""
    os.closerange(3, 4096)
    time.sleep(3600)


def _kill_parent() -> None:
    os.kill(os.getppid(), signal.SIGKILL)


def _kill_group() -> None:
    os.killpg(0, signal.SIGKILL)


def _double_fork() -> None:
    """Leave a process behind that holds all that this one has open."""
    if not (child := os.fork()):
        if os.fork():
            os._exit(0)
        Path(os.environ["HARMFUL"], "left behind").write_text(str(os.getpid()))
        time.sleep(600)
        os._exit(0)
    os.waitpid(child, 0)
    os._exit(0)  # and die, so that only the end of this process tells the driver


def _interrupt() -> None:
    raise KeyboardInterrupt


HARMS: dict[str, Callable[[], object]] = {
    "segfault": _segfault,
    "exit": lambda: os._exit(0),
    "abort": os.abort,
    "out_of_memory": _die_as_if_for_memory,
    "chdir": lambda: os.chdir("/"),
    "thread": _start_thread,
    "threads": _set_threads,
    "seeds": _set_seeds,
    "dtype": _set_default_dtype,
    "warnings": lambda: warnings.simplefilter("error"),
    "descriptors": _close_descriptors,
    "silence": _close_and_sleep,
    "output": _print,
    "output_closed": lambda: os.closerange(1, 3),
    "group": _kill_group,
    "double_fork": _double_fork,
    "environment": os.environ.clear,
}
ALWAYS: dict[str, Callable[[], object]] = {
    "crashes": _segfault,
    "parent": _kill_parent,
    "sys_exit": lambda: sys.exit(0),
    "interrupt": _interrupt,
    "sleeps": _sleep,
    "eats": _eat,
}


def _do(name: str) -> None:
    """Do the harm of a name, where this is the process of a worker, and it was not done before."""
    folder = os.environ.get("HARMFUL")
    if not folder or os.environ.get("HARMFUL_DRIVER") == str(os.getpid()):
        return
    if name in ALWAYS:
        ALWAYS[name]()
        return
    with contextlib.suppress(FileExistsError):
        Path(folder, name).touch(exist_ok=False)
        HARMS[name]()


def _builder(name: str) -> Callable[..., Any]:
    def build(parameters: Any, lr: float) -> Any:
        import torch

        class Harmful(torch.optim.SGD):
            steps = 0

            def step(self, closure: Any = None) -> Any:
                self.steps += 1
                if self.steps == STEP and name != "harmless":
                    _do(name)
                return super().step(closure)

        return Harmful(parameters, lr=lr)

    return build


def _die(parts: Any) -> dict[str, float]:
    """Measure nothing much; the first time, end the process."""
    with contextlib.suppress(FileExistsError):
        Path(os.environ["HARMFUL"], "probe").touch(exist_ok=False)
        if os.environ.get("HARMFUL_DRIVER") != str(os.getpid()):
            os._exit(3)
    return {"parameters": float(sum(weight.numel() for weight in parts.model.parameters()))}


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer them all."""
    names = ["harmless", *HARMS, *ALWAYS]
    return [Optimizer(name=name, build=_builder(name), space={}, defaults={"lr": 0.05}) for name in names]


@hookimpl
def harness_probes() -> list[Probe]:
    """Offer a probe that ends its process once."""
    return [Probe(name="deadly", measure=_die)]
