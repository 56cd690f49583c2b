"""Adam: momentum with a rate for every weight.

A step by the mean gradient over the root of the mean squared gradient.

Kingma & Ba 2015, arXiv:1412.6980. The common L2 is part of the objective, so it passes through the adaptive
scaling; that is Adam with L2, not AdamW.
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
    """Return ``torch.optim.Adam``, whose two betas are searched one by one."""
    import torch

    return torch.optim.Adam(parameters, betas=(beta1, beta2), **hyperparameters)


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer adam."""
    space = {"lr": Float(1e-4, 1e-1, log=True), "beta1": Float(0.8, 0.98)}
    defaults = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    limits = _limits.limits(*defaults, "amsgrad", "weight_decay")
    return [
        Optimizer(
            name="adam", build=build, space=space, defaults=defaults, limits=limits, reference="arXiv:1412.6980",
            captured={"fused": True, "capturable": True},
        )
    ]  # fmt: skip
