"""Workers on this machine: a process for each core that this process may use, with one thread each."""

from __future__ import annotations

import sys

from harness import Executor, PluginError, Processes, Workbench, WorkerPool, hookimpl, usable_cores


def build(workbench: Workbench) -> WorkerPool:
    """Return a pool of worker processes."""
    staffing = workbench.staffing
    workers = staffing.workers or max(1, usable_cores() // staffing.threads)
    threads = {"OMP_NUM_THREADS": str(staffing.threads)}
    return WorkerPool(Processes(workbench.opening(), threads), workbench, workers)


def check() -> None:
    """Raise PluginError where processes cannot inherit open files."""
    if sys.platform == "win32":
        raise PluginError('it needs Linux or macOS; use executor = "inprocess"')


@hookimpl
def harness_executors() -> list[Executor]:
    """Offer local."""
    return [Executor(name="local", build=build, check=check, threads=1)]
