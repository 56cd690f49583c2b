"""Lion: steps by the sign of a momentum.

A step by the sign of an interpolated momentum, found by a program search.

Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", https://arxiv.org/abs/2302.06675; timm's
implementation. Every weight moves by exactly the learning rate, so the paper's rates are 3 to 10 times smaller than
AdamW's. This space begins ten times lower than AdamW's, and ends where that ends: a small network wants a rate of 0.01.

What differs: the paper pairs it with a decoupled weight decay 3 to 10 times larger than AdamW's. Here the L2 is part
of the common objective and passes through the sign; the decoupled one is 0 unless ``[search.space.lion]`` gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, hookimpl
from harness_plugins._timm import import_timm
from harness_plugins.optimizers import _limits

if TYPE_CHECKING:
    import torch


def build(
    parameters: list[torch.nn.Parameter], beta1: float = 0.9, beta2: float = 0.99, **hyperparameters: Any
) -> torch.optim.Optimizer:
    """Return ``timm.optim.Lion``, whose two betas are searched one by one."""
    import_timm()
    from timm.optim.lion import Lion

    optimizer: torch.optim.Optimizer = Lion(parameters, betas=(beta1, beta2), **hyperparameters)
    return optimizer


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer lion."""
    space = {"lr": Float(1e-5, 1e-1, log=True), "beta1": Float(0.8, 0.98)}
    defaults = {"lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0}
    limits = _limits.limits(*defaults)
    return [
        Optimizer(
            name="lion", build=build, space=space, defaults=defaults, limits=limits, reference="arXiv:2302.06675"
        )
    ]  # fmt: skip
