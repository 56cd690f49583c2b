"""Does full-batch training end at the edge of each optimizer's own stability, as published? Measured by the product's probe.

    python benchmarks/science/edge_of_stability.py [--cases sgd adam ...] [--json FILE]

Cohen et al. 2021 (arXiv:2103.00065) find that full-batch gradient descent sharpens until the largest eigenvalue of the
Hessian is 2 / rate, and that it then stays there; with momentum b, at (2 + 2 b) / rate. Cohen et al. 2022 (arXiv:2207.14484)
find the same of full-batch RMSprop and Adam, where the Hessian is preconditioned; for Adam with beta1 = .9 at 38 / rate.
So the ratio that the probe ``stability`` measures, the rate times that eigenvalue over the limit, must come to 1.

Networks are tanh MLPs on 1,000 digits of scikit-learn with squared error, trained by the harness's own steps. With
cross-entropy the curvature falls again at the end, as published. The optimizer divides by what it keeps at that step.

The exit code is 1 if the mean ratio of the second half of a training is further from 1 than ``NEAR``, or, for a rate that
is too small to be limited in that time, if it is above 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness_plugins.probes import stability
from harness_plugins.probes._curvature.preconditioner import Rule, rule_of
from torch import nn

from harness import Metric, Optimizer, Split, Task
from harness.testing.driving import start
from harness.testing.problems import Problem
from harness.training.parts import Parts

EXAMPLES, WIDTH = 1000, 64
NEAR = 0.03  # of the ratio
LANCZOS = 40


@dataclass(frozen=True)
class Case:
    """A training whose edge is known."""

    optimizer: Any  # a class of torch.optim
    settings: Mapping[str, Any]
    steps: int
    limited: bool = True  # the rate is large enough for the edge to be reached
    options: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "sgd .6": Case(torch.optim.SGD, {"lr": 0.6}, 6000),
    "sgd 1.0": Case(torch.optim.SGD, {"lr": 1.0}, 6000),
    "sgd .05": Case(torch.optim.SGD, {"lr": 0.05}, 2000, limited=False),
    "momentum": Case(torch.optim.SGD, {"lr": 0.4, "momentum": 0.9}, 6000),
    "nesterov": Case(torch.optim.SGD, {"lr": 0.15, "momentum": 0.9, "nesterov": True}, 6000),
    "rmsprop": Case(torch.optim.RMSprop, {"lr": 2e-4, "alpha": 0.999}, 6000),
    "adam": Case(torch.optim.Adam, {"lr": 1e-3, "betas": (0.9, 0.999)}, 8000),
}


def digits() -> Split:
    """Return standardised digits with a target of 10 numbers each, 1 for the right class."""
    from sklearn.datasets import load_digits

    found = load_digits()
    inputs = found.data[:EXAMPLES].astype(np.float32)
    inputs = (inputs - inputs.mean(0)) / np.maximum(inputs.std(0), 1e-3)
    targets = np.eye(10, dtype=np.float32)[found.target[:EXAMPLES]]
    return Split(inputs, targets, tuple(map(str, range(EXAMPLES))))


def squares(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return half the squared distance, the mean over examples."""
    return (outputs - targets).square().sum(1).mean() / 2


def perceptron() -> nn.Module:
    """Return the network."""
    return nn.Sequential(
        nn.Linear(64, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 10)
    )  # fmt: skip


def begin(case: Case) -> Parts:
    """Return the parts of a training whose batch is everything."""
    metric = Metric(lambda predictions, targets: float(((predictions - targets) ** 2).mean()), goal="min")
    task = Task("squares", lambda _: 10, squares, lambda outputs: outputs, {"loss": metric})
    problem = Problem("tanh", perceptron, task, digits(), outputs=10, batch_size=EXAMPLES)
    options = dict(case.settings)
    rate = options.pop("lr")
    offer = Optimizer("own", partial(case.optimizer, **options), {}, {"lr": rate})
    return start(offer, problem)


def own_ratio(parts: Parts, rule: Rule, rate: float) -> float:
    """Return the ratio with what the optimizer itself divides by now."""
    with stability.train_landscape(parts, stability.batches_of(parts)) as loss:
        ends = stability.largest(loss, 1 / rule.divisors(parts.optimizer, parts.model), LANCZOS)
    return rate * ends.largest / rule.limit


def follow(name: str, case: Case) -> dict[str, Any]:
    """Train, and return the ratios at twelve places; print them as they come."""
    parts, rate = begin(case), float(case.settings["lr"])
    rule = rule_of(parts.optimizer)
    assert rule is not None
    rows = parts.ingredients.train
    inputs, targets = rows.inputs, rows.targets
    ratios, begun = [], time.process_time()
    for step in range(1, case.steps + 1):
        loss = parts.step(inputs, targets)
        if step % (case.steps // 12) == 0:
            ratios.append(own_ratio(parts, rule, rate))
            print(f"{name:>9} {step:>6} loss {float(loss):.5f} ratio {ratios[-1]:.3f}", flush=True)
    late = ratios[len(ratios) // 2 :]
    return {
        "limit": rule.limit, "ratios": ratios, "mean": statistics.mean(late), "least": min(late),
        "most": max(late), "loss": float(loss), "seconds": time.process_time() - begun,
        "as published": abs(statistics.mean(late) - 1) <= NEAR if case.limited else max(late) < 1,
    }  # fmt: skip


def main() -> int:
    """Follow the cases, and say which came out as published."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = {name: follow(name, CASES[name]) for name in arguments.cases}
    for name, found in results.items():
        what = "as published" if found["as published"] else "NOT as published"
        between = f"{found['least']:.3f} to {found['most']:.3f}"
        print(
            f"{name:>9}: {found['mean']:.3f} ({between}), limit {found['limit']:.2f}, {found['seconds']:.0f} s: {what}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    return 0 if all(found["as published"] for found in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
