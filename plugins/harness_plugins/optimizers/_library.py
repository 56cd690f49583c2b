"""What the catalogues of optimizers share: one searched rate, and betas that a benchmark file can say."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, PluginError

if TYPE_CHECKING:
    import torch


def offer(
    name: str,
    make: Callable[..., torch.optim.Optimizer],
    class_: Any,
    rates: tuple[float, float],
    closure: bool = False,
) -> Optimizer:
    """Return an optimizer whose learning rate is searched between ``rates``, from low to high.

    ``make(parameters, **hyperparameters)`` builds it. All else stays as ``class_`` has it, except that its own weight
    decay is 0: the L2 is part of the common objective.
    """
    known = inspect.signature(class_).parameters
    own = known["lr"].default
    low, high = rates
    inside = isinstance(own, int | float) and low <= own <= high
    defaults: dict[str, Any] = {"lr": float(own) if inside else math.sqrt(low * high)}
    if "weight_decay" in known:
        defaults["weight_decay"] = 0.0

    def build(parameters: list[torch.nn.Parameter], **hyperparameters: Any) -> torch.optim.Optimizer:
        return make(parameters, **_with_betas(hyperparameters, known))

    space = {"lr": Float(low, high, log=True)}
    return Optimizer(name, build, space, defaults, closure=closure, reference=f"{class_.__module__}.{class_.__name__}")


def _with_betas(given: Mapping[str, Any], known: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Return the hyperparameters with ``beta1``, ``beta2``, ... put into the tuple that PyTorch calls ``betas``."""
    said = {name: value for name, value in given.items() if name in ("beta1", "beta2", "beta3") and name not in known}
    rest = {name: value for name, value in given.items() if name not in said}
    if not said:
        return rest
    betas = known["betas"].default if "betas" in known else None
    if not isinstance(betas, tuple) or max(said) > f"beta{len(betas)}":
        raise PluginError(f"must be a hyperparameter it has, got {max(said)}")
    return {**rest, "betas": tuple(said.get(f"beta{i}", beta) for i, beta in enumerate(betas, 1))}
