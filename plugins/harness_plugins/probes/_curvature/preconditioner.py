"""What an optimizer makes of a slope near a minimum: what it divides each component by, and how long a step may be.

Near a minimum with the Hessian H, an optimizer that divides the gradient by P and has the rate eta comes to rest only if
eta times the largest eigenvalue of P^-1 H is below a limit, which depends on its momentum:

- gradient descent: 2; with momentum b ``2 (1 + b)``, with Nesterov's ``2 (1 + b) / (1 + 2 b)``; there P = 1;
- RMSprop: 2, with momentum b ``2 (1 + b)``; P is the root of the mean squared gradient;
- Adam: ``2 (1 + b) / (1 - b)`` with b = beta1, which is 38 for .9; P as RMSprop's.

Sources: Cohen et al. 2021, "Gradient descent on neural networks typically occurs at the edge of stability",
arXiv:2103.00065; Cohen et al. 2022, "Adaptive gradient methods at the edge of stability", arXiv:2207.14484.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

SMALLEST = 1e-30  # of what is divided by: an eps of 0 and a gradient that is always 0


@dataclass(frozen=True)
class Rule:
    """How an optimizer steps near a minimum."""

    limit: float  # of the rate times the largest eigenvalue of P^-1 H
    divides: bool = False  # by the root of the mean squared gradient, plus ``eps``; else by nothing
    eps: float = 0.0
    centred: bool = False  # the square of the mean gradient is taken off first

    def divisors(self, optimizer: torch.optim.Optimizer, network: torch.nn.Module) -> torch.Tensor:
        """Return P ``[d]`` as the optimizer of a network divides by it now; infinite for a weight that it has not moved."""
        weights = list(network.parameters())
        if not self.divides:
            return torch.cat([torch.ones_like(weight.detach()).reshape(-1) for weight in weights])
        states = {id(weight): optimizer.state.get(weight) for weight in weights}
        beta = optimizer.param_groups[0].get("betas", (0.0, 0.0))[1]
        return torch.cat(list(self._divisors(weights, states, beta)))

    def _divisors(
        self, weights: list[torch.nn.Parameter], states: dict[int, Any], beta: float
    ) -> Iterator[torch.Tensor]:
        for weight in weights:
            state = states[id(weight)]
            if not state:
                yield torch.full_like(weight.detach().reshape(-1), torch.inf)
                continue
            if "exp_avg_sq" in state:
                square = state["exp_avg_sq"] / (1 - beta ** float(state["step"]))
            else:
                square = state["square_avg"]
            square = square - state["grad_avg"] ** 2 if self.centred else square
            yield (square.clamp_min(0).sqrt() + self.eps).clamp_min(SMALLEST).reshape(-1)


def rule_of(optimizer: torch.optim.Optimizer) -> Rule | None:
    """Return the rule of torch's SGD, RMSprop, Adam or AdamW; None of any other, and where the rule is not known.

    It is not with a weight decay of the optimizer's own, nor for AMSGrad, which divides by the largest mean there ever was.
    """
    group = optimizer.param_groups[0]
    if group.get("weight_decay") or group.get("amsgrad") or group.get("dampening") == 1:
        return None
    if type(optimizer) is torch.optim.SGD:
        beta = group["momentum"]
        if group["nesterov"]:
            return Rule(2 * (1 + beta) / (1 + 2 * beta))
        return Rule(2 * (1 + beta) / (1 - group["dampening"]) if beta else 2.0)
    if type(optimizer) is torch.optim.RMSprop:
        return Rule(2 * (1 + group["momentum"]), divides=True, eps=group["eps"], centred=group["centered"])
    if type(optimizer) in (torch.optim.Adam, torch.optim.AdamW):
        beta = float(group["betas"][0])
        return Rule(2 * (1 + beta) / (1 - beta), divides=True, eps=group["eps"])
    return None
