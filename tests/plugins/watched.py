"""An optimizer that can be watched: it writes down every step that it takes on a node of a cluster, and can be held there.

It is SGD, except that a rate above ``TOO_FAST`` fails. On the node that the file ``hold`` names it stops in the middle of its
second epoch, and waits for its end. On the node "head" it then waits until a node that has joined meanwhile has taken a
step. Elsewhere it does nothing else.
"""

import os
import time
from pathlib import Path

import torch

from harness import Float, Optimizer, hookimpl

HELD_AT = 6  # of the process's own steps: the second one of an epoch
NETWORK = 5000  # weights; a network has more
LONGEST = 3600  # seconds to wait for a node that joins, so that a test ends
TOO_FAST = 0.03


class Watched(torch.optim.SGD):
    taken = 0  # steps of this process

    def step(self, closure=None):
        weights = sum(weight.numel() for group in self.param_groups for weight in group["params"])
        watched = weights > NETWORK  # else its operations are counted, on a few small tensors
        if watched and self.defaults["lr"] > TOO_FAST:
            raise RuntimeError("this rate is to fail")
        loss = super().step(closure)
        if watched and "NODE" in os.environ:
            watch(os.environ["NODE"], Path(os.environ["WATCHED"]))
        return loss


def watch(node, folder):
    Watched.taken += 1
    with (folder / "steps").open("a") as out:
        out.write(f"{node} {os.getpid()}\n")
    if node == "late":
        (folder / "late").touch()
    if node == (folder / "hold").read_text() and Watched.taken == HELD_AT:
        (folder / "held").touch()
        time.sleep(LONGEST)
    if node == "head":
        until = time.monotonic() + LONGEST
        while (folder / "held").exists() and not (folder / "late").exists() and time.monotonic() < until:
            time.sleep(0.05)


def build(params, lr):
    return Watched(params, lr=lr)


@hookimpl
def harness_optimizers():
    """Offer watched."""
    return [Optimizer(name="watched", build=build, space={"lr": Float(1e-3, 1e-1, log=True)}, defaults={"lr": 0.01})]
