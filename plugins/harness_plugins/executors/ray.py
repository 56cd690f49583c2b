"""Workers on the machines of a cluster, by Ray: it places them, moves what is sent, and says when one is lost.

    [train]
    executor = "ray"
    executor_options = { address = "auto", gpus = 0.5 }

Each worker has a seat: an actor of Ray, which reserves the cores and the part of a GPU that the worker needs. On its machine
the seat starts the worker's process, as the executor `local` starts it, and passes messages on. docs/cluster.md says how to
use it.
"""

from __future__ import annotations

from harness import Executor, Float, Workbench, WorkerPool, hookimpl, numbers
from harness_plugins.executors._ray.connection import check_installed, check_reachable, connect
from harness_plugins.executors.local import MOST_IN_CREW

OPTIONS = {
    "address": "",  # of the cluster: "auto", HOST:PORT or ray://HOST:PORT; "" starts a Ray on this machine for the run
    "cpus": 0.0,  # cores that a worker reserves; 0 for as many as a run has threads
    "gpus": 0.0,  # GPUs that a worker reserves; 0 for one where the driver trains on a GPU, and none elsewhere
}


def build(workbench: Workbench, address: str, cpus: float, gpus: float) -> WorkerPool:
    """Return a pool of workers on the machines of a cluster."""
    from harness_plugins.executors._ray.cluster import Cluster

    staffing = workbench.staffing
    owned = connect(address)
    cpus = cpus or float(staffing.threads)
    gpus = gpus or float(staffing.gpus > 0)
    cluster = Cluster(workbench, cpus, gpus, owned)
    workers, machines = cluster.workers(), cluster.machines()
    line = f"ray: {numbers.counted(workers, 'worker')} on {numbers.counted(machines, 'machine')}"
    line = "" if gpus else line  # how large crews are is chosen first, and then said
    places, choose = (staffing.crew or MOST_IN_CREW, not staffing.crew) if gpus else (1, False)
    return WorkerPool(cluster, workbench, cluster.workers, places, choose, line, cluster.place)


def check(address: str, cpus: float, gpus: float) -> None:
    """Raise PluginError where Ray is not installed, or where no cluster answers at the address."""
    check_installed()
    if address:
        check_reachable(address)


@hookimpl
def harness_executors() -> list[Executor]:
    """Offer ray."""
    limits = {"cpus": Float(0, 4096), "gpus": Float(0, 64)}
    return [Executor(name="ray", build=build, check=check, threads=1, options=OPTIONS, limits=limits)]
