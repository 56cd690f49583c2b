"""newcomer: the heavy ball, a place to start from.

Polyak 1964, doi:10.1016/0041-5553(64)90137-5. As in the paper, and unlike torch.optim.SGD, the learning rate multiplies
the gradient inside the velocity, so a falling rate leaves the velocity as it is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.optimizer import ParamsT

from harness import Float, Optimizer, hookimpl


class Newcomer(torch.optim.Optimizer):
    """A step keeps a part of the step before: ``v = momentum * v - lr * gradient``, then ``p = p + v``."""

    def __init__(self, parameters: ParamsT, lr: float = 0.1, momentum: float = 0.9) -> None:
        """Take parameters, or groups of them with hyperparameters of their own; raises ValueError for bad ones."""
        if lr < 0 or not 0 <= momentum < 1:
            raise ValueError(f"lr must be >= 0 and momentum in [0, 1), got {lr} and {momentum}")
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move every parameter that has a gradient; no closure is given unless the offer says ``closure=True``."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["velocity"] = torch.zeros_like(p)
                state["velocity"].mul_(group["momentum"]).sub_(p.grad, alpha=group["lr"])
                p.add_(state["velocity"])


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer newcomer; the search chooses from ``space``, ``defaults`` stand for the rest."""
    return [
        Optimizer(
            name="newcomer",
            build=Newcomer,
            space={"lr": Float(1e-3, 1.0, log=True), "momentum": Float(0.5, 0.98)},
            defaults={"lr": 0.1, "momentum": 0.9},
            reference="doi:10.1016/0041-5553(64)90137-5",
        )
    ]
