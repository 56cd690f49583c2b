"""What the libraries of optimizers share: one searched rate, betas that a file can say, states that can be saved."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from itertools import chain
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, PluginError
from harness_plugins.optimizers import _limits

if TYPE_CHECKING:
    import torch

OWN_DECAYS = ("weight_decay", "weight_decay_1d", "lambd")  # the last one is ASGD's


def optimizer_classes(library: ModuleType) -> dict[str, Any]:
    """Return the classes of optimizers that a library has, by name."""
    import torch

    base = torch.optim.Optimizer
    classes = {name: value for name, value in vars(library).items() if isinstance(value, type)}
    return {name: class_ for name, class_ in classes.items() if issubclass(class_, base) and class_ is not base}


def offer(
    name: str,
    make: Callable[..., torch.optim.Optimizer],
    class_: Any,
    rates: tuple[float, float] | None,
    **capabilities: Any,
) -> Optimizer:
    """Return an optimizer whose learning rate is searched between ``rates``, from low to high; for None it is not.

    ``make(parameters, **hyperparameters)`` builds it. All else stays as ``class_`` has it, except that its own weight
    decays are 0: the L2 is part of the common objective. ``capabilities`` are what its value declares.
    """
    takes = inspect.signature(class_).parameters
    defaults: dict[str, Any] = {name: 0.0 for name in OWN_DECAYS if name in takes}
    space, library_lr = {}, takes["lr"].default
    if rates is None:
        defaults["lr"] = float(library_lr)
    else:
        low, high = rates
        inside = isinstance(library_lr, int | float) and low <= library_lr <= high
        defaults["lr"] = float(library_lr) if inside else math.sqrt(low * high)
        space["lr"] = Float(low, high, log=True)

    def build(parameters: list[torch.nn.Parameter], **hyperparameters: Any) -> torch.optim.Optimizer:
        return make(parameters, **_with_betas(hyperparameters, takes))

    reference = f"{class_.__module__}.{class_.__name__}"
    limits = _limits.limits_of(takes)
    return Optimizer(name, build, space, defaults, limits, reference=reference, **capabilities)


def lbfgs(parameters: Any, **hyperparameters: Any) -> torch.optim.Optimizer:
    """Return ``torch.optim.LBFGS`` that takes weights in the channels_last layout too, which images have on a GPU.

    At a rate of 0, by which its line search would divide, it stands still.
    """
    import torch

    class LBFGS(torch.optim.LBFGS):
        def _gather_flat_grad(self) -> torch.Tensor:  # PyTorch's says view(-1), which only contiguous weights allow
            weights: list[torch.Tensor] = self._params
            return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in weights])

        def step(self, closure: Any = None) -> Any:
            if self.param_groups[0]["lr"]:
                return super().step(closure)  # type: ignore[no-untyped-call]
            return torch.enable_grad()(closure)()

    return LBFGS(parameters, **hyperparameters)


def seeded(class_: Any) -> Any:
    """Return a class that draws random numbers, with each step's seeded by its number, so that a run can go on.

    The draws of everything else, dropout's above all, stay what they would be without it.
    """
    import torch

    class Seeded(class_):  # type: ignore[misc]
        steps = 0

        def step(self, closure: Any = None) -> Any:
            device = self.param_groups[0]["params"][0].device
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                torch.manual_seed(self.steps)
                self.steps += 1
                return super().step(closure)

        def state_dict(self) -> dict[str, Any]:
            return {**super().state_dict(), "steps": self.steps}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            super().load_state_dict(state_dict)
            self.steps = state_dict["steps"]

    return Seeded


def flat(class_: Any) -> Any:
    """Return a class that sees weights as flat vectors, for weights of any layout: they are made contiguous."""

    class Flat(class_):  # type: ignore[misc]
        def __init__(self, parameters: Any, **hyperparameters: Any) -> None:
            super().__init__(parameters, **hyperparameters)
            self.flatten()

        def step(self, closure: Any = None) -> Any:
            self.flatten()
            return super().step(closure)

        def flatten(self) -> None:
            for weight in chain(*(group["params"] for group in self.param_groups)):
                if not weight.is_contiguous():
                    gradient, weight.grad = weight.grad, None
                    weight.data = weight.data.contiguous()
                    weight.grad = None if gradient is None else gradient.contiguous()

    return Flat


def settled(class_: Any) -> Any:
    """Return a class whose state has the memory layout that it has after loading; the rounding of products depends on it."""
    import torch

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(element) for element in value]
        return value.contiguous() if isinstance(value, torch.Tensor) else value

    class Settled(class_):  # type: ignore[misc]
        def step(self, closure: Any = None) -> Any:
            objective = super().step(closure)
            for state in self.state.values():
                state.update({name: plain(value) for name, value in state.items()})
            return objective

    return Settled


def _with_betas(given: Mapping[str, Any], known: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Return the hyperparameters with ``beta1``, ``beta2``, ... put into the tuple that PyTorch calls ``betas``."""
    single = {name: value for name, value in given.items() if name in ("beta1", "beta2", "beta3") and name not in known}
    rest = {name: value for name, value in given.items() if name not in single}
    if not single:
        return rest
    betas = known["betas"].default if "betas" in known else None
    if not isinstance(betas, tuple) or max(single) > f"beta{len(betas)}":
        raise PluginError(f"must be a hyperparameter it has, got {max(single)}")
    return {**rest, "betas": tuple(single.get(f"beta{i}", beta) for i, beta in enumerate(betas, 1))}
