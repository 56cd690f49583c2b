"""EMA: another optimizer with averaged weights.

Another optimizer's weights, averaged over the last steps; the average is evaluated, the weights train on.

Polyak & Juditsky 1992, https://doi.org/10.1137/0330046; with the exponential form and the start-up correction as in
Kingma & Ba 2015, arXiv:1412.6980: after t steps the average is ``sum d^(t-i) w_i / sum d^(t-i)``, with
``d = 1 - 1/horizon``. So it begins as the plain mean, without the initial weights, and a run shorter than the horizon
is averaged whole. The horizon, in steps, is searched. ``ema(adam)`` goes around adam, ``ema`` alone around sgd.

Batch-norm statistics are not averaged: they stay those that the trained weights have made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness import Float, Optimizer, PluginError, hookimpl
from harness_plugins.optimizers import _around, _limits, sgd

if TYPE_CHECKING:
    import torch


def wrap(inner: torch.optim.Optimizer, horizon: float) -> torch.optim.Optimizer:
    """Return ``inner`` with an average of its weights that ``eval()`` puts in their place and ``train()`` takes out."""
    import torch

    decay = 1 - 1 / horizon

    class EMA(_around.around()):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(inner)
            self.steps = 0
            self.evaluating = False
            self.others = [weight.detach().clone() for weight in self.weights()]  # what is not in place: one of the two

        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            """Move the weights by one step, then their average."""
            if self.evaluating:
                raise RuntimeError("ema must be in train mode for a step, got eval mode; call train()")
            objective = self.inner.step(closure) if closure else self.inner.step()
            self.steps += 1
            torch._foreach_lerp_(self.others, self.weights(), (1 - decay) / (1 - decay**self.steps))
            return objective

        def train(self) -> None:
            """Put the trained weights in place."""
            self._exchange(evaluating=False)

        def eval(self) -> None:
            """Put the average in place."""
            self._exchange(evaluating=True)

        @torch.no_grad()
        def _exchange(self, evaluating: bool) -> None:
            if evaluating != self.evaluating:
                copies = [weight.clone() for weight in self.weights()]
                torch._foreach_copy_(self.weights(), self.others)
                torch._foreach_copy_(self.others, copies)
                self.evaluating = evaluating

        def own_state(self) -> dict[str, Any]:
            return {"steps": self.steps, "evaluating": self.evaluating, "others": self.others}

        def load_own_state(self, state: dict[str, Any]) -> None:
            self.steps, self.evaluating = state["steps"], state["evaluating"]
            for average, saved in zip(self.others, state["others"], strict=True):
                average.copy_(saved)

    return EMA()


def around(inner: Optimizer) -> Optimizer:
    """Return the average around an optimizer; raises PluginError for one that evaluates other weights already."""
    if inner.switches:
        raise PluginError(f"ema must go around one that evaluates what it trains, got '{inner.name}', which does not")

    def build(parameters: Any, horizon: float = 100.0, **hyperparameters: Any) -> torch.optim.Optimizer:
        return wrap(inner.build(parameters, **hyperparameters), horizon)

    space = {**inner.space, "horizon": Float(5.0, 2000.0, log=True)}
    defaults = {**inner.defaults, "horizon": 100.0}
    return replace(
        inner,
        name="ema",
        build=build,
        space=space,
        defaults=defaults,
        limits={**inner.limits, **_limits.limits("horizon")},
        switches=True,
        captured=None,  # it counts its steps in Python
        around=around,
        reference=REFERENCE,
    )


REFERENCE = "Polyak & Juditsky 1992"


@hookimpl
def harness_optimizers() -> list[Optimizer]:
    """Offer ema, around sgd unless it says another."""
    return [around(inner) for inner in sgd.harness_optimizers()]
