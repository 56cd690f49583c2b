"""SAM: another optimizer at the worst point nearby.

The step another optimizer would take, by the gradient at the worst point nearby.

Foret et al. 2021, "Sharpness-Aware Minimization", https://arxiv.org/abs/2010.01412. Every step computes two gradients:
``g`` at the weights ``w``, and a second one at ``w + rho * g / |g|``, which the inner optimizer follows from ``w``. So
it costs twice the time. ``sam(adam)`` goes around adam, and ``sam`` alone around sgd, as in the paper.

What differs: the L2 is part of the common objective and so of both gradients; the paper adds it to the second alone.
Batch-norm statistics see both passes, the second at weights that are never kept, and dropout draws anew for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, PluginError, hookimpl
from harness_plugins.optimizers import _around, _limits, sgd

if TYPE_CHECKING:
    import torch


def wrap(inner: torch.optim.Optimizer, rho: float) -> torch.optim.Optimizer:
    """Return ``inner``, stepping by the gradient at the distance ``rho`` uphill."""
    import torch

    class SAM(_around.around()):  # type: ignore[misc]
        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            """Move by one step and return the objective before it."""
            evaluate = torch.enable_grad()(closure)
            objective = evaluate()
            moved = [weight for weight in self.weights() if weight.grad is not None]
            uphill = [weight.grad for weight in moved if weight.grad is not None]
            if moved:
                length = torch.stack(torch._foreach_norm(uphill)).square().sum().sqrt()
                before = [weight.clone() for weight in moved]
                torch._foreach_add_(moved, torch._foreach_mul(uphill, rho / (length + 1e-12)))
                evaluate()
                torch._foreach_copy_(moved, before)  # copied, not subtracted: back to the last bit
            self.inner.step()
            return objective

    return SAM(inner)


def around(inner: Optimizer) -> Optimizer:
    """Return SAM around an optimizer; raises PluginError for one that evaluates or differentiates by itself."""
    if inner.closure:
        raise PluginError(
            f"sam must go around one that takes a gradient as it is, got '{inner.name}', which calls a closure"
        )
    if inner.second_order:
        raise PluginError(f"sam must go around one that needs first derivatives only, got '{inner.name}'")

    def build(parameters: Any, rho: float = 0.05, **hyperparameters: Any) -> torch.optim.Optimizer:
        return wrap(inner.build(parameters, **hyperparameters), rho)

    space = {**inner.space, "rho": Float(0.01, 0.5, log=True)}
    defaults = {**inner.defaults, "rho": 0.05}
    limits = {**inner.limits, **_limits.limits("rho")}
    failures = {check: reason for check, reason in inner.known_failures.items() if check != "keeps_gradients"}
    return replace(
        inner, name="sam", build=build, space=space, defaults=defaults, limits=limits, closure=True, captured=None, around=around,
        known_failures=failures, reference=REFERENCE,
    )  # fmt: skip


REFERENCE = "arXiv:2010.01412"


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer sam, around sgd unless it says another."""
    return [around(inner) for inner in sgd.harness_optimizers()]
