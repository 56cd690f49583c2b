"""RMSprop: gradients over their root mean square.

A step by the gradient over the root of the mean squared gradient, with optional momentum.

Hinton 2012, lecture 6e of "Neural networks for machine learning". PyTorch's adds epsilon after the root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, hookimpl
from harness_plugins.optimizers import _limits

if TYPE_CHECKING:
    import torch


def build(parameters: list[torch.nn.Parameter], **hyperparameters: Any) -> torch.optim.Optimizer:
    """Return ``torch.optim.RMSprop``."""
    import torch

    return torch.optim.RMSprop(parameters, **hyperparameters)


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer rmsprop."""
    space = {"lr": Float(1e-5, 1e-1, log=True), "alpha": Float(0.9, 0.999), "momentum": Float(0.0, 0.9)}
    defaults = {"lr": 1e-3, "alpha": 0.99, "momentum": 0.0, "eps": 1e-8}
    limits = _limits.limits(*defaults, "centered", "weight_decay")
    return [
        Optimizer(
            name="rmsprop", build=build, space=space, defaults=defaults, limits=limits, reference="Hinton 2012",
            captured={"capturable": True},
        )
    ]  # fmt: skip
