"""Workers on this machine: processes with one thread each on its cores, or one process a GPU with a crew of runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness import Executor, PluginError, Workbench, hookimpl

if TYPE_CHECKING:
    from harness import WorkerPool

PROCESSES_ON_A_GPU = 1  # more are faster for the smallest networks only, and each needs the memory of a crew
MOST_IN_CREW = 16  # runs; more than that have not been seen to raise the throughput of any GPU


def build(workbench: Workbench) -> WorkerPool:
    """Return a pool of worker processes."""
    from harness import Processes, WorkerPool, usable_cores

    staffing = workbench.staffing
    threads = {"OMP_NUM_THREADS": str(staffing.threads)}
    processes = Processes(workbench.opening(), threads, gpus=staffing.gpus)
    if staffing.gpus:
        workers = staffing.workers or staffing.gpus * PROCESSES_ON_A_GPU
        return WorkerPool(processes, workbench, workers, staffing.crew or MOST_IN_CREW, choose=not staffing.crew)
    workers = staffing.workers or max(1, usable_cores() // staffing.threads)
    return WorkerPool(processes, workbench, workers, choose=not staffing.workers)


def check() -> None:
    """Raise PluginError where processes cannot inherit open files."""
    if sys.platform == "win32":
        raise PluginError('it needs Linux or macOS; use executor = "inprocess"')


@hookimpl
def harness_executors() -> list[Executor]:
    """Offer local."""
    return [Executor(name="local", build=build, check=check, threads=1)]
