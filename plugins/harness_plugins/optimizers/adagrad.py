"""Adagrad: rates that fall with all past gradients.

A step by the gradient over the root of the sum of all squared gradients so far.

Duchi, Hazan & Singer 2011, https://jmlr.org/papers/v12/duchi11a.html. The diagonal form, as everywhere in deep
learning. The sum only grows, so the rate falls by itself, on top of what the schedule does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, hookimpl
from harness_plugins.optimizers import _limits

if TYPE_CHECKING:
    import torch


def build(parameters: list[torch.nn.Parameter], **hyperparameters: Any) -> torch.optim.Optimizer:
    """Return ``torch.optim.Adagrad``."""
    import torch

    return torch.optim.Adagrad(parameters, **hyperparameters)


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer adagrad; it has no momentum to search."""
    space = {"lr": Float(1e-3, 1.0, log=True)}
    defaults = {"lr": 1e-2, "eps": 1e-10, "initial_accumulator_value": 0.0}
    limits = _limits.limits(*defaults, "lr_decay", "weight_decay")
    return [
        Optimizer(
            name="adagrad", build=build, space=space, defaults=defaults, limits=limits, reference="Duchi et al. 2011"
        )
    ]  # fmt: skip
