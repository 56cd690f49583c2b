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

from dataclasses import dataclass

import torch

SMALLEST = 1e-30  # of what is divided by: an eps of 0 and a gradient that is always 0


@dataclass(frozen=True)
class Rule:
    """How an optimizer steps near a minimum."""

    limit: float  # of the rate times the largest eigenvalue of P^-1 H
    divides: bool = False  # by the root of the mean squared gradient, plus ``eps``; else by nothing
    eps: float = 0.0
    centred: bool = False  # the square of the mean gradient is taken off first

    def divisors(self, mean: torch.Tensor, mean_square: torch.Tensor) -> torch.Tensor:
        """Return P ``[d]``, from the mean gradient ``[d]`` and the mean squared one ``[d]`` over steps."""
        if not self.divides:
            return torch.ones_like(mean)
        variance = mean_square - mean**2 if self.centred else mean_square
        return (variance.clamp_min(0).sqrt() + self.eps).clamp_min(SMALLEST)


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


@torch.no_grad()
def make_unbiased(optimizer: torch.optim.Optimizer, steps: int) -> None:
    """Correct the means that RMSprop keeps for having begun at zero so many steps ago; Adam does so itself.

    Without it a new RMSprop divides by too little for as long as its means remember.
    """
    for group in optimizer.param_groups if isinstance(optimizer, torch.optim.RMSprop) else ():
        for weight in group["params"]:
            for name in {"square_avg", "grad_avg"} & optimizer.state[weight].keys():
                optimizer.state[weight][name] /= 1 - group["alpha"] ** steps


@dataclass
class Moments:
    """The means over steps of a gradient ``[d]`` and of its square ``[d]``."""

    mean: torch.Tensor
    mean_square: torch.Tensor
    count: int = 0

    def add(self, gradient: torch.Tensor) -> None:
        """Count one more gradient ``[d]``."""
        self.count += 1
        self.mean += (gradient - self.mean) / self.count
        self.mean_square += (gradient**2 - self.mean_square) / self.count
