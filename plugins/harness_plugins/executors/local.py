"""Workers on this machine: processes with one thread each on its cores, or one process a GPU with a crew of runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness import Executor, PluginError, Workbench, hookimpl

if TYPE_CHECKING:
    from harness import Staffing, WorkerPool

PROCESSES_ON_A_GPU = 1  # more are faster for the smallest networks only, and each needs the memory of a crew
MOST_IN_CREW = 16  # runs; more than that have not been seen to raise the throughput of any GPU
MOST_ON_A_GPU = 8  # processes while late probes measure
MEMORY = 4.0  # 10^9 bytes, of the GPU and of the machine, for each process that measures


def build(workbench: Workbench) -> WorkerPool:
    """Return a pool of worker processes."""
    from harness import Processes, WorkerPool, usable_cores

    staffing = workbench.staffing
    threads = {"OMP_NUM_THREADS": str(staffing.threads)}
    processes = Processes(workbench.opening(), threads, gpus=staffing.gpus)
    if staffing.gpus:
        workers = staffing.workers or staffing.gpus * PROCESSES_ON_A_GPU
        measuring = 0 if staffing.workers else staffing.gpus * measuring_workers(staffing, usable_cores())
        crew = staffing.crew or MOST_IN_CREW
        return WorkerPool(processes, workbench, workers, crew, choose=not staffing.crew, measuring=measuring)
    workers = staffing.workers or max(1, usable_cores() // staffing.threads)
    return WorkerPool(processes, workbench, workers, choose=not staffing.workers)


def measuring_workers(staffing: Staffing, cores: int) -> int:
    """Return how many workers more than those that train can measure on each GPU.

    >>> from harness import Staffing
    >>> measuring_workers(Staffing(gpus=1, gpu_memory=24.0, memory=64.0), cores=16)
    5
    >>> measuring_workers(Staffing(gpus=1, gpu_memory=8.0, memory=16.0), cores=4)
    1
    """
    share = min(cores, staffing.memory / MEMORY) / staffing.gpus
    return max(0, int(min(share, staffing.gpu_memory / MEMORY, MOST_ON_A_GPU)) - PROCESSES_ON_A_GPU)


def check() -> None:
    """Raise PluginError where processes cannot inherit open files."""
    if sys.platform == "win32":
        raise PluginError('it needs Linux or macOS; use executor = "inprocess"')


@hookimpl
def harness_executors() -> list[Executor]:
    """Offer local."""
    return [Executor(name="local", build=build, check=check, threads=1)]
