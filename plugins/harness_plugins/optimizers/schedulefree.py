"""Schedule-Free: averaged iterates and no schedule.

Gradients at a point between the iterates and their average, and the average is what is evaluated.

Defazio et al. 2024, "The Road Less Scheduled", https://arxiv.org/abs/2405.15682; the authors' package, ``schedulefree``.
The averaging does what a falling learning rate would, so it is one arm without a schedule. ``schedulefree`` is the
AdamW of the paper, ``schedulefree_sgd`` its SGD, whose rates are 10 to 50 times SGD's.

What differs: the L2 is part of the common objective, so the decoupled decay is 0. ``warmup_steps`` is 0 unless
``[search.space.schedulefree]`` gives it; the paper warms up over the first 5 %. Batch-norm statistics are those that
the training point has made, not the average: the authors advise a pass over the data to renew them, and here is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, hookimpl
from harness_plugins.optimizers import _limits

if TYPE_CHECKING:
    import torch


def build_adamw(
    parameters: Any, beta1: float = 0.9, beta2: float = 0.999, **hyperparameters: Any
) -> torch.optim.Optimizer:
    """Return ``schedulefree.AdamWScheduleFree``, whose two betas are searched one by one."""
    import schedulefree

    optimizer: torch.optim.Optimizer = schedulefree.AdamWScheduleFree(
        parameters, betas=(beta1, beta2), **hyperparameters
    )
    return optimizer


def build_sgd(parameters: Any, **hyperparameters: Any) -> torch.optim.Optimizer:
    """Return ``schedulefree.SGDScheduleFree``."""
    import schedulefree

    optimizer: torch.optim.Optimizer = schedulefree.SGDScheduleFree(parameters, **hyperparameters)
    return optimizer


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer schedulefree and schedulefree_sgd."""
    common: dict[str, Any] = {"switches": True, "scheduled": False, "reference": "arXiv:2405.15682"}
    adamw = {"lr": 2.5e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "warmup_steps": 0}
    sgd = {"lr": 1.0, "momentum": 0.9, "weight_decay": 0.0, "warmup_steps": 0}
    return [
        Optimizer(
            "schedulefree",
            build_adamw,
            {"lr": Float(1e-4, 1e-1, log=True), "beta1": Float(0.8, 0.98)},
            adamw,
            _limits.limits(*adamw),
            known_failures={"keeps_gradients": "its package scales p.grad in place, to save memory"},
            **common,
        ),
        Optimizer(
            "schedulefree_sgd",
            build_sgd,
            {"lr": Float(1e-3, 10.0, log=True), "momentum": Float(0.8, 0.98)},
            sgd,
            _limits.limits(*sgd),
            **common,
        ),
    ]
