"""The aligned barrier falls with the width: Git Re-Basin's and Entezari's trend, with the harness's own probe.

    python benchmarks/science/rebasin_by_width.py [--widths 8 32 128 512] [--pairs 3] [--optimizers sgd adam]

Published: between two networks that were trained apart the barrier of the error stays high on the straight line, falls when
units are permuted first, and goes to zero with the width (Entezari et al. 2022, arXiv:2110.06296, figures 2 and 5; Ainsworth et
al. 2022, arXiv:2209.04836, figure 2, MNIST and CIFAR-10); REPAIR lowers it further (Jordan et al. 2022, arXiv:2211.08403).

Reproduced: the trend, on scikit-learn's digits with three hidden layers of ReLU; not the published numbers, which are of other
data and networks. The figures of the last run stand in docs/connectivity.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from itertools import combinations, islice

import torch
from _networks import digits, trained
from harness_plugins.backbones import mlp
from harness_plugins.probes import connectivity

SETTINGS = {"sgd": {"lr": 0.05, "momentum": 0.9}, "adam": {"lr": 1e-3}}
KINDS = ("naive", "aligned", "repaired", "path")
EPOCHS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 32, 128, 512])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--optimizers", nargs="+", default=["sgd"], choices=list(SETTINGS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = digits()
    print("mean barrier of the train error; in brackets of the loss, in nats")
    for name in arguments.optimizers:
        for width in arguments.widths:
            start = time.process_time()
            build = partial(mlp.build, (64,), 10, widths=(width,) * 3)
            networks = [
                trained(build, rows, optimizer=name, settings=SETTINGS[name], epochs=EPOCHS, seed=seed)
                for seed in range(3)
            ]
            pairs = islice(combinations(networks, 2), arguments.pairs)
            found = [connectivity.measure(*pair, images=1797, bn_images=1797) for pair in pairs]
            columns = [
                f"{kind} {statistics.mean(each[f'{kind}_error'] for each in found):.4f} "
                f"({statistics.mean(each[f'{kind}_loss'] for each in found):.3f})"
                for kind in KINDS
            ]
            error = 1 - networks[0].evaluate(networks[0].ingredients.train, "train")["train_accuracy"]
            print(
                f"{name}, width {width}, train error {error:.4f}: {', '.join(columns)} [{time.process_time() - start:.0f} s]"
            )


if __name__ == "__main__":
    main()
