"""NAdam: Adam with Nesterov's momentum, which looks one step ahead.

Dozat 2016, "Incorporating Nesterov Momentum into Adam", https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ.
As in the paper, beta1 itself warms up: at step t it is ``beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, hookimpl
from harness_plugins.optimizers import _limits

if TYPE_CHECKING:
    import torch


def build(
    parameters: list[torch.nn.Parameter], beta1: float = 0.9, beta2: float = 0.999, **hyperparameters: Any
) -> torch.optim.Optimizer:
    """Return ``torch.optim.NAdam``, whose two betas are searched one by one."""
    import torch

    return torch.optim.NAdam(parameters, betas=(beta1, beta2), **hyperparameters)


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer nadam, with adam's space."""
    space = {"lr": Float(1e-4, 1e-1, log=True), "beta1": Float(0.8, 0.98)}
    defaults = {"lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "momentum_decay": 4e-3}
    limits = _limits.limits(*defaults, "weight_decay")
    return [
        Optimizer(
            name="nadam", build=build, space=space, defaults=defaults, limits=limits, reference="Dozat 2016",
            captured={"capturable": True},
        )
    ]  # fmt: skip
