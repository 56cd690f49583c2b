"""AdamW: Adam with decoupled weight decay.

Adam with its weight decay taken out of the gradient.

Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101.

What differs: here the L2 is part of the common objective, the same for every arm, so the decoupled decay is 0 unless
a benchmark says otherwise, and AdamW at 0 is Adam, to the bit. To compare the two decays, take the common one away
and search this one::

    [train]
    l2 = 0
    [search]
    objective = "free"
    [search.space.adamw]
    weight_decay = { low = 1e-4, high = 1.0, log = true }

PyTorch multiplies the decay by the learning rate; the paper multiplies it by the schedule alone.
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
    """Return ``torch.optim.AdamW``, whose two betas are searched one by one."""
    import torch

    return torch.optim.AdamW(parameters, betas=(beta1, beta2), **hyperparameters)


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer adamw, with adam's space."""
    space = {"lr": Float(1e-4, 1e-1, log=True), "beta1": Float(0.8, 0.98)}
    defaults = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    limits = _limits.limits(*defaults, "amsgrad")
    return [
        Optimizer(
            name="adamw", build=build, space=space, defaults=defaults, limits=limits, reference="arXiv:1711.05101",
            captured={"fused": True, "capturable": True},
        )
    ]  # fmt: skip
