"""A workbench for tests of workers: its runs train nothing, and do to their process what their recipe says.

Worker processes import it by this file's folder, so it is on their path alone and is called ``rig`` there.
"""

import ctypes
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from harness import Arm, Done, Epoch, Measured, PluginError, Run, Staffing, State
from harness.training import loop
from harness.training.pauses import GLANCE

HERE = str(Path(__file__).parent)


def run_of(name, epochs=3, **what):
    """A run that does something to its process at the end of an epoch: what="segfault", at=2, once=FILE."""
    return Run(
        phase="search", arm=Arm("none", name, "none"), optimizer=what, scheduler={}, epochs=epochs, batch_size=1, l2=0.0,
        augment=(), precision="fp32", task="none", init_seed=1, order_seed=1, data="0", plugins={},
    )  # fmt: skip


def do(what):
    if what == "segfault":
        ctypes.string_at(0)
    elif what == "exit":
        os._exit(3)
    elif what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "raise":
        raise MemoryError("too large")
    elif what == "little room":
        resource.setrlimit(resource.RLIMIT_AS, (2**31, resource.RLIM_INFINITY))
        bytearray(2**33)
    elif what == "greedy":
        kept = bytearray(os.urandom(2**20) * 900)
        time.sleep(600)
        del kept
    elif what == "close":
        os.closerange(3, 4096)
    elif what == "close one":
        os.close(0)
    elif what == "print":
        print("hello from a plugin")
    elif what == "chdir":
        os.chdir("/")
    elif what == "thread":
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    elif what == "sleep":
        time.sleep(600)


class Parts:
    """What the training loop moves: nothing."""

    turn = SimpleNamespace(of=lambda items: items)

    def __init__(self, run):
        self.run = run

    def resume(self, state, epochs):
        first = state.plain["epoch"] + 1 if state else 1
        yield from range(first, epochs + 1)

    def steps(self, epoch):
        if self.run.optimizer.get("what") == "long" and epoch == 2:
            for _ in range(6000):  # ten minutes
                time.sleep(0.1)
                yield GLANCE

    def record(self, epoch):
        what = self.run.optimizer
        if epoch == what.get("at", 1) and "what" in what:
            once = what.get("once")
            if not once or not Path(once).exists():
                if once:
                    Path(once).touch()
                do(what["what"])
        metrics = {"tune_accuracy": epoch / 10, "process": float(os.getpid())}
        yield Epoch(epoch, epoch, 0.1 * epoch, 0.1, metrics, lambda: State({}, {"epoch": epoch}))

    def release(self):
        pass

    def done(self):
        return Done({"tune_accuracy": self.run.epochs / 10, "process": float(os.getpid())})


@dataclass
class Rig:
    """The workbench, in the driver and in the workers."""

    staffing: Staffing = field(default_factory=Staffing)
    state: object = None

    def parts(self, run):
        return Parts(run)

    def measure(self, measurement):
        if measurement.probe == "unable":
            raise PluginError("probe 'unable': it cannot")
        do(measurement.probe)
        return Measured({"runs": float(len(measurement.runs))})

    def opening(self):
        return Opening((HERE, *sys.path))

    def solution_file(self, run_id):
        return run_id


@dataclass(frozen=True)
class Opening:
    """What opens the rig in a worker; every epoch's state is saved."""

    sys_path: tuple

    def with_arrays(self, change):
        return self

    def open(self, state, solution):
        loop.SAVE_EVERY = 0.0
        return Rig(state=state)
