"""A companion for optimizers that take matrices only: these move the matrices, and an AdamW moves everything else.

As in ``muon``, a convolution's kernels ``[O, I, h, w]`` are one matrix ``[O, I*h*w]``, and both halves have one rate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness_plugins.optimizers import muon


def with_companion(class_: Any, **fixed: Any) -> Callable[..., Any]:
    """Return a function that builds ``class_`` for the matrices and AdamW for the rest.

    Its hyperparameters are those of the class; a ``weight_decay`` is of both.
    """
    import torch

    class WithCompanion(torch.optim.Optimizer):
        def __init__(self, parameters: Any, lr: float, weight_decay: float = 0.0, **hyperparameters: Any) -> None:
            super().__init__(parameters, {"lr": lr})
            self.pairs: list[tuple[Any, Any]] = []  # a weight, and its matrix as the class sees it
            of_matrices, of_others = [], []
            for group in self.param_groups:
                pairs = [(p, p.detach().reshape(len(p), -1)) for p in group["params"] if muon.is_matrix(p)]
                of_matrices.append({"params": [matrix for _, matrix in pairs], "lr": group["lr"]})
                others = [p for p in group["params"] if not muon.is_matrix(p)]
                of_others.append({"params": others, "lr": group["lr"]})
                self.pairs += pairs
            settings = {"lr": lr, "weight_decay": weight_decay}
            self.halves: list[torch.optim.Optimizer] = [
                class_(of_matrices, **settings, **fixed, **hyperparameters),
                torch.optim.AdamW(of_others, **settings),
            ]

        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            """Move by one step; the matrices get copies of the gradients, which some classes work in."""
            objective = torch.enable_grad()(closure)() if closure else None
            for half in self.halves:
                for group, inner in zip(self.param_groups, half.param_groups, strict=True):
                    inner["lr"] = group["lr"]
            for weight, matrix in self.pairs:
                matrix.data = weight.detach().reshape(matrix.shape)
                matrix.grad = None if weight.grad is None else weight.grad.reshape(matrix.shape).clone()
            for half in self.halves:
                half.step()
            for weight, matrix in self.pairs:
                if not weight.is_contiguous():
                    weight.copy_(matrix.reshape(weight.shape))
            return objective

        def state_dict(self) -> dict[str, Any]:
            return {**super().state_dict(), "halves": [half.state_dict() for half in self.halves]}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            super().load_state_dict({key: state_dict[key] for key in ("state", "param_groups")})
            for half, state in zip(self.halves, state_dict["halves"], strict=True):
                half.load_state_dict(state)

    return WithCompanion
