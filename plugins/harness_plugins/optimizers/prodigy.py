"""Prodigy: Adam that finds its learning rate by itself, from how far the weights have come.

Mishchenko & Defazio 2023, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner",
https://arxiv.org/abs/2306.06101; the authors' package, ``prodigyopt``. It estimates the distance from the start to a
minimum and multiplies every step by it. So ``lr`` stays 1, as the paper says, and is not searched: only beta1 is, as
adam's. A schedule still works: it multiplies that 1. ``d_coef``, the package's own knob, stays 1; to search it is
to search a learning rate, and ``[search.space.prodigy]`` can.

What differs from the package's defaults: ``safeguard_warmup``, as it advises where the schedule warms up. One estimate
serves all weights, so a group's own learning rate must be the others' or 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, PluginError, hookimpl
from harness_plugins.optimizers import _limits

if TYPE_CHECKING:
    import torch


def build(
    parameters: Any, beta1: float = 0.9, beta2: float = 0.999, weight_decay: float = 0.0, **hyperparameters: Any
) -> torch.optim.Optimizer:
    """Return ``prodigyopt.Prodigy``."""
    import prodigyopt

    optimizer: torch.optim.Optimizer = prodigyopt.Prodigy(parameters, betas=(beta1, beta2), **hyperparameters)
    rates = sorted({group["lr"] for group in optimizer.param_groups} - {0.0})
    if len(rates) > 1:
        raise PluginError(f"prodigy must have one learning rate for all layers, got {rates}; use layer_factor = 1")
    for group in optimizer.param_groups:
        group["weight_decay"] = weight_decay  # not above, where it prints that it decays
    return optimizer


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer prodigy."""
    defaults = {
        "lr": 1.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "d0": 1e-6, "d_coef": 1.0, "weight_decay": 0.0,
        "safeguard_warmup": True,
    }  # fmt: skip
    one_estimate = "its one estimate is made from all weights that move, and every lr must be the same, or 0"
    return [
        Optimizer(
            name="prodigy",
            build=build,
            space={"beta1": Float(0.8, 0.98)},
            defaults=defaults,
            limits=_limits.limits(*defaults),
            known_failures={"several_groups": one_estimate},
            reference="arXiv:2306.06101",
        )
    ]
