"""SGD with momentum, Nesterov's or Polyak's.

Polyak 1964; Nesterov 1983; in the form of Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html.
PyTorch's differs from the paper: the learning rate multiplies the velocity, not the gradient inside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import Choice, Float, Optimizer, hookimpl
from harness_plugins.optimizers import _limits

if TYPE_CHECKING:
    import torch


def build(parameters: list[torch.nn.Parameter], **hyperparameters: Any) -> torch.optim.Optimizer:
    """Return ``torch.optim.SGD``."""
    import torch

    return torch.optim.SGD(parameters, **hyperparameters)


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer sgd; a momentum of zero is plain SGD, for which Nesterov's form does not exist."""
    space = {
        "lr": Float(1e-3, 1.0, log=True),
        "momentum": Float(0.5, 0.98),
        "nesterov": Choice([False, True]),
    }
    defaults = {"lr": 0.1, "momentum": 0.9, "nesterov": False}
    limits = _limits.limits(*defaults, "dampening", "weight_decay")
    return [
        Optimizer(
            name="sgd", build=build, space=space, defaults=defaults, limits=limits, reference="Sutskever et al. 2013",
            captured={"fused": True},
        )
    ]  # fmt: skip
