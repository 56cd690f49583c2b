"""A cluster of Ray on this machine, in a process of its own: it obeys the lines of its standard input, and ends with it.

    add NAME       starts a node with one core, whose processes have the environment variable NODE=NAME; it may be there
    remove NAME    kills that node, as if its machine had lost its power

It answers each line with one line: the address of the cluster.
"""

from __future__ import annotations

import os
import sys

STORE = 80 * 2**20  # bytes of a node's object store, about the least that Ray takes
# processes that nobody here looks at
QUIET = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}


def main() -> None:
    from ray._private import utils
    from ray.cluster_utils import Cluster

    # as where Ray is installed without its dashboard: a node waits 15 s at most for an agent that has more to import
    utils.get_dashboard_dependency_error = lambda: ImportError("nobody here looks at it")
    cluster, nodes = Cluster(), {}
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # where Ray's own lines go
    for line in sys.stdin:
        what, name = line.split()
        if what == "add" and name not in nodes:
            os.environ["NODE"] = name
            nodes[name] = cluster.add_node(num_cpus=1, object_store_memory=STORE, **QUIET)
        elif what == "remove":
            cluster.remove_node(nodes.pop(name), allow_graceful=False)
        print(cluster.address, file=answers)
    cluster.shutdown()


if __name__ == "__main__":
    main()
