"""Runs that part later end nearer: the barrier between two children of one network, by the epoch at which they parted.

    python benchmarks/science/fork_epochs.py [--forks 0 1 3 8] [--seeds 3] [--width 16] [--epochs 60]

Published: two copies of a network that see the same examples in another order end apart, with a barrier on the straight line
between them, unless they part after some early epoch; from then on there is none ("stable", Frankle et al. 2020, "Linear Mode
Connectivity and the Lottery Ticket Hypothesis", arXiv:1912.05671, figure 3: LeNet on MNIST is stable from the start or nearly so,
ResNet-20 after 3 % of the training).

Reproduced: that the barrier falls to zero with the epoch of the fork, on scikit-learn's digits with three hidden layers of
ReLU, and that it is small from the start for so small a problem. The figures of the last run stand in docs/connectivity.md.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial

import torch
from _networks import digits, trained
from harness_plugins.backbones import mlp
from harness_plugins.probes import connectivity

SETTINGS = {"lr": 0.05, "momentum": 0.9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forks", type=int, nargs="+", default=[0, 1, 3, 8])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows, build = digits(), partial(mlp.build, (64,), 10, widths=(arguments.width,) * 3)
    child = partial(trained, build, rows, settings=SETTINGS, epochs=arguments.epochs)
    print("mean barrier on the straight line between two children, not aligned: error, loss in nats")
    for fork in arguments.forks:
        found = [
            connectivity.measure(
                *(child(seed=seed, order=order, shared=fork) for order in (100, 200)),
                images=1797,
                bn_images=1797,
                bend_steps=0,
                repair=False,
                orders=1,
            )
            for seed in range(arguments.seeds)
        ]
        error, loss = (statistics.mean(each[f"naive_{kind}"] for each in found) for kind in ("error", "loss"))
        print(f"after {fork} of {arguments.epochs} epochs: {error:.4f}, {loss:.4f}")


if __name__ == "__main__":
    main()
