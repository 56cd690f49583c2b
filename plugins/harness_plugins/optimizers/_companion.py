"""A companion for optimizers that take matrices only: these move the matrices, and an AdamW moves everything else.

It is ``muon`` with another class in the place of Muon, so both halves have one rate, and a convolution's kernels
``[O, I, h, w]`` are one matrix ``[O, I*h*w]``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness_plugins.optimizers import muon

if TYPE_CHECKING:
    import torch


def with_companion(class_: Any, **fixed: Any) -> Callable[..., Any]:
    """Return a function that builds ``class_`` for the matrices and AdamW for the rest.

    Its hyperparameters are those of the class; a ``weight_decay`` is of both.
    """

    def build(parameters: Any, lr: float, weight_decay: float = 0.0, **hyperparameters: Any) -> torch.optim.Optimizer:
        combined: Any = muon.build(parameters, lr=lr, weight_decay=weight_decay)
        of_muon, adamw = combined.halves
        groups = [{"params": group["params"], "lr": group["lr"]} for group in of_muon.param_groups]
        matrices = class_(groups, lr=lr, weight_decay=weight_decay, **fixed, **hyperparameters)
        matrices.register_step_pre_hook(_copy_gradients)
        combined.halves = (matrices, adamw)
        return combined  # type: ignore[no-any-return]

    return build


def _copy_gradients(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Give the matrices copies of the gradients, which some classes work in."""
    for group in optimizer.param_groups:
        for matrix in group["params"]:
            matrix.grad = None if matrix.grad is None else matrix.grad.clone()
