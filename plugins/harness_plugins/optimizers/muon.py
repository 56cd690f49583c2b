"""Muon: orthogonalised momentum for matrices.

Momentum for matrices, orthogonalised; AdamW for everything else.

Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; ``torch.optim.Muon`` and ``torch.optim.AdamW``. A
convolution's kernels ``[O, I, h, w]`` are one matrix ``[O, I*h*w]``. To AdamW go biases, norms and whatever has one row
or one column: depthwise kernels ``[C, 1, h, w]``, class tokens and position embeddings ``[1, ...]``. The choice is by
shape alone, so the first layer, embeddings and the head are matrices and go to Muon, where the authors use AdamW.

What differs: a step is scaled to AdamW's size, by ``0.2 * sqrt(max(rows, columns))`` (Liu et al. 2025,
arXiv:2502.16982), so that one learning rate serves both halves and the search spends its trials as on adam, on a rate
and a momentum. The L2 is part of the common objective, so the decoupled decay is 0 unless a benchmark says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, hookimpl
from harness_plugins.optimizers import _limits

if TYPE_CHECKING:
    import torch


def is_matrix(weight: torch.Tensor) -> bool:
    """Return whether Muon moves it: two dimensions or more, the first two of them beyond 1."""
    return weight.ndim >= 2 and min(weight.shape[:2]) > 1


def build(
    parameters: Any,
    lr: float = 1e-3,
    momentum: float = 0.95,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return an optimizer of the parameters' own groups, with a Muon and an AdamW inside."""
    import torch

    class Muon(torch.optim.Optimizer):
        def __init__(self) -> None:
            super().__init__(parameters, {"lr": lr})
            self.pairs: list[tuple[torch.Tensor, torch.Tensor]] = []  # a weight, and its matrix as Muon sees it
            matrices, vectors = [], []
            for group in self.param_groups:
                pairs = [(p, p.detach().reshape(len(p), -1)) for p in group["params"] if is_matrix(p)]
                matrices.append({"params": [matrix for _, matrix in pairs], "lr": group["lr"]})
                vectors.append({"params": [p for p in group["params"] if not is_matrix(p)], "lr": group["lr"]})
                self.pairs += pairs
            self.halves: tuple[torch.optim.Optimizer, ...] = (
                torch.optim.Muon(
                    matrices, momentum=momentum, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
                ),
                torch.optim.AdamW(vectors, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay),
            )

        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            """Move by one step; a weight that is no plain row of numbers (channels_last) is copied out and back."""
            objective = torch.enable_grad()(closure)() if closure else None
            for half in self.halves:
                for group, inner in zip(self.param_groups, half.param_groups, strict=True):
                    inner["lr"] = group["lr"]
            for weight, matrix in self.pairs:
                matrix.data = weight.detach().reshape(matrix.shape)
                matrix.grad = None if weight.grad is None else weight.grad.reshape(matrix.shape)
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

    return Muon()


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer muon."""
    space = {"lr": Float(1e-4, 1e-1, log=True), "momentum": Float(0.8, 0.98)}
    defaults = {"lr": 1e-3, "momentum": 0.95, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    limits = _limits.limits(*defaults)
    return [
        Optimizer(
            name="muon", build=build, space=space, defaults=defaults, limits=limits, reference="Jordan et al. 2024"
        )
    ]  # fmt: skip
